//! Where rows come from: tables, queries, functions, and how they are joined.

use super::super::lexer::Token;
use super::super::{ArrayJoin, Expr, ExprKind, From, Join, JoinKind, JoinOn, Source, SourceKind, SqlError};
use super::Parser;

impl Parser {
    pub(super) fn from(&mut self) -> Result<From, SqlError> {
        let first = self.source()?;
        let mut joins = Vec::new();
        loop {
            if self.sign(",") {
                joins.push(Join { kind: JoinKind::Cross, source: self.source()?, on: JoinOn::Nothing });
                continue;
            }
            let Some(kind) = self.join_kind()? else { break };
            let source = self.source()?;
            let on = match kind {
                JoinKind::Cross => JoinOn::Nothing,
                _ if self.keyword("ON") => JoinOn::Condition(self.expr()?),
                _ if self.keyword("USING") => {
                    let has_brackets = self.sign("(");
                    let columns = self.list(|parser| parser.name().map(|(name, _)| name))?;
                    if has_brackets {
                        self.need_sign(")")?;
                    }
                    JoinOn::Columns(columns)
                }
                _ => return Err(self.unexpected("ON or USING")),
            };
            joins.push(Join { kind, source, on });
        }
        Ok(From { first, joins })
    }

    fn join_kind(&mut self) -> Result<Option<JoinKind>, SqlError> {
        let kinds: [(&[&str], JoinKind); 21] = [
            (&["JOIN"], JoinKind::Inner),
            (&["INNER", "JOIN"], JoinKind::Inner),
            (&["ALL", "JOIN"], JoinKind::Inner),
            (&["ALL", "INNER", "JOIN"], JoinKind::Inner),
            (&["LEFT", "JOIN"], JoinKind::Left),
            (&["LEFT", "OUTER", "JOIN"], JoinKind::Left),
            (&["RIGHT", "JOIN"], JoinKind::Right),
            (&["RIGHT", "OUTER", "JOIN"], JoinKind::Right),
            (&["FULL", "JOIN"], JoinKind::Full),
            (&["FULL", "OUTER", "JOIN"], JoinKind::Full),
            (&["CROSS", "JOIN"], JoinKind::Cross),
            (&["ANY", "JOIN"], JoinKind::AnyInner),
            (&["ANY", "INNER", "JOIN"], JoinKind::AnyInner),
            (&["INNER", "ANY", "JOIN"], JoinKind::AnyInner),
            (&["ANY", "LEFT", "JOIN"], JoinKind::AnyLeft),
            (&["LEFT", "ANY", "JOIN"], JoinKind::AnyLeft),
            (&["LEFT", "SEMI", "JOIN"], JoinKind::LeftSemi),
            (&["SEMI", "LEFT", "JOIN"], JoinKind::LeftSemi),
            (&["LEFT", "ANTI", "JOIN"], JoinKind::LeftAnti),
            (&["ANTI", "LEFT", "JOIN"], JoinKind::LeftAnti),
            (&["ANTI", "JOIN"], JoinKind::LeftAnti),
        ];
        if let Some((_, kind)) = kinds.iter().find(|(words, _)| self.keywords(words)) {
            return Ok(Some(*kind));
        }
        for word in ["GLOBAL", "ASOF", "PASTE"] {
            if self.is_keyword(word) {
                return Err(SqlError::new(self.span(), format!("{word} is not taken before JOIN")));
            }
        }
        Ok(None)
    }

    fn source(&mut self) -> Result<Source, SqlError> {
        let start = self.span();
        let kind = if self.is_sign("(") {
            self.nested(|parser| {
                parser.need_sign("(")?;
                let query = parser.query()?;
                parser.need_sign(")")?;
                Ok(SourceKind::Query(Box::new(query)))
            })?
        } else if self.is_sign("{") {
            return Err(SqlError::new(start, "a placeholder stands for a value, not for a table"));
        } else {
            let (name, _) = self.name()?;
            if self.is_sign("(") {
                self.need_sign("(")?;
                let args = if self.is_sign(")") { Vec::new() } else { self.list(Self::expr)? };
                self.need_sign(")")?;
                SourceKind::Function { name, args }
            } else {
                let mut names = vec![name];
                while self.sign(".") {
                    match self.step() {
                        (Token::Word(name) | Token::Quoted(name), _) => names.push(name),
                        (_, span) => return Err(SqlError::new(span, "a name is needed after the dot")),
                    }
                }
                SourceKind::Table(names)
            }
        };
        let span = start.to(self.last_span());
        for word in ["FINAL", "SAMPLE"] {
            if self.is_keyword(word) {
                return Err(SqlError::new(self.span(), format!("{word} is not taken here")));
            }
        }
        let alias = self.alias()?;
        Ok(Source { kind, alias, span })
    }

    pub(super) fn array_join(&mut self) -> Result<Option<ArrayJoin>, SqlError> {
        let is_left = if self.keywords(&["LEFT", "ARRAY", "JOIN"]) {
            true
        } else if self.keywords(&["ARRAY", "JOIN"]) || self.keywords(&["INNER", "ARRAY", "JOIN"]) {
            false
        } else {
            return Ok(None);
        };
        let items = self.list(|parser| {
            let item = parser.item()?;
            match (&item.alias, &item.expr) {
                (None, Expr { kind: ExprKind::Field(_), .. }) | (Some(_), _) => Ok(item),
                (None, expr) => Err(SqlError::new(expr.span, "an ARRAY JOIN of a value needs a name: AS name")),
            }
        })?;
        Ok(Some(ArrayJoin { is_left, items }))
    }
}
