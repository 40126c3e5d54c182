//! Windows: `OVER (PARTITION BY … ORDER BY … ROWS …)`.

use super::super::lexer::Token;
use super::super::{Frame, FrameEdge, FrameUnit, OverWindow, SqlError, Window};
use super::Parser;

impl Parser {
    pub(super) fn over(&mut self) -> Result<OverWindow, SqlError> {
        if self.sign("(") {
            return self.nested(Self::window).map(OverWindow::Here);
        }
        self.name().map(|(name, _)| OverWindow::Named(name))
    }

    /// What stands in the brackets, and the closing one.
    pub(super) fn window(&mut self) -> Result<Window, SqlError> {
        let mut window = Window::default();
        if self.keywords(&["PARTITION", "BY"]) {
            window.partition_by = self.list(Self::expr)?;
        }
        if self.keywords(&["ORDER", "BY"]) {
            window.order_by = self.list(Self::order)?;
        }
        let unit = if self.keyword("ROWS") {
            Some(FrameUnit::Rows)
        } else if self.keyword("RANGE") {
            Some(FrameUnit::Range)
        } else {
            None
        };
        if let Some(unit) = unit {
            let is_between = self.keyword("BETWEEN");
            let start = self.edge()?;
            let end = if is_between {
                self.need_keyword("AND")?;
                Some(self.edge()?)
            } else {
                None
            };
            window.frame = Some(Frame { unit, start, end });
        }
        self.need_sign(")")?;
        Ok(window)
    }

    fn edge(&mut self) -> Result<FrameEdge, SqlError> {
        if self.keywords(&["CURRENT", "ROW"]) {
            return Ok(FrameEdge::CurrentRow);
        }
        if self.keyword("UNBOUNDED") {
            return if self.keyword("PRECEDING") {
                Ok(FrameEdge::UnboundedPreceding)
            } else {
                self.need_keyword("FOLLOWING").map(|()| FrameEdge::UnboundedFollowing)
            };
        }
        let Token::Whole(count) = *self.peek() else { return Err(self.unexpected("a number of rows")) };
        self.step();
        if self.keyword("PRECEDING") {
            return Ok(FrameEdge::Preceding(count));
        }
        self.need_keyword("FOLLOWING").map(|()| FrameEdge::Following(count))
    }
}
