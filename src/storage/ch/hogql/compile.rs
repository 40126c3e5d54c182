//! From a question to its statement.

use std::collections::HashMap;

use super::super::Sql;
use super::json::{PropertyFacts, PropertyType};
use super::level::Compiler;
use super::named::Named;
use super::select::count;
use crate::model::ProjectId;
use crate::model::query::WeekStart;
use crate::sql::{Expr, ExprKind, Query, Span, SqlError, with_room};

/// Room for parameters: they travel in an address.
const MAX_PARAM_BYTES: usize = 48_000;

/// Whom a question is about, and what its words stand for.
#[derive(Clone, Copy)]
pub struct QueryScope<'a> {
    pub project: ProjectId,
    /// The name of the project's zone.
    pub zone: &'a str,
    pub week_start: WeekStart,
    /// What is known of a property of events, by its key.
    pub event_property: &'a (dyn Fn(&str) -> PropertyFacts + Sync),
    /// What type a property of persons has, by its key.
    pub person_type: &'a (dyn Fn(&str) -> Option<PropertyType> + Sync),
    /// What `{name}` stands for; steps of a name have dots between.
    pub placeholders: &'a HashMap<String, Expr>,
    /// What the question may name.
    pub named: &'a Named,
    /// Only these people, or these groups.
    pub behind: Option<&'a ActorsBehind>,
}

/// Some people or groups, and maybe what is said of each: a column of its own where they are listed.
#[derive(Debug, Clone)]
pub struct ActorsBehind {
    /// A statement with the column `whole`: the numbers of people after merges, or the keys of groups. If something is said of
    /// each, they come once, and `said` is beside them.
    pub actors: Sql,
    pub said: Option<Said>,
    /// The type of the groups; none if they are people.
    pub group_index: Option<usize>,
}

/// What is said of somebody in a list.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// What the language calls it.
    pub name: &'static str,
    /// Whether it is a list, not a number.
    pub is_list: bool,
}

impl ActorsBehind {
    /// People or groups of whom nothing is said.
    #[must_use]
    pub fn plain(actors: Sql, group_index: Option<usize>) -> Self {
        Self { actors, said: None, group_index }
    }
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
    /// Whether rows that are equal to the last one by the order come too, beyond the limit.
    pub has_ties: bool,
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

impl ColumnName {
    pub(super) fn sql(self) -> Sql {
        let Self(letters, number) = self;
        let mut sql = Sql::default();
        match number {
            Some(number) => sql.name(letters, number),
            None => sql.push(letters),
        };
        sql
    }
}

impl CompiledQuery {
    /// The statement with names for its columns, one for each, for a statement of ours around it.
    #[must_use]
    pub fn named(&self, names: &[ColumnName]) -> Sql {
        let mut sql = Sql::new("SELECT ");
        for (at, (alias, name)) in self.aliases.iter().zip(names).enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).name("a", *alias).push(" AS ").append(&name.sql());
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
    with_room(|| compile_here(query, scope, rule, &[]))
}

/// Prints a question with names for its columns, one for each, for a statement of ours around it. Where one level of the
/// statement less does, it is not there: each costs the engine a few hundredths of planning.
///
/// # Errors
/// If it names what there is not, or asks for too much; the error says where.
pub fn compile_named<'q>(query: &'q Query, scope: &'q QueryScope<'q>, names: &[ColumnName]) -> Result<Sql, SqlError> {
    with_room(|| match query {
        Query::Select(select) if select.items.iter().all(|item| !matches!(item.expr.kind, ExprKind::Star { .. })) => {
            Ok(compile_here(query, scope, None, names)?.sql)
        }
        _ => Ok(compile_here(query, scope, None, &[])?.named(names)),
    })
}

fn compile_here<'q>(
    query: &'q Query,
    scope: &'q QueryScope<'q>,
    rule: Option<LimitRule>,
    names: &[ColumnName],
) -> Result<CompiledQuery, SqlError> {
    let mut compiler = Compiler {
        scope,
        names: 0,
        result_names: names.iter().map(|name| name.sql()).collect(),
        sources: 0,
        params: 0,
        param_bytes: 0,
        over_rows: 0,
        around: Vec::new(),
    };
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
            let limit = limit_of(query)?.unwrap_or(rule.default).min(rule.most);
            let mut sql = Sql::new("SELECT * FROM (");
            sql.append(&inner).push(") LIMIT ").number(limit + 1);
            (sql, columns, Some(limit), 0)
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
    let has_ties = match query {
        Query::Select(select) => select.limit.as_ref().is_some_and(|limit| limit.has_ties),
        Query::Set { .. } => false,
    };
    Ok(CompiledQuery { sql, columns: names, limit, has_ties, offset, aliases })
}

/// How many rows questions that are put together ask for; none if any of them does not say.
fn limit_of(query: &Query) -> Result<Option<u64>, SqlError> {
    match query {
        Query::Select(select) => select.limit.as_ref().and_then(|limit| limit.count.as_ref()).map(count).transpose(),
        Query::Set { first, rest } => {
            let mut sum = limit_of(first)?;
            for (_, part) in rest {
                sum = sum.zip(limit_of(part)?).map(|(sum, more)| sum.saturating_add(more));
            }
            Ok(sum)
        }
    }
}
