//! Values.

use super::super::Sql;
use super::functions::{self, Function, Gives, Role};
use super::json::step_into;
use super::select::{Compiler, Level, Rows, SourceRef, derived};
use super::tables::Needs;
use super::value::{Ty, Value, call};
use crate::sql::{ArithmeticOp, CteBody, Expr, ExprKind, Literal, OverWindow, Span, SqlError};

/// So many values travel as parameters, and so many bytes of text; the others are printed as digits.
const MAX_PARAMS: usize = 200;
const MAX_TEXT_BYTES: usize = 8_000;
/// Longest printed value.
const MAX_VALUE_BYTES: usize = 1 << 20;
/// Most columns read of one table.
const MAX_COLUMNS: usize = 200;

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
            ExprKind::Star(_) => Err(SqlError::new(expr.span, "all columns can only be selected, or counted")),
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
                let (inner, columns) = self.query(query, &ctes)?;
                let mut sql = Sql::new("(");
                sql.append(&inner).push(")");
                let ty = columns.first().filter(|_| columns.len() == 1).map_or(Ty::Any, |column| column.ty);
                Ok(Value::new(sql, ty, true))
            }
            ExprKind::Placeholder(names) => {
                let name = names.join(".");
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

    /// What a name stands for: an argument of a lambda, an alias, a named value, a column.
    fn field(&mut self, steps: &'q [String], span: Span, level: &mut Level<'q>) -> Result<Value, SqlError> {
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

    fn field_owned(&mut self, steps: Vec<String>, span: Span, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let known = level.lambdas.iter().rev().chain(level.aliases.iter().rev()).find(|(name, _)| *name == steps[0]);
        if let Some((_, value)) = known {
            let value = value.clone();
            return self.step_inside(value, &steps[1..], span, false);
        }
        if let Some(at) = level.sources.iter().position(|source| source.name.as_ref() == Some(&steps[0]))
            && steps.len() > 1
        {
            let found = self.column_of(&mut level.sources[at], &steps[1..], span)?;
            return found.ok_or_else(|| unknown(&steps[1..], span, level));
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
        found.ok_or_else(|| unknown(&steps, span, level))
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
                if column.stored.is_some() {
                    value.stored = Some(value.sql.clone());
                    value.sql = self.in_zone(&value.sql);
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
    fn step_inside(&mut self, value: Value, steps: &[String], span: Span, is_index: bool) -> Result<Value, SqlError> {
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

    #[expect(clippy::too_many_arguments, reason = "the parts of a call, as the tree has them")]
    fn call(
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
        let mut values = Vec::new();
        for arg in args {
            values.push(match &arg.kind {
                ExprKind::Lambda { params, body } => self.lambda(params, body, level)?,
                ExprKind::Star(None) if function.name == "count" => continue,
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
        let mut sql = Sql::default();
        match (function.name, is_distinct) {
            ("count", true) | ("countDistinct", _) => sql.push("uniqExact"),
            ("countIf", true) | ("countDistinctIf", _) => sql.push("uniqExactIf"),
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
                let Some((_, number)) = level.windows.iter().find(|(known, _)| known == name) else {
                    return Err(SqlError::new(span, format!("there is no window {name}")));
                };
                sql.push(" OVER ").name("w", *number);
            }
            Some(OverWindow::Here(window)) => {
                sql.push(" OVER (").append(&self.window(window, level)?).push(")");
            }
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

fn unknown(steps: &[String], span: Span, level: &Level<'_>) -> SqlError {
    let name = steps.join(".");
    let message = if level.sources.is_empty() {
        format!("there is no column {name}: the question reads from no table")
    } else {
        format!("there is no column {name} here; a property is properties.{}", steps[0])
    };
    SqlError::new(span, message)
}

/// Whether a function makes a list of a text.
fn gives_list(function: &Function, args: &[Expr]) -> bool {
    let of_text = ["split", "extract", "alpha", "ngrams", "URL", "JSONExtractKeys", "JSONExtractArray"];
    let takes_text = of_text.iter().any(|start| function.name.starts_with(start));
    let says_list = args.last().is_some_and(|arg| match &arg.kind {
        ExprKind::Literal(Literal::Text(text)) => ["Array", "Tuple", "Map"].iter().any(|start| text.starts_with(start)),
        _ => false,
    });
    takes_text && function.gives == Gives::One(Ty::List) || function.name == "JSONExtract" && says_list
}

fn element(name: &'static str, of: &Sql, place: u64) -> Sql {
    let mut sql = Sql::new(name);
    sql.push("(").append(of).push(", ").number(place).push(")");
    sql
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

/// A column and what is gone into behind it, as one path.
fn path_of(expr: &Expr) -> Option<Vec<String>> {
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

fn step_of(literal: &Literal) -> String {
    match literal {
        Literal::Whole(place) => place.to_string(),
        Literal::Text(text) => text.clone(),
        other => other.to_string(),
    }
}
