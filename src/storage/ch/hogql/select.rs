//! Questions: scopes, clauses and limits.

use std::collections::HashMap;

use super::super::Sql;
use super::json::PropertyType;
use super::tables::{Needs, TABLES, Table};
use super::value::{Ty, Value};
use crate::model::ProjectId;
use crate::model::query::WeekStart;
use crate::sql::with_room;
use crate::sql::{
    Cte, CteBody, Expr, ExprKind, Join, JoinKind, JoinOn, Limit, Literal, Nulls, Order, Query, Select, SetOp, Source,
    SourceKind, Span, SqlError,
};

/// Most tables and queries in one question: a name may stand for a question that names others.
const MAX_SOURCES: usize = 48;
/// Longest statement.
const MAX_SQL_BYTES: usize = 1 << 20;
/// Room for parameters: they travel in an address.
const MAX_PARAM_BYTES: usize = 48_000;

/// Whom a question is about, and what its words stand for.
#[derive(Clone, Copy)]
pub struct QueryScope<'a> {
    pub project: ProjectId,
    /// The name of the project's zone.
    pub zone: &'a str,
    pub week_start: WeekStart,
    /// What type a property of events has, by its key.
    pub event_type: &'a (dyn Fn(&str) -> Option<PropertyType> + Sync),
    /// What type a property of persons has, by its key.
    pub person_type: &'a (dyn Fn(&str) -> Option<PropertyType> + Sync),
    /// What `{name}` stands for; steps of a name have dots between.
    pub placeholders: &'a HashMap<String, Expr>,
    /// Only these people: a statement with one column, their numbers after merges.
    pub only_people: Option<&'a Sql>,
}

/// How many rows an answer holds.
#[derive(Debug, Clone, Copy)]
pub struct LimitRule {
    /// If the question does not say.
    pub default: u64,
    /// Whatever it says.
    pub most: u64,
}

/// A statement, and what its answer holds.
#[derive(Debug, Clone)]
pub struct CompiledQuery {
    pub sql: Sql,
    /// The names of the columns, as the question gives them.
    pub columns: Vec<String>,
    /// How many rows the answer may hold. The statement asks for one more, to know whether there are.
    pub limit: Option<u64>,
    pub offset: u64,
    /// What the statement itself calls the columns: numbers after an `a`.
    aliases: Vec<usize>,
}

/// What a statement of ours calls a column of a question inside it: `person`, or `step3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnName(&'static str, Option<usize>);

impl From<&'static str> for ColumnName {
    fn from(name: &'static str) -> Self {
        Self(name, None)
    }
}

impl From<(&'static str, usize)> for ColumnName {
    fn from((letters, number): (&'static str, usize)) -> Self {
        Self(letters, Some(number))
    }
}

impl CompiledQuery {
    /// The statement with names for its columns, one for each, for a statement of ours around it.
    #[must_use]
    pub fn named(&self, names: &[ColumnName]) -> Sql {
        let mut sql = Sql::new("SELECT ");
        for (at, (alias, ColumnName(letters, number))) in self.aliases.iter().zip(names).enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).name("a", *alias).push(" AS ");
            match number {
                Some(number) => sql.name(letters, *number),
                None => sql.push(letters),
            };
        }
        sql.push(" FROM (").append(&self.sql).push(")");
        sql
    }
}

/// Prints a question; with a rule, never more rows than that.
///
/// # Errors
/// If it names what there is not, or asks for too much; the error says where.
pub fn compile<'q>(
    query: &'q Query,
    scope: &'q QueryScope<'q>,
    rule: Option<LimitRule>,
) -> Result<CompiledQuery, SqlError> {
    with_room(|| compile_here(query, scope, rule))
}

