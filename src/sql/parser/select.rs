//! Questions: `SELECT` and its clauses, and several put together.

use super::super::lexer::Token;
use super::super::{
    Cte, CteBody, Expr, ExprKind, Limit, LimitBy, Literal, Nulls, Order, Query, Select, SelectItem, SetOp, SqlError,
};
use super::Parser;

/// What may follow a question in ClickHouse and is never taken.
const REFUSED: &[&str] = &["SETTINGS", "FORMAT", "INTO", "QUALIFY"];

impl Parser {
    pub(super) fn query(&mut self) -> Result<Query, SqlError> {
        let first = self.query_part()?;
        let mut rest = Vec::new();
        while let Some(op) = self.set_op()? {
            rest.push((op, self.query_part()?));
        }
        if let Some(refused) = REFUSED.iter().find(|keyword| self.is_keyword(keyword)) {
            return Err(SqlError::new(self.span(), format!("{refused} is not taken here")));
        }
        Ok(if rest.is_empty() { first } else { Query::Set { first: Box::new(first), rest } })
    }

    fn set_op(&mut self) -> Result<Option<SetOp>, SqlError> {
        Ok(Some(if self.keyword("UNION") {
            if self.keyword("ALL") {
                SetOp::UnionAll
            } else if self.keyword("DISTINCT") {
                SetOp::UnionDistinct
            } else {
                return Err(self.unexpected("ALL or DISTINCT"));
            }
        } else if self.keyword("INTERSECT") {
            if self.keyword("DISTINCT") { SetOp::IntersectDistinct } else { SetOp::Intersect }
        } else if self.keyword("EXCEPT") {
            if self.keyword("DISTINCT") { SetOp::ExceptDistinct } else { SetOp::Except }
        } else {
            return Ok(None);
        }))
    }

    fn query_part(&mut self) -> Result<Query, SqlError> {
        if self.is_sign("(") {
            return self.nested(|parser| {
                parser.need_sign("(")?;
                let query = parser.query()?;
                parser.need_sign(")")?;
                Ok(query)
            });
        }
        Ok(Query::Select(Box::new(self.select()?)))
    }

    fn select(&mut self) -> Result<Select, SqlError> {
        let start = self.span();
        let mut select = Select::default();
        if self.keyword("WITH") {
            select.ctes = self.list(Self::cte)?;
        }
        if !self.keyword("SELECT") {
            return Err(self.unexpected("SELECT"));
        }
        if self.keywords(&["DISTINCT", "ON"]) {
            // The tree has one form of it: LIMIT 1 BY ….
            let count = Expr::new(ExprKind::Literal(Literal::Whole(1)), self.last_span());
            self.need_sign("(")?;
            select.limit_by = Some(LimitBy { count, offset: None, columns: self.list(Self::expr)? });
            self.need_sign(")")?;
        } else {
            select.is_distinct = self.keyword("DISTINCT");
        }
        select.items = self.list(Self::item)?;
        if self.keyword("FROM") {
            select.from = Some(self.from()?);
        }
        select.array_join = self.array_join()?;
        if self.keyword("PREWHERE") {
            select.prewhere = Some(self.expr()?);
        }
        if self.keyword("WHERE") {
            select.filter = Some(self.expr()?);
        }
        if self.keywords(&["GROUP", "BY"]) {
            if self.keyword("ALL") {
                select.is_grouped_by_all = true;
            } else {
                select.group_by = self.list(Self::expr)?;
            }
            if self.is_keyword("WITH") {
                let message = "WITH is not taken after GROUP BY: ask for totals in a question of their own";
                return Err(SqlError::new(self.span(), message));
            }
        }
        if self.keyword("HAVING") {
            select.having = Some(self.expr()?);
        }
        if self.keyword("WINDOW") {
            select.windows = self.list(|parser| {
                let (name, _) = parser.name()?;
                parser.need_keyword("AS")?;
                parser.need_sign("(")?;
                Ok((name, parser.window()?))
            })?;
        }
        if self.keywords(&["ORDER", "BY"]) {
            select.order_by = self.list(Self::order)?;
        }
        self.limits(&mut select)?;
        select.span = start.to(self.last_span());
        Ok(select)
    }

