//! What operators stand between: literals, columns, functions, brackets, and the steps behind them.

use super::super::lexer::Token;
use super::super::{CompareOp, Expr, ExprKind, Literal, Span, SqlError};
use super::Parser;

impl Parser {
    /// A value with the steps behind it: `.name`, `[index]`, `::Type`.
    pub(super) fn operand(&mut self) -> Result<Expr, SqlError> {
        let mut found = self.primary()?;
        loop {
            found = if self.sign(".") || self.sign("?.") {
                let step = match self.step() {
                    (Token::Word(name) | Token::Quoted(name), _) => name,
                    (Token::Whole(index), _) => index.to_string(),
                    (Token::Sign("*"), span) => match found.kind {
                        ExprKind::Field(ref steps) if steps.len() == 1 => {
                            return Ok(Expr::new(
                                ExprKind::Star { table: Some(steps[0].clone()), except: Vec::new() },
                                found.span.to(span),
                            ));
                        }
                        _ => return Err(SqlError::new(span, "all columns are those of a table")),
                    },
                    (_, span) => return Err(SqlError::new(span, "a name or a number is needed after the dot")),
                };
                let span = found.span.to(self.last_span());
                match found.kind {
                    ExprKind::Field(mut steps) => {
                        steps.push(step);
                        Expr::new(ExprKind::Field(steps), span)
                    }
                    kind => self.made(Expr::new(ExprKind::Step(Box::new(Expr { kind, ..found }), step), span))?,
                }
            } else if self.sign("[") {
                let index = self.expr()?;
                self.need_sign("]")?;
                let span = found.span.to(self.last_span());
                self.made(Expr::new(ExprKind::Index(Box::new(found), Box::new(index)), span))?
            } else if self.sign("::") {
                let name = self.type_name()?;
                let span = found.span.to(self.last_span());
                self.made(Expr::new(ExprKind::Cast(Box::new(found), name), span))?
            } else {
                return Ok(found);
            };
        }
    }

