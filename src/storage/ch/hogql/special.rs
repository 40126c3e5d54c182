//! Functions that ask for more than another name: those of times, which know the project's zone, and conversions.

use super::super::Sql;
use super::level::{Compiler, Level};
use super::value::{Ty, Value, call};
use crate::model::query::WeekStart;
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Span, SqlError};

impl<'q> Compiler<'q> {
    /// A function printed in a way of its own; `None` if it has none.
    pub fn special(
        &mut self,
        span: Span,
        name: &str,
        args: &'q [Expr],
        level: &mut Level<'q>,
    ) -> Result<Option<Value>, SqlError> {
        if name == "MD5" {
            // The bytes themselves; md5 gives their digits.
            return Ok(None);
        }
        let name = name.to_ascii_lowercase();
        let compare = match name.as_str() {
            "equals" => Some(CompareOp::Equal),
            "notequals" => Some(CompareOp::NotEqual),
            "less" => Some(CompareOp::Less),
            "lessorequals" => Some(CompareOp::LessOrEqual),
            "greater" => Some(CompareOp::Greater),
            "greaterorequals" => Some(CompareOp::GreaterOrEqual),
            "like" => Some(CompareOp::Like),
            "notlike" => Some(CompareOp::NotLike),
            "ilike" => Some(CompareOp::ILike),
            "notilike" => Some(CompareOp::NotILike),
            "in" => Some(CompareOp::In),
            "notin" => Some(CompareOp::NotIn),
            _ => None,
        };
        if let (Some(op), [left, right]) = (compare, args) {
            return self.compare(op, left, right, span, level).map(Some);
        }
        match (name.as_str(), args) {
            ("matchesaction", [action]) => self.matches_action(action, span, level).map(Some),
            ("exists", [of @ Expr { kind: ExprKind::Query(_), .. }]) => {
                let of = self.expr(of, level)?;
                let mut sql = Sql::new("in(1, (SELECT 1 FROM ");
                sql.append(&of.sql).push(" LIMIT 1))");
                Ok(Some(Value::new(sql, Ty::Flag, false)))
            }
            ("exists", _) => Err(SqlError::new(span, "EXISTS takes a question in brackets")),
            ("now" | "nowinblock" | "current_timestamp", []) => Ok(Some(self.now())),
            ("today" | "current_date", []) => Ok(Some(Value::new(call("toDate", &[&self.now().sql]), Ty::Day, false))),
            ("yesterday", []) => {
                let mut sql = Sql::new("toDate(");
                sql.append(&self.now().sql).push(") - 1");
                Ok(Some(Value::new(sql, Ty::Day, false)))
            }
            ("totimezone", [of, zone]) => {
                let of = self.expr(of, level)?;
                let zone = self.expr(zone, level)?;
                let known = zone.text_literal().is_some_and(|zone| zone.parse::<crate::model::TimeZoneName>().is_ok());
                if !known {
                    return Err(SqlError::new(span, "the second argument is the name of a time zone"));
                }
                Ok(Some(Value::new(call("toTimeZone", &[&of.sql, &zone.sql]), Ty::Moment, of.is_nullable)))
            }
            ("todate" | "_todate" | "todateornull" | "date", [of]) => {
                let of = self.expr(of, level)?;
                let value = match of.ty {
                    Ty::Text | Ty::Json => Value::new(call("toDateOrNull", &[&of.sql]), Ty::Day, true),
                    _ => Value::new(call("toDate", &[&of.sql]), Ty::Day, of.is_nullable),
                };
                Ok(Some(value))
            }
            ("toint" | "tofloat", [of]) => {
                let of = self.expr(of, level)?;
                let (tail, ty) = if name == "toint" { (", 'Int64')", Ty::Whole) } else { (", 'Float64')", Ty::Number) };
                let mut sql = Sql::new("accurateCastOrNull(");
                sql.append(&of.sql).push(tail);
                Ok(Some(Value::new(sql, ty, true)))
            }
            ("todecimal", [of, scale]) => {
                let of = self.expr(of, level)?;
                let ExprKind::Literal(Literal::Whole(digits @ 0..=18)) = scale.kind else {
                    return Err(SqlError::new(scale.span, "how many digits to keep is needed here, from 0 to 18"));
                };
                let mut sql = Sql::new("accurateCastOrNull(");
                sql.append(&of.sql).push(", 'Decimal64(").number(digits).push(")')");
                Ok(Some(Value::new(sql, Ty::Number, true)))
            }
            ("tostartofweek", [of]) => {
                let of = self.expr(of, level)?;
                let mut sql = Sql::new("toStartOfWeek(");
                let mode = if self.scope.week_start == WeekStart::Monday { ", 1)" } else { ", 0)" };
                sql.append(&of.sql).push(mode);
                Ok(Some(Value::new(sql, Ty::Day, of.is_nullable)))
            }
            ("md5", [of]) => {
                let of = self.expr(of, level)?;
                let mut sql = Sql::new("lower(hex(MD5(");
                sql.append(&of.sql).push(")))");
                Ok(Some(Value::new(sql, Ty::Text, of.is_nullable)))
            }
            ("sortablesemver", [of]) => {
                let of = self.expr(of, level)?;
                let mut sql = Sql::new(
                    "arrayMap(x -> ifNull(toInt64OrNull(x), 0), splitByChar('.', extract(assumeNotNull(toString(",
                );
                sql.append(&of.sql).push(")), '(\\\\d+(\\\\.\\\\d+)+)')))");
                Ok(Some(Value::new(sql, Ty::List, false)))
            }
            _ => self.special_of_times(name.as_str(), args, level),
        }
    }

