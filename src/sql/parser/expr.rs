//! Values: operators by how tightly they bind, loosest first.

use super::super::lexer::Token;
use super::super::{ArithmeticOp, CompareOp, Expr, ExprKind, SqlError};
use super::{MAX_DEPTH, Parser};

impl Parser {
    pub(super) fn expr(&mut self) -> Result<Expr, SqlError> {
        self.nested(|parser| {
            let condition = parser.or()?;
            if !parser.sign("?") {
                return Ok(condition);
            }
            let then = parser.expr()?;
            parser.need_sign(":")?;
            let otherwise = parser.expr()?;
            let span = condition.span.to(otherwise.span);
            parser.made(Expr::new(ExprKind::If(Box::new(condition), Box::new(then), Box::new(otherwise)), span))
        })
    }

    /// A new value, unless it is too deep.
    pub(super) fn made(&self, expr: Expr) -> Result<Expr, SqlError> {
        if expr.depth > MAX_DEPTH {
            return Err(SqlError::new(expr.span, format!("this is nested more than {MAX_DEPTH} levels deep")));
        }
        Ok(expr)
    }

    fn or(&mut self) -> Result<Expr, SqlError> {
        let first = self.and()?;
        self.chain(first, "OR", Self::and, ExprKind::Or)
    }

    fn and(&mut self) -> Result<Expr, SqlError> {
        let first = self.not()?;
        self.chain(first, "AND", Self::not, ExprKind::And)
    }

    fn chain(
        &mut self,
        first: Expr,
        keyword: &str,
        next: fn(&mut Self) -> Result<Expr, SqlError>,
        join: fn(Vec<Expr>) -> ExprKind,
    ) -> Result<Expr, SqlError> {
        if !self.is_keyword(keyword) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.keyword(keyword) {
            items.push(next(self)?);
        }
        let span = items[0].span.to(items[items.len() - 1].span);
        self.made(Expr::new(join(items), span))
    }

    fn not(&mut self) -> Result<Expr, SqlError> {
        // not(…) is a function of that name; the tree is the same.
        let start = self.span();
        if !self.keyword("NOT") {
            return self.coalesce();
        }
        self.nested(|parser| {
            let of = parser.not()?;
            let span = start.to(of.span);
            parser.made(Expr::new(ExprKind::Not(Box::new(of)), span))
        })
    }

    fn coalesce(&mut self) -> Result<Expr, SqlError> {
        let left = self.comparison()?;
        if !self.sign("??") {
            return Ok(left);
        }
        self.nested(|parser| {
            let right = parser.coalesce()?;
            let span = left.span.to(right.span);
            parser.made(Expr::new(ExprKind::Coalesce(Box::new(left), Box::new(right)), span))
        })
    }

    fn comparison(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.sum()?;
        loop {
            left = if self.keyword("IS") {
                let is_negated = self.keyword("NOT");
                if self.keywords(&["DISTINCT", "FROM"]) {
                    // Comparisons here tell nulls apart already.
                    let right = self.sum()?;
                    let op = if is_negated { CompareOp::Equal } else { CompareOp::NotEqual };
                    let span = left.span.to(right.span);
                    left = self.made(Expr::new(ExprKind::Compare(op, Box::new(left), Box::new(right)), span))?;
                    continue;
                }
                if !self.keyword("NULL") {
                    return Err(self.unexpected("NULL"));
                }
                let span = left.span.to(self.last_span());
                self.made(Expr::new(ExprKind::IsNull { of: Box::new(left), is_negated }, span))?
            } else if let Some(is_negated) = self.between() {
                let low = self.sum()?;
                self.need_keyword("AND")?;
                let high = self.sum()?;
                let span = left.span.to(high.span);
                let (of, low, high) = (Box::new(left), Box::new(low), Box::new(high));
                self.made(Expr::new(ExprKind::Between { of, low, high, is_negated }, span))?
            } else if let Some(op) = self.compare_op() {
                let right = self.sum()?;
                let span = left.span.to(right.span);
                self.made(Expr::new(ExprKind::Compare(op, Box::new(left), Box::new(right)), span))?
            } else {
                return Ok(left);
            };
        }
    }

    fn between(&mut self) -> Option<bool> {
        if self.keyword("BETWEEN") {
            return Some(false);
        }
        self.keywords(&["NOT", "BETWEEN"]).then_some(true)
    }

    fn compare_op(&mut self) -> Option<CompareOp> {
        let signs = [
            ("=", CompareOp::Equal),
            ("==", CompareOp::Equal),
            ("!=", CompareOp::NotEqual),
            ("<>", CompareOp::NotEqual),
            ("<=", CompareOp::LessOrEqual),
            ("<", CompareOp::Less),
            (">=", CompareOp::GreaterOrEqual),
            (">", CompareOp::Greater),
            ("=~*", CompareOp::IRegex),
            ("~*", CompareOp::IRegex),
            ("=~", CompareOp::Regex),
            ("~", CompareOp::Regex),
            ("!~*", CompareOp::NotIRegex),
            ("!~", CompareOp::NotRegex),
        ];
        let words: [(&[&str], CompareOp); 8] = [
            (&["NOT", "ILIKE"], CompareOp::NotILike),
            (&["NOT", "LIKE"], CompareOp::NotLike),
            (&["NOT", "IN", "COHORT"], CompareOp::NotInCohort),
            (&["NOT", "IN"], CompareOp::NotIn),
            (&["ILIKE"], CompareOp::ILike),
            (&["LIKE"], CompareOp::Like),
            (&["IN", "COHORT"], CompareOp::InCohort),
            (&["IN"], CompareOp::In),
        ];
        if let Some((_, op)) = signs.iter().find(|(sign, _)| self.sign(sign)) {
            return Some(*op);
        }
        words.iter().find(|(words, _)| self.keywords(words)).map(|(_, op)| *op)
    }

    fn sum(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.product()?;
        loop {
            let op = match self.peek() {
                Token::Sign("+") => ArithmeticOp::Add,
                Token::Sign("-") => ArithmeticOp::Subtract,
                Token::Sign("||") => ArithmeticOp::Concat,
                _ => return Ok(left),
            };
            self.step();
            let right = self.product()?;
            left = self.arithmetic(op, left, right)?;
        }
    }

    fn product(&mut self) -> Result<Expr, SqlError> {
        let mut left = self.negation()?;
        loop {
            let op = match self.peek() {
                Token::Sign("*") => ArithmeticOp::Multiply,
                Token::Sign("/") => ArithmeticOp::Divide,
                Token::Sign("%") => ArithmeticOp::Modulo,
                _ => return Ok(left),
            };
            self.step();
            let right = self.negation()?;
            left = self.arithmetic(op, left, right)?;
        }
    }

    fn arithmetic(&self, op: ArithmeticOp, left: Expr, right: Expr) -> Result<Expr, SqlError> {
        let span = left.span.to(right.span);
        self.made(Expr::new(ExprKind::Arithmetic(op, Box::new(left), Box::new(right)), span))
    }

    fn negation(&mut self) -> Result<Expr, SqlError> {
        let start = self.span();
        if !self.sign("-") {
            return self.operand();
        }
        self.nested(|parser| {
            let of = parser.negation()?;
            let span = start.to(of.span);
            parser.made(Expr::new(ExprKind::Negate(Box::new(of)), span))
        })
    }
}
