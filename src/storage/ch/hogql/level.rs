//! What is known while a question is printed: where its rows come from, and what its names stand for.

use super::super::Sql;
use super::compile::QueryScope;
use super::tables::{Needs, Table};
use super::value::{Ty, Value};
use crate::sql::{Cte, Window};

/// A column of a question inside another.
#[derive(Debug, Clone)]
pub(super) struct Derived {
    pub name: String,
    pub alias: usize,
    pub ty: Ty,
    pub is_nullable: bool,
}

/// Where rows come from, while what is read from it is still being found.
pub(super) enum Rows {
    Table { table: Table, needs: Needs, keys: Vec<Vec<String>>, columns: Vec<Value> },
    Query { sql: Sql, columns: Vec<Derived> },
    Numbers { sql: Sql },
}

pub(super) struct SourceRef {
    pub name: Option<String>,
    pub id: usize,
    pub rows: Rows,
}

/// What names stand for at one level of a question.
pub(super) struct Level<'q> {
    pub sources: Vec<SourceRef>,
    pub aliases: Vec<(String, Value)>,
    pub lambdas: Vec<(String, Value)>,
    pub ctes: Vec<&'q Cte>,
    pub windows: Vec<(String, usize, &'q Window)>,
}

pub(super) struct Compiler<'a> {
    pub scope: &'a QueryScope<'a>,
    pub names: usize,
    /// What the columns of the outermost question are to be called, until it is printed; else they have numbers.
    pub result_names: Vec<Sql>,
    pub sources: usize,
    pub params: usize,
    pub param_bytes: usize,
    /// How many values were printed at this level that are found after rows are put together.
    pub over_rows: usize,
    /// The tables of the questions around the one that is printed, whose rows are not known in it.
    pub around: Vec<String>,
}

impl Compiler<'_> {
    pub fn fresh(&mut self) -> usize {
        self.names += 1;
        self.names
    }
}

/// A column of a question inside.
pub(super) fn derived(source: usize, column: &Derived) -> Value {
    let mut sql = Sql::default();
    sql.name("t", source).name(".a", column.alias);
    Value::new(sql, column.ty, column.is_nullable)
}
