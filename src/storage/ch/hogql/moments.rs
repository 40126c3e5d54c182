//! Functions of times that say their unit or zone in ways of their own.

use super::super::Sql;
use super::level::{Compiler, Level};
use super::value::{Ty, Value, call};
use crate::model::TimeZoneName;
use crate::sql::{Expr, ExprKind, Literal, SqlError};

/// A unit of time: its word, so many of it, and the part of a time that it is.
struct Unit {
    word: &'static str,
    interval: &'static str,
    part: &'static str,
}

const fn unit(word: &'static str, interval: &'static str, part: &'static str) -> Unit {
    Unit { word, interval, part }
}

impl Unit {
    /// Its word as a text.
    fn quoted(&self) -> Sql {
        let mut sql = Sql::new("'");
        sql.push(self.word).push("'");
        sql
    }
}

const UNITS: &[Unit] = &[
    unit("second", "toIntervalSecond", "toSecond"),
    unit("minute", "toIntervalMinute", "toMinute"),
    unit("hour", "toIntervalHour", "toHour"),
    unit("day", "toIntervalDay", "toDayOfMonth"),
    unit("week", "toIntervalWeek", "toISOWeek"),
    unit("month", "toIntervalMonth", "toMonth"),
    unit("quarter", "toIntervalQuarter", "toQuarter"),
    unit("year", "toIntervalYear", "toYear"),
];

/// Parts of a time that are no units.
const PARTS: &[(&str, &str)] = &[
    ("dow", "toDayOfWeek"),
    ("isodow", "toDayOfWeek"),
    ("doy", "toDayOfYear"),
    ("isoyear", "toISOYear"),
    ("epoch", "toUnixTimestamp"),
];

impl<'q> Compiler<'q> {
    pub fn special_of_times(
        &mut self,
        name: &str,
        args: &'q [Expr],
        level: &mut Level<'q>,
    ) -> Result<Option<Value>, SqlError> {
        match (name, args) {
            ("todatetime" | "totimestamp", [of, rest @ ..]) if rest.len() <= 2 => {
                let zone = zone_of(rest)?;
                let of = self.expr(of, level)?;
                if of.ty != Ty::Moment {
                    return Ok(Some(self.to_moment(of, zone)));
                }
                // A time to the second, which some aggregates ask for.
                let mut sql = Sql::new("toDateTime(");
                sql.append(&of.sql);
                if let Some(zone) = zone {
                    sql.push(", ").param("String", zone);
                }
                sql.push(")");
                Ok(Some(Value::new(sql, Ty::Moment, of.is_nullable)))
            }
            (
                "todatetime64"
                | "parsedatetimebesteffort"
                | "parsedatetime64besteffort"
                | "parsedatetime64besteffortornull"
                | "parsedatetimebesteffortornull",
                [of, rest @ ..],
            ) if rest.len() <= 2 => {
                let zone = zone_of(rest)?;
                let of = self.expr(of, level)?;
                Ok(Some(self.to_moment(of, zone)))
            }
            // Of 10/11/2026 the month is the first.
            ("todatetimeus", [of, rest @ ..]) if rest.len() <= 2 => {
                let zone = zone_of(rest)?;
                let of = self.expr(of, level)?;
                if of.ty == Ty::Moment {
                    return Ok(Some(self.to_moment(of, zone)));
                }
                Ok(Some(self.read_moment("parseDateTime64BestEffortUSOrNull(", &of, zone)))
            }
            ("parsedatetime", [of, format]) => {
                let of = self.expr(of, level)?;
                let format = self.expr(format, level)?;
                let mut sql = Sql::new("parseDateTimeOrNull(");
                sql.append(&of.sql)
                    .push(", ")
                    .append(&format.sql)
                    .push(", ")
                    .param("String", self.scope.zone)
                    .push(")");
                Ok(Some(Value::new(sql, Ty::Moment, true)))
            }
            ("dateadd" | "date_add" | "timestampadd", [unit, count, of]) => {
                self.moved("plus", unit, count, of, level).map(Some)
            }
            ("datesub" | "date_sub" | "timestampsub" | "date_subtract", [unit, count, of]) => {
                self.moved("minus", unit, count, of, level).map(Some)
            }
            // Units may be said bare: dateDiff(day, a, b).
            ("datediff" | "date_diff" | "age", [first, from, to]) if is_bare(first) => {
                let unit = unit_of(first)?.quoted();
                let from = self.expr(from, level)?;
                let to = self.expr(to, level)?;
                let sql = call(if name == "age" { "age" } else { "dateDiff" }, &[&unit, &from.sql, &to.sql]);
                Ok(Some(Value::new(sql, Ty::Whole, from.is_nullable || to.is_nullable)))
            }
            ("datetrunc" | "date_trunc", [unit, of]) => {
                let unit = if is_bare(unit) { unit_of(unit)?.quoted() } else { self.expr(unit, level)?.sql };
                let of = self.expr(of, level)?;
                Ok(Some(Value::new(call("dateTrunc", &[&unit, &of.sql]), Ty::Moment, of.is_nullable)))
            }
            ("date_part", [unit, of]) => {
                let word = word_of(unit).unwrap_or_default();
                let part = PARTS.iter().find(|(known, _)| *known == word).map(|(_, part)| Ok(*part));
                let part = part.unwrap_or_else(|| unit_of(unit).map(|unit| unit.part))?;
                let of = self.expr(of, level)?;
                Ok(Some(Value::new(call(part, &[&of.sql]), Ty::Whole, of.is_nullable)))
            }
            ("date_bin", [width, of, from]) => {
                let width = self.expr(width, level)?;
                let of = self.expr(of, level)?;
                let from = self.expr(from, level)?;
                let sql = call("toStartOfInterval", &[&of.sql, &width.sql, &from.sql]);
                Ok(Some(Value::new(sql, Ty::Moment, of.is_nullable)))
            }
            _ => Ok(None),
        }
    }

