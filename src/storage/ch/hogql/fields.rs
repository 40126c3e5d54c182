//! What names stand for, and going into a value by names and places.

use super::super::Sql;
use super::json::step_into;
use super::level::{Compiler, Level, Rows, SourceRef, derived};
use super::tables::{Needs, Table};
use super::value::{Stored, Ty, Value, call};
use crate::sql::{CteBody, Expr, ExprKind, Literal, Span, SqlError};

/// The placeholder `{filters}`, and under which name those of sessions are given: nobody can write it.
pub const EVENT_FILTERS: &str = "filters";
pub const SESSION_FILTERS: &str = "filters of sessions";

/// Most columns read of one table.
const MAX_COLUMNS: usize = 200;

impl<'q> Compiler<'q> {
    /// What a name stands for: an argument of a lambda, an alias, a named value, a column.
    pub fn field(&mut self, steps: &'q [String], span: Span, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let first = &steps[0];
        if !level.lambdas.iter().any(|(name, _)| name == first)
            && !level.aliases.iter().any(|(name, _)| name == first)
            && let Some(at) = level.ctes.iter().rposition(|cte| cte.name == *first)
            && let CteBody::Value(value) = &level.ctes[at].body
        {
            self.sources += 1;
            if self.sources > 1000 {
                return Err(SqlError::new(span, "named values are used too often"));
            }
            // It sees what was named before it, so it never stands for itself.
            let later = level.ctes.split_off(at);
            let found = self.expr(value, level);
            level.ctes.extend(later);
            return self.step_inside(found?, &steps[1..], span, false);
        }
        self.field_owned(steps.to_vec(), span, level)
    }

    pub fn field_owned(&mut self, steps: Vec<String>, span: Span, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let known = level.lambdas.iter().rev().chain(level.aliases.iter().rev()).find(|(name, _)| *name == steps[0]);
        if let Some((_, value)) = known {
            let value = value.clone();
            self.over_rows += usize::from(value.is_over_rows);
            return self.step_inside(value, &steps[1..], span, false);
        }
        if let Some(at) = level.sources.iter().position(|source| source.name.as_ref() == Some(&steps[0]))
            && steps.len() > 1
        {
            let found = self.column_of(&mut level.sources[at], &steps[1..], span)?;
            return found.ok_or_else(|| unknown(&steps[1..], span, level, &[]));
        }
        let mut found = None;
        for source in &mut level.sources {
            if let Some(value) = self.column_of(source, &steps, span)? {
                if found.is_some() {
                    let message = format!("{} is a column of several tables: name one before it", steps[0]);
                    return Err(SqlError::new(span, message));
                }
                found = Some(value);
            }
        }
        found.ok_or_else(|| unknown(&steps, span, level, &self.around))
    }

    /// `{filters}`: what is asked of the events, else of the sessions, that are read here. Columns are theirs, whatever other
    /// tables or names say.
    pub fn filters(&mut self, span: Span, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let of = |wanted: Table| move |source: &SourceRef| matches!(source.rows, Rows::Table { table, .. } if table == wanted);
        let events = level.sources.iter().position(of(Table::Events));
        let sessions = level.sources.iter().position(of(Table::Sessions));
        let name = if events.is_none() && sessions.is_some() { SESSION_FILTERS } else { EVENT_FILTERS };
        let Some(all) = self.scope.placeholders.get(name) else {
            return Err(SqlError::new(span, "{filters} stands for nothing in this question"));
        };
        let Some(at) = events.or(sessions) else { return self.expr(all, level) };
        let mut alone = Level {
            sources: vec![level.sources.remove(at)],
            aliases: Vec::new(),
            lambdas: Vec::new(),
            ctes: Vec::new(),
            windows: Vec::new(),
        };
        let found = self.expr(all, &mut alone);
        level.sources.splice(at..at, alone.sources);
        found
    }

