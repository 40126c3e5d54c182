//! Windows.

use super::super::Sql;
use super::level::{Compiler, Level};
use crate::sql::{Frame, FrameEdge, FrameUnit, SqlError, Window};

impl<'q> Compiler<'q> {
    /// What stands in the brackets of a window.
    pub fn window(&mut self, window: &'q Window, level: &mut Level<'q>) -> Result<Sql, SqlError> {
        let mut sql = Sql::default();
        for (at, expr) in window.partition_by.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "PARTITION BY " }).append(&self.expr(expr, level)?.sql);
        }
        if !window.order_by.is_empty() {
            sql.push(" ORDER BY ").append(&self.orders(&window.order_by, &[], level)?);
        }
        if let Some(Frame { unit, start, end }) = window.frame {
            sql.push(if unit == FrameUnit::Rows { " ROWS BETWEEN " } else { " RANGE BETWEEN " });
            push_edge(&mut sql, start);
            sql.push(" AND ");
            push_edge(&mut sql, end.unwrap_or(FrameEdge::CurrentRow));
        }
        Ok(sql)
    }
}

fn push_edge(sql: &mut Sql, edge: FrameEdge) {
    match edge {
        FrameEdge::UnboundedPreceding => sql.push("UNBOUNDED PRECEDING"),
        FrameEdge::Preceding(count) => sql.number(count).push(" PRECEDING"),
        FrameEdge::CurrentRow => sql.push("CURRENT ROW"),
        FrameEdge::Following(count) => sql.number(count).push(" FOLLOWING"),
        FrameEdge::UnboundedFollowing => sql.push("UNBOUNDED FOLLOWING"),
    };
}
