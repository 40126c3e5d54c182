//! Comparisons. They are true or false, never null: null equals null and is neither more nor less than anything.

use super::super::Sql;
use super::level::{Compiler, Level};
use super::value::{Ty, Value, call};
use crate::sql::{CompareOp, Expr, ExprKind, Literal, Span, SqlError};

impl<'q> Compiler<'q> {
    pub fn compare(
        &mut self,
        op: CompareOp,
        left: &'q Expr,
        right: &'q Expr,
        span: Span,
        level: &mut Level<'q>,
    ) -> Result<Value, SqlError> {
        match op {
            CompareOp::In | CompareOp::NotIn => return self.is_in(op == CompareOp::NotIn, left, right, level),
            CompareOp::InCohort | CompareOp::NotInCohort => {
                let people = self.cohort(right, span)?;
                return self.is_in(op == CompareOp::NotInCohort, left, people, level);
            }
            _ => {}
        }
        let left = self.expr(left, level)?;
        let right = self.expr(right, level)?;
        Ok(self.compare_values(op, left, right))
    }

    pub fn compare_values(&mut self, op: CompareOp, left: Value, right: Value) -> Value {
        let day = self.compare_days(op, &left, &right);
        let (left, right) = self.alike(left, right);
        let (name, if_null) = match op {
            CompareOp::Equal => ("equals", IfNull::BothNull),
            CompareOp::NotEqual => ("notEquals", IfNull::NotBothNull),
            CompareOp::Less => ("less", IfNull::False),
            CompareOp::LessOrEqual => ("lessOrEquals", IfNull::False),
            CompareOp::Greater => ("greater", IfNull::False),
            CompareOp::GreaterOrEqual => ("greaterOrEquals", IfNull::False),
            CompareOp::Like => ("like", IfNull::BothNull),
            CompareOp::NotLike => ("notLike", IfNull::NotBothNull),
            CompareOp::ILike => ("ilike", IfNull::BothNull),
            CompareOp::NotILike => ("notILike", IfNull::NotBothNull),
            CompareOp::Regex | CompareOp::IRegex => ("match", IfNull::BothNull),
            _ => ("match", IfNull::NotBothNull),
        };
        let is_caseless = matches!(op, CompareOp::IRegex | CompareOp::NotIRegex);
        let is_negated = matches!(op, CompareOp::NotRegex | CompareOp::NotIRegex);
        let pattern = if is_caseless {
            let mut sql = Sql::new("concat('(?i)', ");
            sql.append(&right.sql).push(")");
            sql
        } else {
            right.sql.clone()
        };
        let mut test = call(name, &[&left.sql, &pattern]);
        if is_negated {
            test = call("not", &[&test]);
        }
        let test = match (left.is_nullable, right.is_nullable) {
            (false, false) => test,
            (true, true) => {
                let mut sql = Sql::new("ifNull(");
                sql.append(&test);
                match if_null {
                    IfNull::False => sql.push(", 0)"),
                    IfNull::BothNull => {
                        sql.push(", isNull(").append(&left.sql).push(") AND isNull(").append(&right.sql).push("))")
                    }
                    IfNull::NotBothNull => {
                        sql.push(", isNotNull(").append(&left.sql).push(") OR isNotNull(").append(&right.sql).push("))")
                    }
                };
                sql
            }
            _ => {
                let mut sql = Sql::new("ifNull(");
                sql.append(&test).push(if if_null == IfNull::NotBothNull { ", 1)" } else { ", 0)" });
                sql
            }
        };
        let test = day.map(|day| call("and", &[&test, &day])).unwrap_or(test);
        Value::new(test, Ty::Flag, false)
    }

    /// Two sides made comparable: a time that is stored stands bare, so that the engine's index knows it, and a text
    /// beside a time is read as one in the project's zone.
    fn alike(&mut self, left: Value, right: Value) -> (Value, Value) {
        let as_moment = |compiler: &Self, value: &Value| -> Option<Value> {
            if value.ty == Ty::Moment {
                let sql = value.stored.as_ref().map_or(&value.sql, |stored| &stored.sql).clone();
                return Some(Value::new(sql, Ty::Moment, value.is_nullable));
            }
            value.text_literal()?;
            let mut sql = Sql::new("parseDateTime64BestEffort(");
            sql.append(&value.sql).push(", 6, ").param("String", compiler.scope.zone).push(")");
            Some(Value::new(sql, Ty::Moment, false))
        };
        if (left.ty == Ty::Moment || right.ty == Ty::Moment)
            && let (Some(left), Some(right)) = (as_moment(self, &left), as_moment(self, &right))
        {
            return (left, right);
        }
        // A flag beside the words true and false, as properties have them.
        (left, right)
    }

    fn is_in(
        &mut self,
        is_negated: bool,
        left: &'q Expr,
        right: &'q Expr,
        level: &mut Level<'q>,
    ) -> Result<Value, SqlError> {
        let left = self.expr(left, level)?;
        let mut sql = Sql::new(if is_negated { "notIn(" } else { "in(" });
        let items = match &right.kind {
            ExprKind::Tuple(items) | ExprKind::Array(items) => Some(items.as_slice()),
            ExprKind::Literal(_) => Some(std::slice::from_ref(right)),
            _ => None,
        };
        if let Some([]) = items {
            return Ok(self.literal(&Literal::Flag(is_negated)));
        }
        sql.append(&left.sql).push(", ");
        match items {
            Some(items) => {
                sql.push("(");
                for (at, item) in items.iter().enumerate() {
                    sql.push(if at > 0 { ", " } else { "" }).append(&self.expr(item, level)?.sql);
                }
                // One in brackets is a value, not a list of one.
                sql.push(if items.len() == 1 { ",)" } else { ")" });
            }
            None => {
                sql.append(&self.expr(right, level)?.sql);
            }
        }
        sql.push(")");
        if left.is_nullable {
            let mut safe = Sql::new("ifNull(");
            safe.append(&sql).push(if is_negated { ", 1)" } else { ", 0)" });
            sql = safe;
        }
        Ok(Value::new(sql, Ty::Flag, false))
    }

    pub fn between(
        &mut self,
        of: &'q Expr,
        low: &'q Expr,
        high: &'q Expr,
        is_negated: bool,
        level: &mut Level<'q>,
    ) -> Result<Value, SqlError> {
        let of = self.expr(of, level)?;
        let low = self.expr(low, level)?;
        let high = self.expr(high, level)?;
        let from = self.compare_values(CompareOp::GreaterOrEqual, of.clone(), low);
        let to = self.compare_values(CompareOp::LessOrEqual, of, high);
        let both = call("and", &[&from.sql, &to.sql]);
        let sql = if is_negated { call("not", &[&both]) } else { both };
        Ok(Value::new(sql, Ty::Flag, false))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfNull {
    False,
    BothNull,
    NotBothNull,
}
