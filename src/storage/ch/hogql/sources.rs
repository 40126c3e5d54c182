//! Where rows come from: tables, questions inside, joins.

use super::super::Sql;
use super::level::{Compiler, Level, Rows, SourceRef};
use super::select::name_of;
use super::tables::{Needs, TABLES};
use super::value::{Ty, Value};
use crate::sql::{
    ArrayJoin, CompareOp, CteBody, Expr, ExprKind, Join, JoinKind, JoinOn, Source, SourceKind, Span, SqlError,
};

/// Most tables and queries in one question: a name may stand for a question that names others.
const MAX_SOURCES: usize = 120;

impl<'q> Compiler<'q> {
    pub fn print_source(&self, source: &SourceRef) -> Sql {
        let mut sql = Sql::new("(");
        match &source.rows {
            Rows::Table { table, needs, columns, .. } => sql.append(&table.print(columns, self.scope, *needs)),
            Rows::Query { sql: inner, .. } | Rows::Numbers { sql: inner } => sql.append(inner),
        };
        sql.push(") AS ").name("t", source.id);
        sql
    }

    pub fn add_source(&mut self, source: &'q Source, level: &mut Level<'q>) -> Result<(), SqlError> {
        self.sources += 1;
        if self.sources > MAX_SOURCES {
            return Err(SqlError::new(source.span, format!("the question reads from more than {MAX_SOURCES} tables")));
        }
        let (default_name, rows) = match &source.kind {
            SourceKind::Table(names) => {
                let name = names.join(".");
                let cte = level.ctes.iter().rposition(|cte| cte.name == name);
                match (cte, TABLES.iter().find(|(known, _)| *known == name)) {
                    (Some(at), _) => {
                        let ctes = level.ctes[..at].to_vec();
                        let (sql, columns) = match &level.ctes[at].body {
                            CteBody::Query(query) => self.query(query, &ctes)?,
                            CteBody::Value(Expr { kind: ExprKind::Query(query), .. }) => self.query(query, &ctes)?,
                            CteBody::Value(_) => {
                                return Err(SqlError::new(source.span, format!("{name} is a value, not a table")));
                            }
                        };
                        (Some(name), Rows::Query { sql, columns })
                    }
                    (None, Some((_, table))) => {
                        let rows = Rows::Table {
                            table: *table,
                            needs: Needs::default(),
                            keys: Vec::new(),
                            columns: Vec::new(),
                        };
                        (Some(name), rows)
                    }
                    (None, None) => {
                        let Some(rows) = self.named_table(&name, source.span)? else {
                            let mut known: Vec<_> = TABLES.iter().map(|(name, _)| *name).collect();
                            known.retain(|name| !["person_numbers", "static_cohort_members"].contains(name));
                            let known = known.join(", ");
                            let message =
                                format!("there is no table {name}; there are {known}, cohorts, cohort_people");
                            return Err(SqlError::new(source.span, message));
                        };
                        (Some(names.last().cloned().unwrap_or_default()), rows)
                    }
                }
            }
            SourceKind::Function { name, args } => {
                if name != "numbers" || args.is_empty() || args.len() > 2 {
                    let message = if name == "numbers" {
                        "numbers takes how many there are, or the first and how many".to_owned()
                    } else {
                        format!("{name} gives no rows here; numbers(10) does")
                    };
                    return Err(SqlError::new(source.span, message));
                }
                let mut sql = Sql::new("SELECT number FROM numbers(");
                for (at, arg) in args.iter().enumerate() {
                    // Nothing else of the question may stand there.
                    let mut outside = Level {
                        sources: Vec::new(),
                        aliases: Vec::new(),
                        lambdas: Vec::new(),
                        ctes: level.ctes.clone(),
                        windows: Vec::new(),
                    };
                    sql.push(if at > 0 { ", " } else { "" }).append(&self.expr(arg, &mut outside)?.sql);
                }
                sql.push(")");
                (Some("numbers".to_owned()), Rows::Numbers { sql })
            }
            SourceKind::Query(query) => {
                let ctes = level.ctes.clone();
                let (sql, columns) = self.query(query, &ctes)?;
                (None, Rows::Query { sql, columns })
            }
        };
        let name = source.alias.clone().or(default_name);
        if name.as_ref().is_some_and(|name| level.sources.iter().any(|known| known.name.as_ref() == Some(name))) {
            let name = name.unwrap_or_default();
            return Err(SqlError::new(source.span, format!("{name} stands for two tables: name one of them with AS")));
        }
        let id = self.fresh();
        level.sources.push(SourceRef { name, id, rows });
        Ok(())
    }

