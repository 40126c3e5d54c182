//! What a project has given names to, where a question names it: actions and cohorts.

use std::collections::HashMap;

use super::level::{Compiler, Level};
use super::value::Value;
use crate::sql::{Expr, ExprKind, Literal, Query, Span, SqlError};

/// Definitions by their ids, as digits, and by their names; in place of one that makes no sense any more stands why.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// What an event of an action must be.
    pub actions: HashMap<String, Result<Expr, String>>,
    /// The ids of people in a cohort: a question in brackets.
    pub cohorts: HashMap<String, Result<Expr, String>>,
    /// The table `cohort_people`: a row for each person in each cohort; or why it cannot be read.
    pub cohort_people: Option<Result<Query, String>>,
    /// The table `cohorts`.
    pub cohort_list: Option<Query>,
    /// The types of groups by their names: beside an event, `company` is its group of that type.
    pub group_types: HashMap<String, usize>,
}

impl<'q> Compiler<'q> {
    /// `matchesAction(7)`, or by its name.
    pub fn matches_action(&mut self, of: &Expr, span: Span, level: &mut Level<'q>) -> Result<Value, SqlError> {
        let named: &'q Named = self.scope.named;
        let condition = find(&named.actions, of, span, "action")?;
        self.expr(condition, level)
    }

    /// The people of `IN COHORT 7`, or by its name.
    pub fn cohort(&self, of: &Expr, span: Span) -> Result<&'q Expr, SqlError> {
        let named: &'q Named = self.scope.named;
        find(&named.cohorts, of, span, "cohort")
    }
}

fn find<'n>(
    known: &'n HashMap<String, Result<Expr, String>>,
    of: &Expr,
    span: Span,
    what: &str,
) -> Result<&'n Expr, SqlError> {
    let name = match &of.kind {
        ExprKind::Literal(Literal::Whole(id)) => id.to_string(),
        ExprKind::Literal(Literal::Text(name)) => name.clone(),
        _ => return Err(SqlError::new(span, format!("the id or the name of the {what} is needed, as it is"))),
    };
    match known.get(&name) {
        Some(Ok(found)) => Ok(found),
        Some(Err(reason)) => Err(SqlError::new(span, reason.clone())),
        None => Err(SqlError::new(span, format!("there is no {what} {name} in this project"))),
    }
}