fn compile_here<'q>(
    query: &'q Query,
    scope: &'q QueryScope<'q>,
    rule: Option<LimitRule>,
) -> Result<CompiledQuery, SqlError> {
    let mut compiler = Compiler { scope, names: 0, sources: 0, params: 0, param_bytes: 0 };
    let (sql, columns, limit, offset) = match (query, rule) {
        (Query::Select(select), Some(rule)) => {
            let (limit, offset) = match &select.limit {
                None => (rule.default, 0),
                Some(given) => {
                    let limit = given.count.as_ref().map(count).transpose()?.unwrap_or(rule.default);
                    (limit.min(rule.most), given.offset.as_ref().map(count).transpose()?.unwrap_or(0))
                }
            };
            let has_ties = select.limit.as_ref().is_some_and(|given| given.has_ties);
            let (sql, columns) = compiler.select(select, &[], Some((limit + u64::from(!has_ties), offset)))?;
            (sql, columns, Some(limit), offset)
        }
        (Query::Set { .. }, Some(rule)) => {
            let (inner, columns) = compiler.query(query, &[])?;
            let mut sql = Sql::new("SELECT * FROM (");
            sql.append(&inner).push(") LIMIT ").number(rule.default + 1);
            (sql, columns, Some(rule.default), 0)
        }
        (query, None) => {
            let (sql, columns) = compiler.query(query, &[])?;
            (sql, columns, None, 0)
        }
    };
    let travels: usize =
        sql.params().iter().map(|p| 16 + serde_json::to_string(p).map_or(0, |text| text.len() * 3)).sum();
    if travels > MAX_PARAM_BYTES {
        return Err(SqlError::new(Span::default(), "the question names too many values or properties"));
    }
    let aliases = columns.iter().map(|column| column.alias).collect();
    let names = columns.into_iter().map(|column| column.name).collect();
    Ok(CompiledQuery { sql, columns: names, limit, offset, aliases })
}

/// A column of a question inside another.
#[derive(Debug, Clone)]
pub(super) struct Derived {
    pub name: String,
    pub alias: usize,
    pub ty: Ty,
    pub is_nullable: bool,
}

/// Where rows come from, while what is read from it is still being found.
pub(super) enum Rows {
    Table { table: Table, needs: Needs, keys: Vec<Vec<String>>, columns: Vec<Value> },
    Query { sql: Sql, columns: Vec<Derived> },
    Numbers { sql: Sql },
}

pub(super) struct SourceRef {
    pub name: Option<String>,
    pub id: usize,
    pub rows: Rows,
}

/// What names stand for at one level of a question.
pub(super) struct Level<'q> {
    pub sources: Vec<SourceRef>,
    pub aliases: Vec<(String, Value)>,
    pub lambdas: Vec<(String, Value)>,
    pub ctes: Vec<&'q Cte>,
    pub windows: Vec<(String, usize)>,
}

pub(super) struct Compiler<'a> {
    pub scope: &'a QueryScope<'a>,
    pub names: usize,
    pub sources: usize,
    pub params: usize,
    pub param_bytes: usize,
}

impl<'q> Compiler<'q> {
    pub fn fresh(&mut self) -> usize {
        self.names += 1;
        self.names
    }

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

