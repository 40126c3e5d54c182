//! A text as words and signs.

use super::{Span, SqlError};

/// What a piece of text is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A bare word: a keyword or a name.
    Word(String),
    /// A name in backticks or double quotes.
    Quoted(String),
    Text(String),
    Whole(u64),
    Number(f64),
    Sign(&'static str),
    End,
}

/// Longest first, so that `=~*` is not read as `=`.
const SIGNS: &[&str] = &[
    "!~*", "=~*", "<=>", "??", "?.", "::", "->", "=>", "==", "!=", "<>", "<=", ">=", "=~", "!~", "~*", "||", "(", ")",
    "[", "]", "{", "}", ",", ".", ";", ":", "?", "+", "-", "*", "/", "%", "=", "<", ">", "~",
];

/// Cuts a text into its tokens; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Span)>, SqlError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found: Vec<(Token, Span)> = Vec::new();
    loop {
        lexer.skip_blank()?;
        let start = lexer.at;
        // After a dot, `1.2` is two steps of a path.
        let is_step = matches!(found.last(), Some((Token::Sign("." | "?."), _)));
        let token = lexer.next(is_step)?;
        let is_end = token == Token::End;
        found.push((token, Span { start, end: lexer.at }));
        if is_end {
            return Ok(found);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn wrong(&self, start: usize, message: &str) -> SqlError {
        SqlError::new(Span { start, end: self.at.max(start + 1) }, message)
    }

    fn skip_blank(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            let skipped = rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                let line = trimmed.find('\n').unwrap_or(trimmed.len());
                self.at += skipped + line;
            } else if trimmed.starts_with("/*") {
                let start = self.at + skipped;
                let Some(end) = trimmed.find("*/") else { return Err(self.wrong(start, "a comment is not closed")) };
                self.at += skipped + end + 2;
            } else {
                self.at += skipped;
                return Ok(());
            }
        }
    }

    fn next(&mut self, is_step: bool) -> Result<Token, SqlError> {
        let Some(first) = self.rest().chars().next() else { return Ok(Token::End) };
        match first {
            '\'' => self.quoted('\'').map(Token::Text),
            '`' | '"' => {
                let start = self.at;
                let name = self.quoted(first)?;
                if name.is_empty() {
                    return Err(self.wrong(start, "a name cannot be empty"));
                }
                Ok(Token::Quoted(name))
            }
            c if c.is_ascii_digit() => self.number(is_step),
            '.' if !is_step && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) && !self.follows_value() => {
                self.number(false)
            }
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                let length = self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
                let word = self.rest()[..length].to_owned();
                self.at += length;
                Ok(Token::Word(word))
            }
            _ => match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Ok(Token::Sign(sign))
                }
                None => {
                    self.at += first.len_utf8();
                    Err(self.wrong(self.at - first.len_utf8(), &format!("{first:?} means nothing here")))
                }
            },
        }
    }

    /// Whether a dot here is a step into what stands before it, as in `properties.1`.
    fn follows_value(&self) -> bool {
        let before = self.text[..self.at].chars().next_back();
        before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ')' | ']' | '`' | '"'))
    }

    fn number(&mut self, is_step: bool) -> Result<Token, SqlError> {
        let start = self.at;
        let rest = self.rest().as_bytes();
        if rest.starts_with(b"0x") || rest.starts_with(b"0X") {
            let digits = rest[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
            let text = self.rest()[2..2 + digits].to_owned();
            self.at += 2 + digits;
            return u64::from_str_radix(&text, 16).map(Token::Whole).map_err(|_| self.wrong(start, "no such number"));
        }
        let digits = |from: usize| rest[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = digits(0);
        let mut is_whole = true;
        if !is_step {
            if rest.get(end) == Some(&b'.') {
                is_whole = false;
                end += 1;
                end += digits(end);
            }
            if matches!(rest.get(end), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(rest.get(end + 1), Some(b'+' | b'-')));
                let exponent = digits(end + 1 + sign);
                if exponent > 0 {
                    is_whole = false;
                    end += 1 + sign + exponent;
                }
            }
        }
        let text = self.rest()[..end].to_owned();
        self.at += end;
        if self.rest().starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return Err(self.wrong(start, "a name cannot begin with a digit"));
        }
        if is_whole && let Ok(whole) = text.parse() {
            return Ok(Token::Whole(whole));
        }
        let number = text.parse().ok().filter(|n: &f64| n.is_finite());
        number.map(Token::Number).ok_or_else(|| self.wrong(start, "no such number"))
    }

    /// A text or name up to its closing quote: doubled quotes and backslashes as ClickHouse reads them.
    fn quoted(&mut self, quote: char) -> Result<String, SqlError> {
        let start = self.at;
        let text = self.text;
        let mut letters = text[start + 1..].char_indices();
        let mut value = String::new();
        while let Some((at, letter)) = letters.next() {
            self.at = start + 1 + at + letter.len_utf8();
            if letter == quote {
                if !text[self.at..].starts_with(quote) {
                    return Ok(value);
                }
                letters.next();
                value.push(quote);
            } else if letter == '\\' {
                let Some((_, escaped)) = letters.next() else { break };
                match escaped {
                    'n' => value.push('\n'),
                    't' => value.push('\t'),
                    'r' => value.push('\r'),
                    'b' => value.push('\u{8}'),
                    'f' => value.push('\u{c}'),
                    'a' => value.push('\u{7}'),
                    'v' => value.push('\u{b}'),
                    '0' => value.push('\0'),
                    '\\' | '\'' | '"' | '`' | '/' | '=' => value.push(escaped),
                    // As it stands: a pattern's \d needs no second backslash.
                    other => value.extend(['\\', other]),
                }
            } else {
                value.push(letter);
            }
        }
        self.at = text.len();
        Err(SqlError::new(Span { start, end: start + 1 }, "a quote is not closed"))
    }
}
