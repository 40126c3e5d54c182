//! The query language of the public API: SQL as people write it, read into a tree of our own.
//!
//! [`parse_query`] and [`parse_expr`] read a text; what they do not know is refused with its place in the text. The tree says
//! nothing of a store: whoever prints it for one decides which tables, columns and functions there are, so that no text of a
//! request is ever handed on. [`Query`] and [`Expr`] print themselves in a plain form, which reads back as the same tree.

mod error;
mod lexer;
mod parser;
mod print;
mod room;
mod tree;

pub use error::{Span, SqlError};
pub use parser::{MAX_DEPTH, MAX_TEXT_BYTES, parse_expr, parse_item, parse_order, parse_query};
pub use room::with_room;
pub use tree::{
    ArithmeticOp, ArrayJoin, CompareOp, Cte, CteBody, Expr, ExprKind, Frame, FrameEdge, FrameUnit, From, Join,
    JoinKind, JoinOn, Limit, LimitBy, Literal, Nulls, Order, OverWindow, Query, Select, SelectItem, SetOp, Source,
    SourceKind, Window,
};

#[cfg(test)]
mod tests;