    fn primary(&mut self) -> Result<Expr, SqlError> {
        let span = self.span();
        if self.is_sign("(") {
            return self.brackets();
        }
        if self.sign("[") {
            let items = if self.is_sign("]") { Vec::new() } else { self.list(Self::expr)? };
            self.need_sign("]")?;
            return self.made(Expr::new(ExprKind::Array(items), span.to(self.last_span())));
        }
        if self.sign("{") {
            let mut names = Vec::new();
            loop {
                // Between braces every word is a name.
                match self.step() {
                    (Token::Word(name) | Token::Quoted(name), _) => names.push(name),
                    (_, span) => return Err(SqlError::new(span, "the name of a placeholder is needed here")),
                }
                if !self.sign(".") {
                    break;
                }
            }
            self.need_sign("}")?;
            return Ok(Expr::new(ExprKind::Placeholder(names), span.to(self.last_span())));
        }
        if self.sign("*") {
            return Ok(Expr::new(ExprKind::Star { table: None, except: Vec::new() }, span));
        }
        let literal = |literal| Ok(Expr::new(ExprKind::Literal(literal), span));
        match self.peek() {
            Token::Text(_) | Token::Whole(_) | Token::Number(_) => match self.step().0 {
                Token::Text(text) => literal(Literal::Text(text)),
                Token::Whole(whole) => literal(Literal::Whole(whole)),
                Token::Number(number) => literal(Literal::Number(number)),
                _ => Err(self.unexpected("a value")),
            },
            Token::Word(word) => {
                let word = word.to_ascii_uppercase();
                let is_followed = self.is_sign_at(1, "(") || self.is_sign_at(1, ".");
                match word.as_str() {
                    "NULL" if !is_followed => {
                        self.step();
                        literal(Literal::Null)
                    }
                    "TRUE" | "FALSE" if !is_followed => {
                        self.step();
                        literal(Literal::Flag(word == "TRUE"))
                    }
                    "CASE" => self.nested(Self::case),
                    "INTERVAL" if !is_followed => self.interval(),
                    "DATE" | "TIMESTAMP" if matches!(self.peek_at(1), Token::Text(_)) => {
                        self.step();
                        let text = self.operand()?;
                        let name = if word == "DATE" { "toDate" } else { "toDateTime" };
                        let end = text.span;
                        self.made(Expr::call(name, vec![text], span.to(end)))
                    }
                    "CAST" | "EXTRACT" if self.is_sign_at(1, "(") => self.cast_or_extract(&word),
                    // Some functions are called like keywords.
                    "LEFT" | "RIGHT" | "ANY" | "ALL" if self.is_sign_at(1, "(") => self.named(),
                    _ => self.named(),
                }
            }
            Token::Quoted(_) => self.named(),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// A column, a function, or a lambda of one name.
    fn named(&mut self) -> Result<Expr, SqlError> {
        let is_bare = matches!(self.peek(), Token::Word(_));
        let is_function = is_bare && self.is_sign_at(1, "(");
        let span = self.span();
        let name = if is_function {
            match self.step() {
                (Token::Word(name), _) => name,
                _ => return Err(self.unexpected("a name")),
            }
        } else {
            self.name()?.0
        };
        if is_function {
            return self.call(name, span);
        }
        if self.sign("->") {
            return self.lambda(vec![name], span);
        }
        Ok(Expr::new(ExprKind::Field(vec![name]), span))
    }

    fn lambda(&mut self, params: Vec<String>, span: Span) -> Result<Expr, SqlError> {
        let body = Box::new(self.expr()?);
        let span = span.to(body.span);
        self.made(Expr::new(ExprKind::Lambda { params, body }, span))
    }

    fn call(&mut self, name: String, span: Span) -> Result<Expr, SqlError> {
        let is_keyword = ["SELECT", "WHERE", "FROM", "AND", "OR", "BY", "WHEN", "THEN", "ELSE"];
        if is_keyword.iter().any(|keyword| keyword.eq_ignore_ascii_case(&name)) {
            return Err(SqlError::new(span, format!("a value is needed here, not {name}")));
        }
        let (mut args, mut is_distinct) = self.arguments()?;
        let mut params = None;
        if self.is_sign("(") {
            params = Some(std::mem::take(&mut args));
            (args, is_distinct) = self.arguments()?;
        }
        let mut name = name;
        if self.is_keyword("FILTER") && self.is_sign_at(1, "(") {
            // The tree has one form of it: countIf(…).
            self.step();
            self.need_sign("(")?;
            self.need_keyword("WHERE")?;
            args.retain(|arg| !matches!(arg.kind, ExprKind::Star { table: None, .. }));
            args.push(self.expr()?);
            self.need_sign(")")?;
            name.push_str("If");
        }
        let over = if self.keyword("OVER") { Some(self.over()?) } else { None };
        let span = span.to(self.last_span());
        self.made(Expr::new(ExprKind::Call { name, params, args, is_distinct, over }, span))
    }

    fn arguments(&mut self) -> Result<(Vec<Expr>, bool), SqlError> {
        self.need_sign("(")?;
        let is_distinct = self.keyword("DISTINCT");
        if self.sign(")") {
            return Ok((Vec::new(), is_distinct));
        }
        let args = if self.is_keyword("SELECT") || self.is_keyword("WITH") {
            let start = self.span();
            let query = self.nested(Self::query)?;
            vec![Expr::new(ExprKind::Query(Box::new(query)), start.to(self.last_span()))]
        } else {
            self.list(Self::expr)?
        };
        self.need_sign(")")?;
        Ok((args, is_distinct))
    }

    /// `(…)`: a lambda's names, a query, a tuple, or a value in brackets.
    fn brackets(&mut self) -> Result<Expr, SqlError> {
        let span = self.span();
        if let Some(params) = self.lambda_names() {
            return self.lambda(params, span);
        }
        self.need_sign("(")?;
        if self.is_keyword("SELECT") || self.is_keyword("WITH") {
            let query = self.nested(Self::query)?;
            self.need_sign(")")?;
            return Ok(Expr::new(ExprKind::Query(Box::new(query)), span.to(self.last_span())));
        }
        if self.sign(")") {
            return Ok(Expr::new(ExprKind::Tuple(Vec::new()), span.to(self.last_span())));
        }
        let mut items = vec![self.expr()?];
        let mut is_tuple = false;
        while self.sign(",") {
            is_tuple = true;
            if self.is_sign(")") {
                break;
            }
            items.push(self.expr()?);
        }
        self.need_sign(")")?;
        if is_tuple {
            return self.made(Expr::new(ExprKind::Tuple(items), span.to(self.last_span())));
        }
        items.pop().ok_or_else(|| self.unexpected("a value"))
    }

    fn lambda_names(&mut self) -> Option<Vec<String>> {
        let mut ahead = 1;
        let mut names = Vec::new();
        loop {
            match self.peek_at(ahead) {
                Token::Word(name) | Token::Quoted(name) => names.push(name.clone()),
                _ => return None,
            }
            match self.peek_at(ahead + 1) {
                Token::Sign(",") => ahead += 2,
                Token::Sign(")") if self.is_sign_at(ahead + 2, "->") => {
                    self.at += ahead + 3;
                    return Some(names);
                }
                _ => return None,
            }
        }
    }

    /// `CASE`, as conditions: the tree has no other form of it.
    fn case(&mut self) -> Result<Expr, SqlError> {
        let start = self.span();
        self.need_keyword("CASE")?;
        let of = if self.is_keyword("WHEN") { None } else { Some(self.expr()?) };
        let mut args = Vec::new();
        while self.keyword("WHEN") {
            let condition = self.expr()?;
            let span = condition.span;
            args.push(match &of {
                None => condition,
                Some(of) => {
                    let (of, condition) = (Box::new(of.clone()), Box::new(condition));
                    self.made(Expr::new(ExprKind::Compare(CompareOp::Equal, of, condition), span))?
                }
            });
            self.need_keyword("THEN")?;
            args.push(self.expr()?);
        }
        if args.is_empty() {
            return Err(self.unexpected("WHEN"));
        }
        args.push(if self.keyword("ELSE") { self.expr()? } else { Expr::new(ExprKind::Literal(Literal::Null), start) });
        self.need_keyword("END")?;
        self.made(Expr::call("multiIf", args, start.to(self.last_span())))
    }

    /// `INTERVAL 1 DAY`, or `INTERVAL '1 day'`.
    fn interval(&mut self) -> Result<Expr, SqlError> {
        let start = self.span();
        self.need_keyword("INTERVAL")?;
        let (count, unit, span) = if let Token::Text(text) = self.peek() {
            let text = text.clone();
            let (_, span) = self.step();
            let (count, unit) = text.trim().split_once(' ').unwrap_or((&text, ""));
            let count =
                count.parse().map_err(|_| SqlError::new(span, "a number and a unit are needed, as in '1 day'"))?;
            (Expr::new(ExprKind::Literal(Literal::Whole(count)), span), unit.trim().to_owned(), span)
        } else {
            let count = self.sum_for_interval()?;
            match self.step() {
                (Token::Word(unit), span) => (count, unit, span),
                (_, span) => return Err(SqlError::new(span, "a unit of time is needed here")),
            }
        };
        let name = match unit.to_ascii_lowercase().trim_end_matches('s') {
            "second" => "toIntervalSecond",
            "minute" => "toIntervalMinute",
            "hour" => "toIntervalHour",
            "day" => "toIntervalDay",
            "week" => "toIntervalWeek",
            "month" => "toIntervalMonth",
            "quarter" => "toIntervalQuarter",
            "year" => "toIntervalYear",
            _ => return Err(SqlError::new(span, format!("{unit:?} is no unit of time"))),
        };
        self.made(Expr::call(name, vec![count], start.to(self.last_span())))
    }

    fn sum_for_interval(&mut self) -> Result<Expr, SqlError> {
        let start = self.span();
        if self.sign("-") {
            let of = self.operand()?;
            let span = start.to(of.span);
            return self.made(Expr::new(ExprKind::Negate(Box::new(of)), span));
        }
        self.operand()
    }

    fn cast_or_extract(&mut self, word: &str) -> Result<Expr, SqlError> {
        let (_, start) = self.step();
        self.need_sign("(")?;
        if word == "EXTRACT" && matches!(self.peek(), Token::Word(_)) && self.is_keyword_at(1, "FROM") {
            let (unit, span) = self.name()?;
            self.need_keyword("FROM")?;
            let of = self.expr()?;
            self.need_sign(")")?;
            let name = match unit.to_ascii_lowercase().as_str() {
                "second" => "toSecond",
                "minute" => "toMinute",
                "hour" => "toHour",
                "day" => "toDayOfMonth",
                "month" => "toMonth",
                "quarter" => "toQuarter",
                "year" => "toYear",
                _ => return Err(SqlError::new(span, format!("{unit} cannot be extracted"))),
            };
            return self.made(Expr::call(name, vec![of], start.to(self.last_span())));
        }
        let of = self.expr()?;
        let found = if word == "EXTRACT" {
            self.need_sign(",")?;
            let pattern = self.expr()?;
            Expr::call("extract", vec![of, pattern], start)
        } else if self.sign(",") {
            match self.step() {
                (Token::Text(name), _) => Expr::new(ExprKind::Cast(Box::new(of), name), start),
                (_, span) => return Err(SqlError::new(span, "the name of a type is needed here, as a text")),
            }
        } else {
            self.need_keyword("AS")?;
            let name = self.type_name()?;
            Expr::new(ExprKind::Cast(Box::new(of), name), start)
        };
        self.need_sign(")")?;
        self.made(Expr { span: start.to(self.last_span()), ..found })
    }

    /// A type as it is written: `Int64`, `Nullable(String)`, `DateTime('UTC')`.
    fn type_name(&mut self) -> Result<String, SqlError> {
        let mut text = match self.step() {
            (Token::Word(name), _) => name,
            (_, span) => return Err(SqlError::new(span, "the name of a type is needed here")),
        };
        if self.sign("(") {
            let parts = self.list(|parser| match parser.peek() {
                Token::Whole(number) => {
                    let number = number.to_string();
                    parser.step();
                    Ok(number)
                }
                Token::Text(zone) => {
                    let zone = format!("'{zone}'");
                    parser.step();
                    Ok(zone)
                }
                _ => parser.nested(Self::type_name),
            })?;
            self.need_sign(")")?;
            text = format!("{text}({})", parts.join(", "));
        }
        Ok(text)
    }
}
