//! Where a text makes no sense, and why.

/// A part of a text, in bytes. Two trees are equal wherever they stood, so all spans are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

impl Span {
    /// From the start of this to the end of another.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start, end: other.end.max(self.end) }
    }
}

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    /// In lower case and without a full stop.
    pub message: String,
    pub span: Span,
}

impl SqlError {
    /// Says what is wrong with a part of the text.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span }
    }

    /// The message with line, column and the line itself, a caret below the place: for who wrote the text.
    ///
    /// ```
    /// use tenrec::sql::{Span, SqlError};
    /// let error = SqlError::new(Span { start: 9, end: 13 }, "there is no column nope");
    /// assert_eq!(
    ///     error.describe("select 1,\nnope"),
    ///     "there is no column nope, at line 1, column 10\n\nselect 1,\n         ^"
    /// );
    /// ```
    #[must_use]
    pub fn describe(&self, text: &str) -> String {
        const SHOWN: usize = 120;
        let start = floor(text, self.span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let column = text[line_start..start].chars().count();
        let whole = text[line_start..].lines().next().unwrap_or_default();
        let from = column.saturating_sub(SHOWN / 2);
        let shown: String = whole.chars().skip(from).take(SHOWN).map(|c| if c == '\t' { ' ' } else { c }).collect();
        let width = text[start..floor(text, self.span.end)].lines().next().unwrap_or_default().chars().count();
        let width = width.clamp(1, SHOWN.saturating_sub(column - from).max(1));
        let (pad, carets) = (" ".repeat(column - from), "^".repeat(width));
        format!("{}, at line {line}, column {}\n\n{shown}\n{pad}{carets}", self.message, column + 1)
    }
}

/// The nearest place at or before that is between two letters.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