    /// A column of a source by its path, noted as read; `None` if there is none.
    pub fn column_of(
        &mut self,
        source: &mut SourceRef,
        steps: &[String],
        span: Span,
    ) -> Result<Option<Value>, SqlError> {
        // Of a path in properties, places in lists start at one.
        let inner = steps.iter().position(|step| step == "properties" || step == "person_properties");
        if inner.is_some_and(|at| steps.iter().skip(at + 2).any(|step| step == "0")) {
            return Err(SqlError::new(span, "places in a list start at 1, not at 0"));
        }
        if steps.len() > 40 || steps.iter().any(|step| step.len() > 400) {
            return Err(SqlError::new(span, "this path is too long"));
        }
        match &mut source.rows {
            Rows::Numbers { .. } => Ok(match steps {
                [name] if name == "number" => {
                    let mut sql = Sql::default();
                    sql.name("t", source.id).push(".number");
                    Some(Value::new(sql, Ty::Whole, false))
                }
                _ => None,
            }),
            Rows::Query { columns, .. } => {
                let Some(column) = columns.iter().find(|column| column.name == steps[0]) else { return Ok(None) };
                let value = derived(source.id, column);
                self.step_inside(value, &steps[1..], span, false).map(Some)
            }
            Rows::Table { table, needs, keys, columns } => {
                let at = match keys.iter().position(|known| known == steps) {
                    Some(at) => at,
                    None => {
                        let mut also: Needs = *needs;
                        let Some(column) = table.column(steps, self.scope, &mut also) else { return Ok(None) };
                        if columns.len() >= MAX_COLUMNS {
                            return Err(SqlError::new(
                                span,
                                format!("more than {MAX_COLUMNS} columns of one table are read"),
                            ));
                        }
                        *needs = also;
                        keys.push(steps.to_vec());
                        columns.push(column);
                        columns.len() - 1
                    }
                };
                let column = &columns[at];
                let mut sql = Sql::default();
                sql.name("t", source.id).name(".c", at);
                let mut value = Value::new(sql, column.ty, column.is_nullable);
                if let Some(stored) = &column.stored {
                    let zoned = self.in_zone(&value.sql);
                    let sql = std::mem::replace(&mut value.sql, zoned);
                    value.stored = Some(Stored { sql, is_keyed_by_day: stored.is_keyed_by_day });
                }
                Ok(Some(value))
            }
        }
    }

    /// A moment, shown in the project's zone.
    pub fn in_zone(&self, moment: &Sql) -> Sql {
        let mut sql = Sql::new("toTimeZone(");
        sql.append(moment).push(", ").param("String", self.scope.zone).push(")");
        sql
    }

    /// Goes into a value by names and places.
    pub fn step_inside(
        &mut self,
        value: Value,
        steps: &[String],
        span: Span,
        is_index: bool,
    ) -> Result<Value, SqlError> {
        let Some((first, rest)) = steps.split_first() else { return Ok(value) };
        if first == "0" {
            return Err(SqlError::new(span, "places in a list start at 1, not at 0"));
        }
        if value.ty == Ty::Json {
            return Ok(step_into(&value.sql, steps));
        }
        let place = first.parse::<u64>().ok();
        let inner = match (value.ty, place) {
            (Ty::List, Some(place)) => element("arrayElement", &value.sql, place),
            (Ty::Tuple | Ty::Any, Some(place)) if !is_index => element("tupleElement", &value.sql, place),
            (Ty::Any, Some(place)) => element("arrayElement", &value.sql, place),
            (Ty::Any | Ty::Tuple, None) => {
                let name = if is_index { "arrayElement" } else { "tupleElement" };
                let mut step = Sql::default();
                self.push_text(&mut step, first);
                call(name, &[&value.sql, &step])
            }
            _ => return Err(SqlError::new(span, format!("there is nothing in this to go into by {first}"))),
        };
        self.step_inside(Value::new(inner, Ty::Any, true), rest, span, is_index)
    }
}

fn unknown(steps: &[String], span: Span, level: &Level<'_>, around: &[String]) -> SqlError {
    let name = steps.join(".");
    let message = if steps.len() > 1 && around.contains(&steps[0]) {
        format!(
            "{} is a table of the question around this one, which does not know its rows: take IN, or a join",
            steps[0]
        )
    } else if level.sources.is_empty() {
        format!("there is no column {name}: the question reads from no table")
    } else {
        format!("there is no column {name} here; a property is properties.{}", steps[0])
    };
    SqlError::new(span, message)
}

fn element(name: &'static str, of: &Sql, place: u64) -> Sql {
    let mut sql = Sql::new(name);
    sql.push("(").append(of).push(", ").number(place).push(")");
    sql
}

/// A column and what is gone into behind it, as one path.
pub(super) fn path_of(expr: &Expr) -> Option<Vec<String>> {
    match &expr.kind {
        ExprKind::Field(steps) => Some(steps.clone()),
        ExprKind::Index(of, index) => {
            let mut steps = path_of(of)?;
            match &index.kind {
                ExprKind::Literal(literal @ (Literal::Whole(_) | Literal::Text(_))) => steps.push(step_of(literal)),
                _ => return None,
            }
            Some(steps)
        }
        ExprKind::Step(of, step) => {
            let mut steps = path_of(of)?;
            steps.push(step.clone());
            Some(steps)
        }
        _ => None,
    }
}

pub(super) fn step_of(literal: &Literal) -> String {
    match literal {
        Literal::Whole(place) => place.to_string(),
        Literal::Text(text) => text.clone(),
        other => other.to_string(),
    }
}