    /// A table that is made of what the project has given names to.
    fn named_table(&mut self, name: &str, span: Span) -> Result<Option<Rows>, SqlError> {
        let named = self.scope.named;
        let table = match name {
            "cohort_people" | "raw_cohort_people" => match &named.cohort_people {
                Some(Ok(table)) => Some(table),
                Some(Err(reason)) => return Err(SqlError::new(span, reason.clone())),
                None => None,
            },
            "cohorts" | "system.cohorts" => named.cohort_list.as_ref(),
            _ => None,
        };
        let Some(table) = table else { return Ok(None) };
        let (sql, columns) = self.query(table, &[])?;
        Ok(Some(Rows::Query { sql, columns }))
    }

    pub fn join(&mut self, join: &'q Join, level: &mut Level<'q>) -> Result<(&'static str, Sql), SqlError> {
        let kind = match join.kind {
            JoinKind::Inner => " INNER JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
            JoinKind::AnyInner => " ANY INNER JOIN ",
            JoinKind::AnyLeft => " ANY LEFT JOIN ",
            JoinKind::LeftSemi => " LEFT SEMI JOIN ",
            JoinKind::LeftAnti => " LEFT ANTI JOIN ",
        };
        let mut on = Sql::default();
        match &join.on {
            JoinOn::Nothing => {}
            JoinOn::Condition(condition) => {
                on.push(" ON ").append(&self.join_condition(condition, level)?);
            }
            JoinOn::Columns(names) => {
                on.push(" ON ");
                let (last, before) = level.sources.split_at_mut_last();
                for (at, name) in names.iter().enumerate() {
                    let steps = [name.clone()];
                    let right = self.column_of(last, &steps, join.source.span)?;
                    let mut left = None;
                    for source in before.iter_mut() {
                        left = left.or(self.column_of(source, &steps, join.source.span)?);
                    }
                    let (Some(left), Some(right)) = (left, right) else {
                        return Err(SqlError::new(join.source.span, format!("{name} is no column of both tables")));
                    };
                    on.push(if at > 0 { " AND " } else { "" }).append(&left.sql).push(" = ").append(&right.sql);
                }
            }
        }
        Ok((kind, on))
    }

    /// Equal sides of a join stand bare: the engine joins by them, and nulls go with nothing.
    fn join_condition(&mut self, condition: &'q Expr, level: &mut Level<'q>) -> Result<Sql, SqlError> {
        match &condition.kind {
            ExprKind::And(items) => {
                let mut sql = Sql::new("(");
                for (at, item) in items.iter().enumerate() {
                    sql.push(if at > 0 { " AND " } else { "" }).append(&self.join_condition(item, level)?);
                }
                sql.push(")");
                Ok(sql)
            }
            ExprKind::Compare(CompareOp::Equal, left, right) => {
                let left = self.expr(left, level)?;
                let right = self.expr(right, level)?;
                let mut sql = left.sql;
                sql.push(" = ").append(&right.sql);
                Ok(sql)
            }
            _ => Ok(self.expr(condition, level)?.sql),
        }
    }

    pub fn array_join(&mut self, join: &'q ArrayJoin, level: &mut Level<'q>) -> Result<Sql, SqlError> {
        let mut sql = Sql::new(if join.is_left { " LEFT ARRAY JOIN " } else { " ARRAY JOIN " });
        for (at, item) in join.items.iter().enumerate() {
            let list = self.expr(&item.expr, level)?;
            let alias = self.fresh();
            sql.push(if at > 0 { ", " } else { "" }).append(&list.sql).push(" AS ").name("a", alias);
            let name = item.alias.clone().unwrap_or_else(|| name_of(&item.expr));
            let mut known = Sql::default();
            known.name("a", alias);
            level.aliases.push((name, Value::new(known, Ty::Any, true)));
        }
        Ok(sql)
    }
}

trait SplitLast<T> {
    fn split_at_mut_last(&mut self) -> (&mut T, &mut [T]);
}

impl SplitLast<SourceRef> for Vec<SourceRef> {
    fn split_at_mut_last(&mut self) -> (&mut SourceRef, &mut [SourceRef]) {
        self.split_last_mut().expect("the source of a join was just added")
    }
}
