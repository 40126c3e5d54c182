//! People after merges, looked up once for each distinct number and not for each event.

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

/// The rows of `found` with these of its columns, and `whole`: who its `actor` is after merges.
pub(super) fn after_merges(project: ProjectId, counted: Counted, columns: &'static str, found: &Sql) -> Sql {
    let mut sql = Sql::new("SELECT ");
    sql.push(columns);
    if counted == Counted::Groups {
        sql.push(", actor AS whole\nFROM (\n").append(found).push("\n)");
        return sql;
    }
    sql.push(", if(merge.from_id = 0, actor, merge.into_id) AS whole\nFROM (\n").append(found);
    sql.push("\n) AS found\nLEFT JOIN (\n  SELECT from_id, argMax(into_id, version) AS into_id\n");
    sql.push("  FROM person_overrides\n  WHERE project_id = ").param("UInt32", project);
    sql.push("\n  GROUP BY from_id\n) AS merge ON merge.from_id = found.actor");
    sql
}
