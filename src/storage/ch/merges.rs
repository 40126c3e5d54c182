//! People after merges.
//!
//! They are looked up for each row, before rows are put together: a look-up costs less than putting together twice.

use super::Sql;
use crate::model::ProjectId;

/// What a statement counts: it stands in a column `actor` of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// People: the column holds the number on the event, before merges.
    People,
    /// Groups, or whatever else is never merged.
    Groups,
}

/// The rows of `found` with these of its columns, and `whole`: who its `actor` is after merges. No number is 0.
pub(super) fn after_merges(project: ProjectId, counted: Counted, columns: &'static str, found: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.push(columns);
    if counted == Counted::Groups {
        sql.push(", actor AS whole\nFROM (\n").append(found).push("\n)");
        return sql;
    }
    sql.push(", if(merge.into_id = 0, actor, merge.into_id) AS whole\nFROM (\n").append(found);
    sql.push("\n) AS found\nLEFT JOIN (")
        .append(&merges_sql(project))
        .push(") AS merge ON merge.from_id = found.actor");
    sql
}

/// Who has become whom: each `from_id` once, with its `into_id`.
pub(super) fn merges_sql(project: ProjectId) -> Sql {
    let mut sql = Sql::new("SELECT from_id, into_id FROM person_overrides FINAL WHERE project_id = ");
    sql.param("UInt32", project);
    sql
}
