//! Calls of functions.

use super::super::Sql;
use super::functions::{self, Function, Gives, Role};
use super::level::{Compiler, Level};
use super::value::{Ty, Value, call};
use crate::sql::{Expr, ExprKind, Literal, OverWindow, Span, SqlError};

/// What functions look at that reach beyond the rows up to the one at hand.
const WHOLE_FRAME: &str = " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING";

impl<'q> Compiler<'q> {
    #[expect(clippy::too_many_arguments, reason = "the parts of a call, as the tree has them")]
    pub fn call(
        &mut self,
        span: Span,
        name: &str,
        params: Option<&'q [Expr]>,
        args: &'q [Expr],
        is_distinct: bool,
        over: Option<&'q OverWindow>,
        level: &mut Level<'q>,
    ) -> Result<Value, SqlError> {
        if params.is_none()
            && over.is_none()
            && !is_distinct
            && let Some(found) = self.special(span, name, args, level)?
        {
            return Ok(found);
        }
        let Some(function) = functions::find(name) else {
            let hint = functions::similar(name).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
            return Err(SqlError::new(span, format!("there is no function {name} here{hint}")));
        };
        self.check(function, span, params, args, is_distinct, over)?;
        self.over_rows += usize::from(function.role != Role::Plain);
        let mut values = Vec::new();
        for arg in args {
            values.push(match &arg.kind {
                ExprKind::Lambda { params, body } => self.lambda(params, body, level)?,
                ExprKind::Star { table: None, .. } if function.name == "count" => continue,
                _ => self.expr(arg, level)?,
            });
        }
        if gives_list(function, args)
            && let Some(first) = values.first_mut().filter(|first| first.is_nullable && first.ty != Ty::List)
        {
            // No list is null: a text that is not set gives an empty one.
            let mut safe = Sql::new("ifNull(");
            safe.append(&first.sql).push(", '')");
            *first = Value::new(safe, Ty::Text, false);
        }
        let between = matches!(function.name, "string_agg" | "string_aggIf").then(|| values.remove(1));
        // As in the standard: rows of the whole partition, and null where there is none.
        let looks_around = matches!(function.name, "lag" | "lead");
        if looks_around {
            for value in values.iter_mut().step_by(2).filter(|value| !value.is_nullable) {
                *value = Value::new(call("toNullable", &[&value.sql]), value.ty, true);
            }
        }
        let mut sql = Sql::default();
        match (function.name, is_distinct) {
            ("count", true) => sql.push("uniqExact"),
            ("countIf", true) => sql.push("uniqExactIf"),
            _ => sql.push(function.prints),
        };
        if let Some(params) = params {
            sql.push("(");
            for (at, param) in params.iter().enumerate() {
                sql.push(if at > 0 { ", " } else { "" }).append(&self.expr(param, level)?.sql);
            }
            sql.push(")");
        }
        sql.push(if is_distinct && function.name != "count" && function.name != "countIf" {
            "(DISTINCT "
        } else {
            "("
        });
        for (at, value) in values.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).append(&value.sql);
        }
        sql.push(")");
        match over {
            None => {}
            Some(OverWindow::Named(name)) => {
                let Some((_, number, window)) = level.windows.iter().find(|(known, ..)| known == name) else {
                    return Err(SqlError::new(span, format!("there is no window {name}")));
                };
                if looks_around && window.frame.is_none() {
                    sql.push(" OVER (").append(&self.window(window, level)?).push(WHOLE_FRAME).push(")");
                } else {
                    sql.push(" OVER ").name("w", *number);
                }
            }
            Some(OverWindow::Here(window)) => {
                let frame = if looks_around && window.frame.is_none() { WHOLE_FRAME } else { "" };
                sql.push(" OVER (").append(&self.window(window, level)?).push(frame).push(")");
            }
        }
        if let Some(between) = between {
            sql = call("arrayStringConcat", &[&sql, &between.sql]);
        }
        let any_nullable = values.iter().any(|value| value.is_nullable);
        let (ty, is_nullable) = match function.gives {
            Gives::One(ty) => (ty, any_nullable),
            Gives::Always(ty) => (ty, false),
            Gives::Maybe(ty) => (ty, true),
            Gives::Same => (values.first().map_or(Ty::Any, |value| value.ty), any_nullable),
            Gives::Last => {
                let last = values.last();
                let is_nullable = match function.name {
                    "ifNull" | "coalesce" => last.is_some_and(|last| last.is_nullable),
                    _ => any_nullable,
                };
                (last.map_or(Ty::Any, |last| last.ty), is_nullable)
            }
        };
        Ok(Value::new(sql, ty, is_nullable))
    }

    fn check(
        &self,
        function: &Function,
        span: Span,
        params: Option<&[Expr]>,
        args: &[Expr],
        is_distinct: bool,
        over: Option<&OverWindow>,
    ) -> Result<(), SqlError> {
        let name = function.name;
        let wrong = |message: String| Err(SqlError::new(span, message));
        if !(function.least..=function.most).contains(&args.len()) {
            let wanted = match (function.least, function.most) {
                (least, most) if least == most => least.to_string(),
                (least, most) => format!("{least} to {most}"),
            };
            return wrong(format!("{name} takes {wanted} arguments, not {}", args.len()));
        }
        if let Some(params) = params {
            let are_literals = params.iter().all(|param| matches!(param.kind, ExprKind::Literal(_)));
            if params.is_empty() || params.len() > function.params || !are_literals {
                return wrong(match function.params {
                    0 => format!("{name} takes no brackets before those of its arguments"),
                    most => format!("{name} takes 1 to {most} plain values in its first brackets"),
                });
            }
        }
        if is_distinct && function.role != Role::Aggregate {
            return wrong(format!("DISTINCT is only taken by aggregates, and {name} is none"));
        }
        match (function.role, over) {
            (Role::Plain, Some(_)) => wrong(format!("OVER is only taken after aggregates, and {name} is none")),
            (Role::Window, None) => wrong(format!("{name} needs OVER after it")),
            _ => Ok(()),
        }
    }

    fn lambda(&mut self, params: &[String], body: &'q Expr, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let before = level.lambdas.len();
        let mut sql = Sql::new("(");
        for (at, name) in params.iter().enumerate() {
            let number = self.fresh();
            sql.push(if at > 0 { ", " } else { "" }).name("x", number);
            let mut known = Sql::default();
            known.name("x", number);
            level.lambdas.push((name.clone(), Value::new(known, Ty::Any, true)));
        }
        let body = self.expr(body, level);
        level.lambdas.truncate(before);
        sql.push(") -> ").append(&body?.sql);
        Ok(Value::new(sql, Ty::Any, false))
    }
}

/// Whether a function makes a list of a text.
fn gives_list(function: &Function, args: &[Expr]) -> bool {
    let of_text =
        ["split", "extract", "alpha", "ngrams", "tokens", "multi", "URL", "JSONExtractKeys", "JSONExtractArray"];
    let takes_text = of_text.iter().any(|start| function.name.starts_with(start));
    let says_list = args.last().is_some_and(|arg| match &arg.kind {
        ExprKind::Literal(Literal::Text(text)) => ["Array", "Tuple", "Map"].iter().any(|start| text.starts_with(start)),
        _ => false,
    });
    takes_text && function.gives == Gives::One(Ty::List) || function.name == "JSONExtract" && says_list
}