    fn moved(
        &mut self,
        how: &'static str,
        unit: &Expr,
        count: &'q Expr,
        of: &'q Expr,
        level: &mut Level<'q>,
    ) -> Result<Value, SqlError> {
        let unit = unit_of(unit)?;
        let count = self.expr(count, level)?;
        let of = self.expr(of, level)?;
        let of = if of.ty == Ty::Text { self.to_moment(of, None) } else { of };
        let is_nullable = of.is_nullable || count.is_nullable;
        Ok(Value::new(call(how, &[&of.sql, &call(unit.interval, &[&count.sql])]), of.ty, is_nullable))
    }

    /// A time, read in a zone: the project's if none is said.
    pub fn to_moment(&self, of: Value, zone: Option<&str>) -> Value {
        let name = match of.ty {
            Ty::Text | Ty::Json => return self.read_moment("parseDateTime64BestEffortOrNull(", &of, zone),
            Ty::Moment if zone.is_none() => return of,
            Ty::Moment => "toTimeZone(",
            _ => "toDateTime(",
        };
        let mut sql = Sql::new(name);
        sql.append(&of.sql).push(", ").param("String", zone.unwrap_or(self.scope.zone)).push(")");
        Value::new(sql, Ty::Moment, of.is_nullable)
    }

    /// A text as a time; null if it is none.
    fn read_moment(&self, reader: &'static str, of: &Value, zone: Option<&str>) -> Value {
        let mut sql = Sql::new(reader);
        sql.append(&of.sql).push(", 6, ").param("String", zone.unwrap_or(self.scope.zone)).push(")");
        Value::new(sql, Ty::Moment, true)
    }
}

/// The zone that is said behind a value, if one is; digits of a second are passed over: all are kept.
fn zone_of(rest: &[Expr]) -> Result<Option<&str>, SqlError> {
    let mut zone = None;
    for arg in rest {
        match &arg.kind {
            ExprKind::Literal(Literal::Whole(_)) => {}
            ExprKind::Literal(Literal::Text(name)) if name.parse::<TimeZoneName>().is_ok() => {
                zone = Some(name.as_str())
            }
            _ => return Err(SqlError::new(arg.span, "the name of a time zone is needed here, as a text")),
        }
    }
    Ok(zone)
}

fn is_bare(unit: &Expr) -> bool {
    matches!(&unit.kind, ExprKind::Field(steps) if steps.len() == 1)
}

/// The word for a unit, quoted or bare, in lower case and of one.
fn word_of(of: &Expr) -> Option<String> {
    let word = match &of.kind {
        ExprKind::Field(steps) if steps.len() == 1 => &steps[0],
        ExprKind::Literal(Literal::Text(text)) => text,
        _ => return None,
    };
    Some(word.trim().to_ascii_lowercase())
}

fn unit_of(of: &Expr) -> Result<&'static Unit, SqlError> {
    let word = word_of(of).unwrap_or_default();
    let found = UNITS.iter().find(|unit| unit.word == word || unit.word == word.trim_end_matches('s'));
    found.ok_or_else(|| SqlError::new(of.span, "a unit of time is needed here, such as 'day'"))
}