    fn select(
        &mut self,
        select: &'q Select,
        ctes: &[&'q Cte],
        limit: Option<(u64, u64)>,
    ) -> Result<(Sql, Vec<Derived>), SqlError> {
        let mut level = Level {
            sources: Vec::new(),
            aliases: Vec::new(),
            lambdas: Vec::new(),
            ctes: ctes.iter().copied().chain(&select.ctes).collect(),
            windows: select.windows.iter().map(|(name, _)| (name.clone(), self.fresh())).collect(),
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
        let mut items: Vec<(Sql, usize)> = Vec::new();
        for item in &select.items {
            for (name, value) in self.item(item, &mut level)? {
                let alias = self.fresh();
                columns.push(Derived { name: name.clone(), alias, ty: value.ty, is_nullable: value.is_nullable });
                items.push((value.sql, alias));
                if item.alias.is_some() {
                    let mut sql = Sql::default();
                    sql.name("a", alias);
                    let known = Value {
                        sql,
                        literal: None,
                        stored: None,
                        ..Value::new(Sql::default(), value.ty, value.is_nullable)
                    };
                    level.aliases.push((name, known));
                }
            }
        }
        let mut sql = Sql::new(if select.is_distinct { "SELECT DISTINCT " } else { "SELECT " });
        for (at, (item, alias)) in items.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).append(item).push(" AS ").name("a", *alias);
        }
        // The rest is printed apart: what it reads decides what the tables before it give.
        let mut rest = Sql::default();
        if let Some(array_join) = array_join {
            rest.append(&array_join);
        }
        for (word, condition) in
            [(" PREWHERE ", &select.prewhere), (" WHERE ", &select.filter), (" HAVING ", &select.having)]
        {
            if word == " HAVING " && !select.group_by.is_empty() {
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
            let number = level.windows.iter().find(|(known, _)| known == name).map_or(0, |(_, number)| *number);
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
        Ok((sql, columns))
    }

    fn print_source(&self, source: &SourceRef) -> Sql {
        let mut sql = Sql::new("(");
        match &source.rows {
            Rows::Table { table, needs, columns, .. } => sql.append(&table.print(columns, self.scope, *needs)),
            Rows::Query { sql: inner, .. } | Rows::Numbers { sql: inner } => sql.append(inner),
        };
        sql.push(") AS ").name("t", source.id);
        sql
    }

    fn add_source(&mut self, source: &'q Source, level: &mut Level<'q>) -> Result<(), SqlError> {
        self.sources += 1;
        if self.sources > MAX_SOURCES {
            return Err(SqlError::new(source.span, format!("the question reads from more than {MAX_SOURCES} tables")));
        }
        let (default_name, rows) = match &source.kind {
            SourceKind::Table(names) => {
                let name = names.join(".");
                let cte = level.ctes.iter().rposition(|cte| cte.name == name);
                match (cte, TABLES.iter().find(|(known, _)| *known == name)) {
                    (Some(at), _) => {
                        let ctes = level.ctes[..at].to_vec();
                        let (sql, columns) = match &level.ctes[at].body {
                            CteBody::Query(query) => self.query(query, &ctes)?,
                            CteBody::Value(Expr { kind: ExprKind::Query(query), .. }) => self.query(query, &ctes)?,
                            CteBody::Value(_) => {
                                return Err(SqlError::new(source.span, format!("{name} is a value, not a table")));
                            }
                        };
                        (Some(name), Rows::Query { sql, columns })
                    }
                    (None, Some((_, table))) => {
                        let rows = Rows::Table {
                            table: *table,
                            needs: Needs::default(),
                            keys: Vec::new(),
                            columns: Vec::new(),
                        };
                        (Some(name), rows)
                    }
                    (None, None) => {
                        let known: Vec<_> = TABLES.iter().map(|(name, _)| *name).collect();
                        let message = format!("there is no table {name}; there are {}", known.join(", "));
                        return Err(SqlError::new(source.span, message));
                    }
                }
            }
            SourceKind::Function { name, args } => {
                if name != "numbers" || args.is_empty() || args.len() > 2 {
                    let message = if name == "numbers" {
                        "numbers takes how many there are, or the first and how many".to_owned()
                    } else {
                        format!("{name} gives no rows here; numbers(10) does")
                    };
                    return Err(SqlError::new(source.span, message));
                }
                let mut sql = Sql::new("SELECT number FROM numbers(");
                for (at, arg) in args.iter().enumerate() {
                    // Nothing else of the question may stand there.
                    let mut outside = Level {
                        sources: Vec::new(),
                        aliases: Vec::new(),
                        lambdas: Vec::new(),
                        ctes: level.ctes.clone(),
                        windows: Vec::new(),
                    };
                    sql.push(if at > 0 { ", " } else { "" }).append(&self.expr(arg, &mut outside)?.sql);
                }
                sql.push(")");
                (Some("numbers".to_owned()), Rows::Numbers { sql })
            }
            SourceKind::Query(query) => {
                let ctes = level.ctes.clone();
                let (sql, columns) = self.query(query, &ctes)?;
                (None, Rows::Query { sql, columns })
            }
        };
        let name = source.alias.clone().or(default_name);
        if name.as_ref().is_some_and(|name| level.sources.iter().any(|known| known.name.as_ref() == Some(name))) {
            let name = name.unwrap_or_default();
            return Err(SqlError::new(source.span, format!("{name} stands for two tables: name one of them with AS")));
        }
        let id = self.fresh();
        level.sources.push(SourceRef { name, id, rows });
        Ok(())
    }

    fn join(&mut self, join: &'q Join, level: &mut Level<'q>) -> Result<(&'static str, Sql), SqlError> {
        let kind = match join.kind {
            JoinKind::Inner => " INNER JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
            JoinKind::AnyInner => " ANY INNER JOIN ",
            JoinKind::AnyLeft => " ANY LEFT JOIN ",
            JoinKind::LeftSemi => " LEFT SEMI JOIN ",
            JoinKind::LeftAnti => " LEFT ANTI JOIN ",
        };
        let mut on = Sql::default();
        match &join.on {
            JoinOn::Nothing => {}
            JoinOn::Condition(condition) => {
                on.push(" ON ").append(&self.join_condition(condition, level)?);
            }
            JoinOn::Columns(names) => {
                on.push(" ON ");
                let (last, before) = level.sources.split_at_mut_last();
                for (at, name) in names.iter().enumerate() {
                    let steps = [name.clone()];
                    let right = self.column_of(last, &steps, join.source.span)?;
                    let mut left = None;
                    for source in before.iter_mut() {
                        left = left.or(self.column_of(source, &steps, join.source.span)?);
                    }
                    let (Some(left), Some(right)) = (left, right) else {
                        return Err(SqlError::new(join.source.span, format!("{name} is no column of both tables")));
                    };
                    on.push(if at > 0 { " AND " } else { "" }).append(&left.sql).push(" = ").append(&right.sql);
                }
            }
        }
        Ok((kind, on))
    }

    /// Equal sides of a join stand bare: the engine joins by them, and nulls go with nothing.
    fn join_condition(&mut self, condition: &'q Expr, level: &mut Level<'q>) -> Result<Sql, SqlError> {
        match &condition.kind {
            ExprKind::And(items) => {
                let mut sql = Sql::new("(");
                for (at, item) in items.iter().enumerate() {
                    sql.push(if at > 0 { " AND " } else { "" }).append(&self.join_condition(item, level)?);
                }
                sql.push(")");
                Ok(sql)
            }
            ExprKind::Compare(crate::sql::CompareOp::Equal, left, right) => {
                let left = self.expr(left, level)?;
                let right = self.expr(right, level)?;
                let mut sql = left.sql;
                sql.push(" = ").append(&right.sql);
                Ok(sql)
            }
            _ => Ok(self.expr(condition, level)?.sql),
        }
    }

    fn array_join(&mut self, join: &'q crate::sql::ArrayJoin, level: &mut Level<'q>) -> Result<Sql, SqlError> {
        let mut sql = Sql::new(if join.is_left { " LEFT ARRAY JOIN " } else { " ARRAY JOIN " });
        for (at, item) in join.items.iter().enumerate() {
            let list = self.expr(&item.expr, level)?;
            let alias = self.fresh();
            sql.push(if at > 0 { ", " } else { "" }).append(&list.sql).push(" AS ").name("a", alias);
            let name = item.alias.clone().unwrap_or_else(|| name_of(&item.expr));
            let mut known = Sql::default();
            known.name("a", alias);
            level.aliases.push((name, Value::new(known, Ty::Any, true)));
        }
        Ok(sql)
    }

    /// The column or columns that one item stands for.
    fn item(
        &mut self,
        item: &'q crate::sql::SelectItem,
        level: &mut Level<'q>,
    ) -> Result<Vec<(String, Value)>, SqlError> {
        let ExprKind::Star(table) = &item.expr.kind else {
            let value = self.expr(&item.expr, level)?;
            let name = item.alias.clone().unwrap_or_else(|| name_of(&item.expr));
            return Ok(vec![(name, value)]);
        };
        let span = item.expr.span;
        let mut found = Vec::new();
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
        if found.is_empty() {
            return Err(SqlError::new(span, "there is no table to take all columns of"));
        }
        Ok(found)
    }

    fn group(&mut self, exprs: &'q [Expr], items: &[(Sql, usize)], level: &mut Level<'q>) -> Result<Sql, SqlError> {
        let mut sql = Sql::default();
        for (at, expr) in exprs.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).append(&self.by_place(expr, items, level)?);
        }
        Ok(sql)
    }

