//! Values.

use super::super::Sql;
use super::fields::{EVENT_FILTERS, path_of, step_of};
use super::level::{Compiler, Level};
use super::value::{Ty, Value, call};
use crate::sql::{ArithmeticOp, Expr, ExprKind, Literal, SqlError};

/// So many values travel as parameters, and so many bytes of text; the others are printed as digits.
const MAX_PARAMS: usize = 200;
const MAX_TEXT_BYTES: usize = 8_000;
/// Longest printed value.
const MAX_VALUE_BYTES: usize = 1 << 20;

impl<'q> Compiler<'q> {
    /// Prints a value.
    pub fn expr(&mut self, expr: &'q Expr, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let value = self.any(expr, level)?;
        if value.sql.text().len() > MAX_VALUE_BYTES {
            return Err(SqlError::new(expr.span, "this becomes too long"));
        }
        Ok(value)
    }

    fn any(&mut self, expr: &'q Expr, level: &mut Level<'q>) -> Result<Value, SqlError> {
        match &expr.kind {
            ExprKind::Literal(literal) => Ok(self.literal(literal)),
            ExprKind::Field(steps) => self.field(steps, expr.span, level),
            ExprKind::Star { .. } => Err(SqlError::new(expr.span, "all columns can only be selected, or counted")),
            ExprKind::Call { name, params, args, is_distinct, over } => {
                self.call(expr.span, name, params.as_deref(), args, *is_distinct, over.as_ref(), level)
            }
            ExprKind::Negate(of) => {
                let of = self.expr(of, level)?;
                Ok(Value::new(call("negate", &[&of.sql]), of.ty, of.is_nullable))
            }
            ExprKind::Arithmetic(op, left, right) => {
                let left = self.expr(left, level)?;
                let right = self.expr(right, level)?;
                let (name, ty) = match op {
                    ArithmeticOp::Add => ("plus", sum_type(left.ty, right.ty)),
                    ArithmeticOp::Subtract => ("minus", sum_type(left.ty, right.ty)),
                    ArithmeticOp::Multiply => ("multiply", sum_type(left.ty, right.ty)),
                    ArithmeticOp::Divide => ("divide", Ty::Number),
                    ArithmeticOp::Modulo => ("modulo", left.ty),
                    ArithmeticOp::Concat => ("concat", Ty::Text),
                };
                let is_nullable = left.is_nullable || right.is_nullable;
                Ok(Value::new(call(name, &[&left.sql, &right.sql]), ty, is_nullable))
            }
            ExprKind::Compare(op, left, right) => self.compare(*op, left, right, expr.span, level),
            ExprKind::Not(of) => {
                let of = self.expr(of, level)?;
                Ok(Value::new(call("not", &[&of.sql]), Ty::Flag, of.is_nullable))
            }
            ExprKind::And(items) | ExprKind::Or(items) => {
                let name = if matches!(expr.kind, ExprKind::And(_)) { "and" } else { "or" };
                let items = items.iter().map(|item| self.expr(item, level)).collect::<Result<Vec<_>, _>>()?;
                let sqls: Vec<&Sql> = items.iter().map(|item| &item.sql).collect();
                Ok(Value::new(call(name, &sqls), Ty::Flag, items.iter().any(|item| item.is_nullable)))
            }
            ExprKind::IsNull { of, is_negated } => {
                let of = self.expr(of, level)?;
                let name = if *is_negated { "isNotNull" } else { "isNull" };
                Ok(Value::new(call(name, &[&of.sql]), Ty::Flag, false))
            }
            ExprKind::Between { of, low, high, is_negated } => self.between(of, low, high, *is_negated, level),
            ExprKind::Coalesce(left, right) => {
                let left = self.expr(left, level)?;
                let right = self.expr(right, level)?;
                let ty = if left.ty == right.ty || left.is_null_literal() { right.ty } else { Ty::Any };
                Ok(Value::new(call("ifNull", &[&left.sql, &right.sql]), ty, right.is_nullable))
            }
            ExprKind::If(condition, then, otherwise) => {
                let condition = self.expr(condition, level)?;
                let then = self.expr(then, level)?;
                let otherwise = self.expr(otherwise, level)?;
                let ty = if then.ty == otherwise.ty { then.ty } else { Ty::Any };
                let is_nullable = then.is_nullable || otherwise.is_nullable;
                Ok(Value::new(call("if", &[&condition.sql, &then.sql, &otherwise.sql]), ty, is_nullable))
            }
            ExprKind::Array(items) => {
                let items = items.iter().map(|item| self.expr(item, level)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::new(list("[", &items, "]"), Ty::List, false))
            }
            ExprKind::Tuple(items) => {
                let items = items.iter().map(|item| self.expr(item, level)).collect::<Result<Vec<_>, _>>()?;
                Ok(Value::new(list("tuple(", &items, ")"), Ty::Tuple, false))
            }
            ExprKind::Lambda { .. } => Err(SqlError::new(expr.span, "a lambda is only taken by functions of lists")),
            ExprKind::Index(of, index) => {
                if let Some(steps) = path_of(expr)
                    && steps.iter().any(|step| step == "properties")
                {
                    return self.field_owned(steps, expr.span, level);
                }
                let of = self.expr(of, level)?;
                if let ExprKind::Literal(literal) = &index.kind {
                    return self.step_inside(of, &[step_of(literal)], index.span, true);
                }
                let index = self.expr(index, level)?;
                Ok(Value::new(call("arrayElement", &[&of.sql, &index.sql]), Ty::Any, true))
            }
            ExprKind::Step(of, step) => {
                if let Some(steps) = path_of(expr)
                    && steps.iter().any(|step| step == "properties")
                {
                    return self.field_owned(steps, expr.span, level);
                }
                let of = self.expr(of, level)?;
                self.step_inside(of, std::slice::from_ref(step), expr.span, false)
            }
            ExprKind::Cast(of, name) => {
                let of = self.expr(of, level)?;
                self.cast(of, name, expr.span)
            }
            ExprKind::Query(query) => {
                let ctes = level.ctes.clone();
                self.sources += 1;
                let before = self.around.len();
                self.around.extend(level.sources.iter().filter_map(|source| source.name.clone()));
                let (inner, columns) = self.query(query, &ctes)?;
                self.around.truncate(before);
                let mut sql = Sql::new("(");
                sql.append(&inner).push(")");
                let ty = columns.first().filter(|_| columns.len() == 1).map_or(Ty::Any, |column| column.ty);
                Ok(Value::new(sql, ty, true))
            }
            ExprKind::Placeholder(names) => {
                let name = names.join(".");
                if name == EVENT_FILTERS {
                    return self.filters(expr.span, level);
                }
                match self.scope.placeholders.get(&name) {
                    Some(value) => self.expr(value, level),
                    None => Err(SqlError::new(expr.span, format!("{{{name}}} stands for nothing in this question"))),
                }
            }
        }
    }

