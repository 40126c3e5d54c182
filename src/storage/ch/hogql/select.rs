//! Questions: their clauses and limits.

use super::super::Sql;
use super::compile::ColumnName;
use super::level::{Compiler, Derived, Level, Rows, derived};
use super::value::{Ty, Value};
use crate::sql::{Cte, Expr, ExprKind, Limit, Literal, Nulls, Order, Query, Select, SelectItem, SetOp, Span, SqlError};

/// Longest statement.
const MAX_SQL_BYTES: usize = 1 << 20;

impl<'q> Compiler<'q> {
    pub fn query(&mut self, query: &'q Query, ctes: &[&'q Cte]) -> Result<(Sql, Vec<Derived>), SqlError> {
        match query {
            Query::Select(select) => {
                let limit = match &select.limit {
                    None => None,
                    Some(Limit { count: given, offset, .. }) => {
                        let given = given.as_ref().map(count).transpose()?.unwrap_or(u64::MAX >> 1);
                        Some((given, offset.as_ref().map(count).transpose()?.unwrap_or(0)))
                    }
                };
                self.select(select, ctes, limit)
            }
            Query::Set { first, rest } => {
                let (first_sql, mut columns) = self.query(first, ctes)?;
                // What is named before the first part is known in all of them.
                let named = match first.as_ref() {
                    Query::Select(select) => select.ctes.as_slice(),
                    Query::Set { .. } => &[],
                };
                let ctes: Vec<&Cte> = ctes.iter().copied().chain(named).collect();
                let mut sql = Sql::new("(");
                sql.append(&first_sql).push(")");
                for (op, part) in rest {
                    let (part_sql, part_columns) = self.query(part, &ctes)?;
                    if part_columns.len() != columns.len() {
                        let message = "the questions that are put together have different numbers of columns";
                        return Err(SqlError::new(span_of(part), message));
                    }
                    for (column, other) in columns.iter_mut().zip(&part_columns) {
                        column.is_nullable |= other.is_nullable;
                        column.ty = if column.ty == other.ty { column.ty } else { Ty::Any };
                    }
                    sql.push(match op {
                        SetOp::UnionAll => " UNION ALL (",
                        SetOp::UnionDistinct => " UNION DISTINCT (",
                        SetOp::Intersect => " INTERSECT (",
                        SetOp::IntersectDistinct => " INTERSECT DISTINCT (",
                        SetOp::Except => " EXCEPT (",
                        SetOp::ExceptDistinct => " EXCEPT DISTINCT (",
                    });
                    sql.append(&part_sql).push(")");
                }
                Ok((sql, columns))
            }
        }
    }

    pub fn select(
        &mut self,
        select: &'q Select,
        ctes: &[&'q Cte],
        limit: Option<(u64, u64)>,
    ) -> Result<(Sql, Vec<Derived>), SqlError> {
        let outside = std::mem::take(&mut self.over_rows);
        let mut result_names = std::mem::take(&mut self.result_names).into_iter();
        let mut level = Level {
            sources: Vec::new(),
            aliases: Vec::new(),
            lambdas: Vec::new(),
            ctes: ctes.iter().copied().chain(&select.ctes).collect(),
            windows: select.windows.iter().map(|(name, window)| (name.clone(), self.fresh(), window)).collect(),
        };
        let mut joins = Vec::new();
        if let Some(from) = &select.from {
            self.add_source(&from.first, &mut level)?;
            for join in &from.joins {
                self.add_source(&join.source, &mut level)?;
                joins.push(self.join(join, &mut level)?);
            }
        }
        let array_join = select.array_join.as_ref().map(|join| self.array_join(join, &mut level)).transpose()?;

        let mut columns = Vec::new();
        let mut items: Vec<(Sql, Sql)> = Vec::new();
        let mut keys = Vec::new();
        for item in &select.items {
            let before = self.over_rows;
            let found = self.item(item, &mut level)?;
            let is_over_rows = self.over_rows > before;
            for (name, value) in found {
                let alias = self.fresh();
                columns.push(Derived { name: name.clone(), alias, ty: value.ty, is_nullable: value.is_nullable });
                let sql = result_names.next().unwrap_or_else(|| ColumnName::from(("a", alias)).sql());
                items.push((value.sql, sql.clone()));
                if !is_over_rows {
                    keys.push(sql.clone());
                }
                if item.alias.is_some() {
                    let known = Value {
                        sql,
                        literal: None,
                        stored: None,
                        is_over_rows,
                        ..Value::new(Sql::default(), value.ty, value.is_nullable)
                    };
                    level.aliases.push((name, known));
                }
            }
        }
        let mut sql = Sql::new(if select.is_distinct { "SELECT DISTINCT " } else { "SELECT " });
        for (at, (item, alias)) in items.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).append(item).push(" AS ").append(alias);
        }
        // The rest is printed apart: what it reads decides what the tables before it give.
        let mut rest = Sql::default();
        if let Some(array_join) = array_join {
            rest.append(&array_join);
        }
        for (word, condition) in
            [(" PREWHERE ", &select.prewhere), (" WHERE ", &select.filter), (" HAVING ", &select.having)]
        {
            if word == " HAVING " && select.is_grouped_by_all {
                for (at, key) in keys.iter().enumerate() {
                    rest.push(if at > 0 { ", " } else { " GROUP BY " }).append(key);
                }
            } else if word == " HAVING " && !select.group_by.is_empty() {
                rest.push(" GROUP BY ").append(&self.group(&select.group_by, &items, &mut level)?);
            }
            if let Some(condition) = condition {
                // A table here is a question of its own, which has no PREWHERE.
                rest.push(if word == " PREWHERE " { " WHERE " } else { word });
                rest.append(&self.expr(condition, &mut level)?.sql);
            }
        }
        if select.prewhere.is_some() && select.filter.is_some() {
            return Err(SqlError::new(select.span, "either PREWHERE or WHERE is taken, not both"));
        }
        for (at, (name, window)) in select.windows.iter().enumerate() {
            let number = level.windows.iter().find(|(known, ..)| known == name).map_or(0, |(_, number, _)| *number);
            rest.push(if at == 0 { " WINDOW " } else { ", " }).name("w", number).push(" AS (");
            rest.append(&self.window(window, &mut level)?).push(")");
        }
        if !select.order_by.is_empty() {
            rest.push(" ORDER BY ").append(&self.orders(&select.order_by, &items, &mut level)?);
        }
        if let Some(by) = &select.limit_by {
            rest.push(" LIMIT ").number(count(&by.count)?);
            if let Some(offset) = &by.offset {
                rest.push(" OFFSET ").number(count(offset)?);
            }
            rest.push(" BY ").append(&self.group(&by.columns, &items, &mut level)?);
        }
        if let Some((limit, offset)) = limit {
            rest.push(" LIMIT ").number(limit);
            if offset > 0 {
                rest.push(" OFFSET ").number(offset);
            }
            if select.limit.as_ref().is_some_and(|limit| limit.has_ties) {
                rest.push(" WITH TIES");
            }
        }
        let mut level_sources = level.sources.into_iter();
        if let Some(first) = level_sources.next() {
            sql.push(" FROM ").append(&self.print_source(&first));
            for (source, (kind, on)) in level_sources.zip(joins) {
                sql.push(kind).append(&self.print_source(&source)).append(&on);
            }
        }
        sql.append(&rest);
        if sql.text().len() > MAX_SQL_BYTES {
            return Err(SqlError::new(select.span, "the question becomes too long"));
        }
        self.over_rows = outside;
        Ok((sql, columns))
    }

    /// The column or columns that one item stands for.
    fn item(&mut self, item: &'q SelectItem, level: &mut Level<'q>) -> Result<Vec<(String, Value)>, SqlError> {
        let ExprKind::Star { table, except } = &item.expr.kind else {
            let value = self.expr(&item.expr, level)?;
            let name = item.alias.clone().unwrap_or_else(|| name_of(&item.expr));
            return Ok(vec![(name, value)]);
        };
        let span = item.expr.span;
        let mut found = Vec::new();
        let mut left_out: Vec<&str> = Vec::new();
        for at in 0..level.sources.len() {
            let source = &level.sources[at];
            if table.is_some() && source.name != *table {
                continue;
            }
            let names: Vec<String> = match &source.rows {
                Rows::Table { table, .. } => table.star().into_iter().map(str::to_owned).collect(),
                Rows::Query { columns, .. } => columns.iter().map(|column| column.name.clone()).collect(),
                Rows::Numbers { .. } => vec!["number".to_owned()],
            };
            for (place, name) in names.into_iter().enumerate() {
                if let Some(one) = except.iter().find(|one| **one == name) {
                    left_out.push(one);
                    continue;
                }
                // Two columns of a question may have one name: by their place.
                let value = match &level.sources[at].rows {
                    Rows::Query { columns, .. } => Some(derived(level.sources[at].id, &columns[place])),
                    _ => {
                        let steps = [name.clone()];
                        self.column_of(&mut level.sources[at], &steps, span)?
                    }
                };
                found.extend(value.map(|value| (name, value)));
            }
        }
        if let Some(unknown) = except.iter().find(|one| !left_out.contains(&one.as_str())) {
            return Err(SqlError::new(span, format!("there is no column {unknown} to leave out here")));
        }
        if found.is_empty() && !except.is_empty() {
            return Err(SqlError::new(span, "no column is left"));
        }
        if found.is_empty() {
            return Err(SqlError::new(span, "there is no table to take all columns of"));
        }
        Ok(found)
    }

    fn group(&mut self, exprs: &'q [Expr], items: &[(Sql, Sql)], level: &mut Level<'q>) -> Result<Sql, SqlError> {
        let mut sql = Sql::default();
        for (at, expr) in exprs.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).append(&self.by_place(expr, items, level)?);
        }
        Ok(sql)
    }

    pub fn orders(
        &mut self,
        orders: &'q [Order],
        items: &[(Sql, Sql)],
        level: &mut Level<'q>,
    ) -> Result<Sql, SqlError> {
        let mut sql = Sql::default();
        for (at, order) in orders.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).append(&self.by_place(&order.expr, items, level)?);
            sql.push(if order.is_descending { " DESC" } else { " ASC" });
            sql.push(match order.nulls {
                Nulls::Unsaid => "",
                Nulls::First => " NULLS FIRST",
                Nulls::Last => " NULLS LAST",
            });
        }
        Ok(sql)
    }

    /// A value, or the number of a column: `ORDER BY 2`.
    fn by_place(&mut self, expr: &'q Expr, items: &[(Sql, Sql)], level: &mut Level<'q>) -> Result<Sql, SqlError> {
        if let ExprKind::Literal(Literal::Whole(place)) = expr.kind {
            let place = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
            let Some((_, alias)) = place.and_then(|place| items.get(place)) else {
                return Err(SqlError::new(expr.span, "there is no column of this number"));
            };
            return Ok(alias.clone());
        }
        Ok(self.expr(expr, level)?.sql)
    }
}

/// What a column without a name of its own is called.
pub(super) fn name_of(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Field(steps) => steps.last().cloned().unwrap_or_default(),
        _ => expr.to_string(),
    }
}

pub(super) fn count(expr: &Expr) -> Result<u64, SqlError> {
    match expr.kind {
        ExprKind::Literal(Literal::Whole(count)) => Ok(count.min(u64::MAX >> 2)),
        _ => Err(SqlError::new(expr.span, "a whole number is needed here")),
    }
}

fn span_of(query: &Query) -> Span {
    match query {
        Query::Select(select) => select.span,
        Query::Set { first, .. } => span_of(first),
    }
}
