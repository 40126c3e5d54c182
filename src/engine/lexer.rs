//! Splits SQL text into tokens, as far as finding clauses needs it: strings, quoted names and comments
//! are passed over whole, so that a word inside them is never taken for a keyword.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    /// A name in backquotes or double quotes.
    QuotedName,
    /// A string literal or heredoc.
    Text,
    Open,
    Close,
    Semicolon,
    /// Numbers, operators, commas.
    Other,
    /// A string, name or comment that does not end within the text.
    Unfinished,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// Iterates over the tokens of `sql`. Works on bytes: what follows a statement may be binary.
pub struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(sql: &'a [u8]) -> Self {
        Self { sql, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.sql[self.at..]
    }

    /// Moves past white space and comments. False if a comment does not end.
    fn skip_blanks(&mut self) -> bool {
        loop {
            let rest = self.rest();
            if rest.first().is_some_and(|byte| byte.is_ascii_whitespace() || *byte == 0x0b) {
                self.at += 1;
            } else if rest.starts_with(b"--") || rest.starts_with(b"#!") || rest.starts_with(b"# ") {
                self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                match find(&rest[2..], b"*/") {
                    Some(end) => self.at += end + 4,
                    None => return false,
                }
            } else {
                return true;
            }
        }
    }

    /// Length of a quoted run with backslash escapes and doubled quotes, quotes included.
    fn quoted(&self, quote: u8) -> Option<usize> {
        let rest = self.rest();
        let mut at = 1;
        loop {
            match *rest.get(at)? {
                b'\\' => at += 2,
                byte if byte == quote && rest.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return Some(at + 1),
                _ => at += 1,
            }
        }
    }

    /// Length of `$tag$ … $tag$`, if one begins here. `Some(None)`: begins and does not end.
    fn heredoc(&self) -> Option<Option<usize>> {
        let rest = self.rest();
        let tag = 1 + rest[1..].iter().position(|byte| !is_word(*byte))?;
        if rest[tag] != b'$' {
            return None;
        }
        let marker = &rest[..=tag];
        Some(find(&rest[marker.len()..], marker).map(|end| end + 2 * marker.len()))
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let blanks_end = self.skip_blanks();
        let start = self.at;
        let unfinished = |length: Option<usize>, kind| match length {
            Some(length) => (kind, length),
            None => (Kind::Unfinished, self.sql.len() - start),
        };
        let (kind, length) = match *self.rest().first()? {
            _ if !blanks_end => unfinished(None, Kind::Other),
            b'\'' => unfinished(self.quoted(b'\''), Kind::Text),
            quote @ (b'"' | b'`') => unfinished(self.quoted(quote), Kind::QuotedName),
            b'$' => match self.heredoc() {
                Some(length) => unfinished(length, Kind::Text),
                None => (Kind::Other, 1),
            },
            b'(' | b'[' | b'{' => (Kind::Open, 1),
            b')' | b']' | b'}' => (Kind::Close, 1),
            b';' => (Kind::Semicolon, 1),
            byte if is_word(byte) => {
                let length = self.rest().iter().position(|byte| !is_word(*byte)).unwrap_or(self.rest().len());
                (if byte.is_ascii_digit() { Kind::Other } else { Kind::Word }, length)
            }
            _ => (Kind::Other, 1),
        };
        self.at = start + length;
        Some(Token { kind, range: start..self.at })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