    pub fn orders(
        &mut self,
        orders: &'q [Order],
        items: &[(Sql, usize)],
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
    fn by_place(&mut self, expr: &'q Expr, items: &[(Sql, usize)], level: &mut Level<'q>) -> Result<Sql, SqlError> {
        if let ExprKind::Literal(Literal::Whole(place)) = expr.kind {
            let place = usize::try_from(place).ok().and_then(|place| place.checked_sub(1));
            let Some((_, alias)) = place.and_then(|place| items.get(place)) else {
                return Err(SqlError::new(expr.span, "there is no column of this number"));
            };
            let mut sql = Sql::default();
            if !items.is_empty() {
                sql.name("a", *alias);
            }
            return Ok(sql);
        }
        Ok(self.expr(expr, level)?.sql)
    }
}

/// A column of a question inside.
pub(super) fn derived(source: usize, column: &Derived) -> Value {
    let mut sql = Sql::default();
    sql.name("t", source).name(".a", column.alias);
    Value::new(sql, column.ty, column.is_nullable)
}

trait SplitLast<T> {
    fn split_at_mut_last(&mut self) -> (&mut T, &mut [T]);
}

impl SplitLast<SourceRef> for Vec<SourceRef> {
    fn split_at_mut_last(&mut self) -> (&mut SourceRef, &mut [SourceRef]) {
        self.split_last_mut().expect("the source of a join was just added")
    }
}

/// What a column without a name of its own is called.
fn name_of(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Field(steps) => steps.last().cloned().unwrap_or_default(),
        _ => expr.to_string(),
    }
}

fn count(expr: &Expr) -> Result<u64, SqlError> {
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