    fn cte(&mut self) -> Result<Cte, SqlError> {
        let start = self.span();
        // `name AS (SELECT …)`, else `value AS name`.
        if self.is_name() && self.is_keyword_at(1, "AS") && self.is_sign_at(2, "(") {
            let (name, span) = self.name()?;
            self.need_keyword("AS")?;
            self.need_sign("(")?;
            let query = self.nested(Self::query)?;
            self.need_sign(")")?;
            return Ok(Cte { name, body: CteBody::Query(query), span });
        }
        let value = self.expr()?;
        self.need_keyword("AS")?;
        let (name, _) = self.name()?;
        let body = match value.kind {
            ExprKind::Query(query) => CteBody::Value(super::super::Expr::new(ExprKind::Query(query), value.span)),
            kind => CteBody::Value(super::super::Expr { kind, ..value }),
        };
        Ok(Cte { name, body, span: start.to(self.last_span()) })
    }

    pub(super) fn item(&mut self) -> Result<SelectItem, SqlError> {
        let mut expr = self.expr()?;
        let alias = match &mut expr.kind {
            ExprKind::Star { except, .. } => {
                *except = self.except()?;
                expr.span = expr.span.to(self.last_span());
                None
            }
            _ => self.alias()?,
        };
        Ok(SelectItem { expr, alias })
    }

    /// `EXCEPT a` or `EXCEPT (a, b)` behind all columns. A question may follow the same word, but no name.
    fn except(&mut self) -> Result<Vec<String>, SqlError> {
        let has_brackets = self.is_sign_at(1, "(");
        let is_here =
            self.is_keyword("EXCLUDE") || (self.is_keyword("EXCEPT") && self.is_name_at(1 + usize::from(has_brackets)));
        if !is_here {
            return Ok(Vec::new());
        }
        self.step();
        if !self.sign("(") {
            return Ok(vec![self.name()?.0]);
        }
        let names = self.list(|parser| Ok(parser.name()?.0))?;
        self.need_sign(")")?;
        Ok(names)
    }

    pub(super) fn order(&mut self) -> Result<Order, SqlError> {
        let expr = self.expr()?;
        let is_descending = self.keyword("DESC") || self.keyword("DESCENDING");
        if !is_descending {
            let _ = self.keyword("ASC") || self.keyword("ASCENDING");
        }
        let nulls = match () {
            () if self.keywords(&["NULLS", "FIRST"]) => Nulls::First,
            () if self.keywords(&["NULLS", "LAST"]) => Nulls::Last,
            () => Nulls::Unsaid,
        };
        if self.is_keyword("WITH") && self.is_keyword_at(1, "FILL") {
            return Err(SqlError::new(self.span(), "WITH FILL is not taken here"));
        }
        Ok(Order { expr, is_descending, nulls })
    }

    /// `LIMIT n [OFFSET m] BY …`, `LIMIT [m,] n`, `LIMIT n OFFSET m`, `OFFSET m`.
    fn limits(&mut self, select: &mut Select) -> Result<(), SqlError> {
        while self.is_keyword("LIMIT") || self.is_keyword("OFFSET") {
            let span = self.span();
            let mut count = None;
            let mut offset = None;
            if self.keyword("LIMIT") {
                let first = self.expr()?;
                if self.sign(",") {
                    offset = Some(first);
                    count = Some(self.expr()?);
                } else {
                    count = Some(first);
                }
            }
            if self.keyword("OFFSET") {
                offset = Some(self.expr()?);
                let _ = self.keyword("ROWS") || self.keyword("ROW");
            }
            if self.keyword("BY") {
                let Some(count) = count.filter(|_| select.limit_by.is_none() && select.limit.is_none()) else {
                    return Err(SqlError::new(span, "one LIMIT … BY or DISTINCT ON is taken, before LIMIT"));
                };
                select.limit_by = Some(LimitBy { count, offset, columns: self.list(Self::expr)? });
                continue;
            }
            let has_ties = self.keywords(&["WITH", "TIES"]);
            if select.limit.is_some() {
                return Err(SqlError::new(span, "there is a LIMIT already"));
            }
            select.limit = Some(Limit { count, offset, has_ties });
        }
        if let Token::Word(word) = self.peek()
            && REFUSED.iter().any(|refused| refused.eq_ignore_ascii_case(word))
        {
            return Err(SqlError::new(self.span(), format!("{} is not taken here", word.to_ascii_uppercase())));
        }
        Ok(())
    }
}
