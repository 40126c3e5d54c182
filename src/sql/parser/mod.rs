//! Reads a text into the tree, by recursive descent; nothing else decides what is taken.

mod expr;
mod from;
mod operand;
mod select;
mod window;

use super::lexer::{Token, tokens};
use super::{Expr, Order, Query, SelectItem, Span, SqlError, with_room};

/// Longest text.
pub const MAX_TEXT_BYTES: usize = 256 << 10;
/// Most levels of one thing in another: the stack is finite, here and in the store.
pub const MAX_DEPTH: u16 = 100;
/// Most levels of brackets while reading.
const MAX_NESTING: usize = 48;

/// Reads a whole question.
///
/// # Errors
/// If the text is too long, nested too deeply, or is no question; the error says where.
pub fn parse_query(text: &str) -> Result<Query, SqlError> {
    whole(text, Parser::query)
}

/// Reads a single value, such as a column of a list.
///
/// # Errors
/// As [`parse_query`].
pub fn parse_expr(text: &str) -> Result<Expr, SqlError> {
    whole(text, |parser| {
        let expr = parser.expr()?;
        // An alias of a single value names nothing.
        if parser.keyword("AS") {
            let (alias, span) = parser.name()?;
            return Err(SqlError::new(span, format!("{alias} is a name, and none is taken here")));
        }
        Ok(expr)
    })
}

/// Reads one column of an answer: a value, and its name if it has one.
///
/// # Errors
/// As [`parse_query`].
pub fn parse_item(text: &str) -> Result<SelectItem, SqlError> {
    whole(text, Parser::item)
}

/// Reads one term of an order: `timestamp DESC`.
///
/// # Errors
/// As [`parse_query`].
pub fn parse_order(text: &str) -> Result<Order, SqlError> {
    whole(text, Parser::order)
}

fn whole<T: Send>(text: &str, read: impl FnOnce(&mut Parser) -> Result<T, SqlError> + Send) -> Result<T, SqlError> {
    // A short one cannot be nested deeply.
    if text.len() > 64 { with_room(|| read_whole(text, read)) } else { read_whole(text, read) }
}

fn read_whole<T>(text: &str, read: impl FnOnce(&mut Parser) -> Result<T, SqlError>) -> Result<T, SqlError> {
    if text.len() > MAX_TEXT_BYTES {
        let span = Span { start: MAX_TEXT_BYTES, end: MAX_TEXT_BYTES };
        return Err(SqlError::new(span, format!("the text is longer than {} KiB", MAX_TEXT_BYTES >> 10)));
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, nesting: 0 };
    let found = read(&mut parser)?;
    parser.sign(";");
    match parser.peek() {
        Token::End => Ok(found),
        _ => Err(parser.unexpected("nothing")),
    }
}

/// Words that are no names unless quoted.
const RESERVED: &[&str] = &[
    "ALL",
    "AND",
    "ANTI",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "ASCENDING",
    "ASOF",
    "BETWEEN",
    "BY",
    "CASE",
    "CROSS",
    "DESC",
    "DESCENDING",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "FINAL",
    "FORMAT",
    "FROM",
    "FULL",
    "GLOBAL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "INTO",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "PREWHERE",
    "QUALIFY",
    "RIGHT",
    "SAMPLE",
    "SELECT",
    "SEMI",
    "SETTINGS",
    "THEN",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Whether a word is no name unless quoted.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    nesting: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    /// Where the token before this one ended.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].1
    }

    fn step(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_keyword_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn is_keyword(&self, keyword: &str) -> bool {
        self.is_keyword_at(0, keyword)
    }

    /// Takes a keyword if it stands here.
    fn keyword(&mut self, keyword: &str) -> bool {
        let is_here = self.is_keyword(keyword);
        self.at += usize::from(is_here);
        is_here
    }

    /// Takes several keywords in a row, or none of them.
    fn keywords(&mut self, keywords: &[&str]) -> bool {
        let are_here = keywords.iter().enumerate().all(|(ahead, keyword)| self.is_keyword_at(ahead, keyword));
        self.at += if are_here { keywords.len() } else { 0 };
        are_here
    }

    fn need_keyword(&mut self, keyword: &str) -> Result<(), SqlError> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected(keyword)) }
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(found) if *found == sign)
    }

    fn is_sign_at(&self, ahead: usize, sign: &str) -> bool {
        matches!(self.peek_at(ahead), Token::Sign(found) if *found == sign)
    }

    /// Takes a sign if it stands here.
    fn sign(&mut self, sign: &str) -> bool {
        let is_here = self.is_sign(sign);
        self.at += usize::from(is_here);
        is_here
    }

    fn need_sign(&mut self, sign: &str) -> Result<(), SqlError> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("{sign:?}"))) }
    }

    fn unexpected(&self, wanted: &str) -> SqlError {
        let found = match self.peek() {
            Token::Word(word) => word.clone(),
            Token::Quoted(name) => format!("the name {name}"),
            Token::Text(_) => "a text".to_owned(),
            Token::Whole(_) | Token::Number(_) => "a number".to_owned(),
            Token::Sign(sign) => format!("{sign:?}"),
            Token::End => "the end of the text".to_owned(),
        };
        SqlError::new(self.span(), format!("{wanted} is needed here, not {found}"))
    }

    /// Whether a name stands here: any word that is no keyword, or anything in quotes.
    fn is_name(&self) -> bool {
        self.is_name_at(0)
    }

    fn is_name_at(&self, ahead: usize) -> bool {
        match self.peek_at(ahead) {
            Token::Word(word) => !is_reserved(word),
            Token::Quoted(_) => true,
            _ => false,
        }
    }

    fn name(&mut self) -> Result<(String, Span), SqlError> {
        if !self.is_name() {
            return Err(self.unexpected("a name"));
        }
        match self.step() {
            (Token::Word(name) | Token::Quoted(name), span) => Ok((name, span)),
            (_, span) => Err(SqlError::new(span, "a name is needed here")),
        }
    }

    /// `AS name`, or a name alone.
    fn alias(&mut self) -> Result<Option<String>, SqlError> {
        if self.keyword("AS") {
            // After AS any word is a name.
            return match self.step() {
                (Token::Word(name) | Token::Quoted(name), _) => Ok(Some(name)),
                (_, span) => Err(SqlError::new(span, "a name is needed after AS")),
            };
        }
        if self.is_name() { self.name().map(|(name, _)| Some(name)) } else { Ok(None) }
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, SqlError>) -> Result<Vec<T>, SqlError> {
        let mut items = vec![item(self)?];
        while self.sign(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Goes one level down; more than so many are refused.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if self.nesting >= MAX_NESTING {
            return Err(SqlError::new(self.span(), format!("this is nested more than {MAX_NESTING} levels deep")));
        }
        self.nesting += 1;
        let found = read(self);
        self.nesting -= 1;
        found
    }
}
