//! A value of a question while it is printed: its text and what is known of it.

use super::super::Sql;
use crate::sql::Literal;

/// What a value is, as far as printing needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ty {
    Any,
    Text,
    Whole,
    Number,
    Flag,
    Moment,
    Day,
    Uuid,
    /// A text of JSON: names and numbers after it are steps into it.
    Json,
    List,
    Tuple,
}

/// A value, printed.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub sql: Sql,
    pub ty: Ty,
    pub is_nullable: bool,
    /// What stood in the text, if it is a plain literal.
    pub literal: Option<Literal>,
    pub stored: Option<Stored>,
    /// Whether it is a name for what is found after rows are put together.
    pub is_over_rows: bool,
}

/// A column of time as it is stored, for comparing: an index knows it by that.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub sql: Sql,
    /// Whether the table is sorted by the day of it before the time.
    pub is_keyed_by_day: bool,
}

impl Value {
    pub fn new(sql: Sql, ty: Ty, is_nullable: bool) -> Self {
        Self { sql, ty, is_nullable, literal: None, stored: None, is_over_rows: false }
    }

    pub fn is_null_literal(&self) -> bool {
        matches!(self.literal, Some(Literal::Null))
    }

    pub fn text_literal(&self) -> Option<&str> {
        match &self.literal {
            Some(Literal::Text(text)) => Some(text),
            _ => None,
        }
    }
}

/// `name(a, b)`.
pub(super) fn call(name: &'static str, args: &[&Sql]) -> Sql {
    let mut sql = Sql::new(name);
    sql.push("(");
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            sql.push(", ");
        }
        sql.append(arg);
    }
    sql.push(")");
    sql
}