    pub fn literal(&mut self, literal: &Literal) -> Value {
        let mut sql = Sql::default();
        let ty = match literal {
            Literal::Null => {
                sql.push("NULL");
                Ty::Any
            }
            Literal::Flag(flag) => {
                sql.push(if *flag { "true" } else { "false" });
                Ty::Flag
            }
            Literal::Whole(whole) if self.params >= MAX_PARAMS => {
                sql.number(*whole);
                Ty::Whole
            }
            Literal::Whole(whole) => {
                self.params += 1;
                let ty = match whole {
                    0..=0xff => "UInt8",
                    0x100..=0xffff => "UInt16",
                    0x1_0000..=0xffff_ffff => "UInt32",
                    _ => "UInt64",
                };
                sql.param(ty, *whole);
                Ty::Whole
            }
            Literal::Number(number) => {
                self.params += 1;
                sql.param("Float64", *number);
                Ty::Number
            }
            Literal::Text(text) => {
                self.push_text(&mut sql, text);
                Ty::Text
            }
        };
        let is_nullable = matches!(literal, Literal::Null);
        Value { literal: Some(literal.clone()), ..Value::new(sql, ty, is_nullable) }
    }

    pub fn push_text(&mut self, sql: &mut Sql, text: &str) {
        self.params += 1;
        self.param_bytes += text.len();
        // A zero byte is no part of an address.
        if self.params > MAX_PARAMS || self.param_bytes > MAX_TEXT_BYTES || text.contains('\0') {
            sql.text_literal(text);
        } else {
            sql.param("String", text);
        }
    }
}

fn list(open: &'static str, items: &[Value], close: &'static str) -> Sql {
    let mut sql = Sql::new(open);
    for (at, item) in items.iter().enumerate() {
        sql.push(if at > 0 { ", " } else { "" }).append(&item.sql);
    }
    sql.push(close);
    sql
}

fn sum_type(left: Ty, right: Ty) -> Ty {
    match (left, right) {
        (Ty::Number, _) | (_, Ty::Number) => Ty::Number,
        (Ty::Whole, Ty::Whole) => Ty::Whole,
        (Ty::Moment, _) | (_, Ty::Moment) => Ty::Moment,
        (Ty::Day, _) | (_, Ty::Day) => Ty::Any,
        _ => Ty::Any,
    }
}