    fn now(&self) -> Value {
        let mut sql = Sql::new("now64(6, ");
        sql.param("String", self.scope.zone).push(")");
        Value::new(sql, Ty::Moment, false)
    }

    /// `value::Type`: the types that are taken, by their names in either language.
    pub fn cast(&mut self, of: Value, name: &str, span: Span) -> Result<Value, SqlError> {
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_prefix("nullable(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(&lower);
        let (to, ty) = match plain {
            "string" | "text" | "varchar" | "char" => ("Nullable(String)", Ty::Text),
            "int" | "int64" | "integer" | "bigint" => ("Nullable(Int64)", Ty::Whole),
            "int8" => ("Nullable(Int8)", Ty::Whole),
            "int16" | "smallint" => ("Nullable(Int16)", Ty::Whole),
            "int32" => ("Nullable(Int32)", Ty::Whole),
            "uint8" => ("Nullable(UInt8)", Ty::Whole),
            "uint16" => ("Nullable(UInt16)", Ty::Whole),
            "uint32" => ("Nullable(UInt32)", Ty::Whole),
            "uint64" => ("Nullable(UInt64)", Ty::Whole),
            "float" | "float64" | "double" | "double precision" | "numeric" | "decimal" => {
                ("Nullable(Float64)", Ty::Number)
            }
            "float32" | "real" => ("Nullable(Float32)", Ty::Number),
            "bool" | "boolean" => ("Nullable(Bool)", Ty::Flag),
            "uuid" => ("Nullable(UUID)", Ty::Uuid),
            "date" => ("Nullable(Date)", Ty::Day),
            "datetime" | "datetime64" | "datetime64(3)" | "datetime64(6)" | "timestamp" => {
                return Ok(self.to_moment(of, None));
            }
            _ => return Err(SqlError::new(span, format!("there is no type {name} here"))),
        };
        let is_nullable = of.is_nullable;
        let mut sql = Sql::new(if is_nullable { "CAST(" } else { "assumeNotNull(CAST(" });
        sql.append(&of.sql).push(", '").push(to).push(if is_nullable { "')" } else { "'))" });
        Ok(Value::new(sql, ty, is_nullable))
    }
}
