//! Sessions as a question sees them: partials put together, persons after merges, and what follows from both.
//!
//! [`sessions_sql`] is the one place where this is said. It gives one row a session:
//!
//! | column | |
//! |---|---|
//! | `session_id` | `String` |
//! | `start_at`, `end_at` | `DateTime64(6, 'UTC')`: the first event and the last, of any kind |
//! | `duration` | `Int64`: seconds between the two, each cut to the second |
//! | `distinct_id`, `person` | of the first event; of the last one, after merges |
//! | `event_count`, `pageview_count`, `screen_count`, `autocapture_count` | `UInt64` |
//! | `unique_url_count` | `UInt64`: different addresses of views, counted up to [`MAX_URLS`] |
//! | `is_bounce` | `Nullable(Bool)`: one view, no autocapture, under 10 seconds; null for a session without any view |
//! | `entry_…`, `referrer`, `utm_…`, `channel_type`, … | `Nullable(String)`: [`ENTRY_TEXTS`], by their names |
//! | `click_ids` | `Map(String, String)`: of the entry |
//! | `exit_…` | `Nullable(String)`: [`EXIT_TEXTS`] |
//!
//! What a question does not use costs nothing: the engine leaves out aggregates that nobody reads.

use jiff::Timestamp;

use super::Sql;
use super::events_read::push_moment;
use super::merges::merges_sql;
use crate::model::session::{ENTRY_TEXTS, EXIT_TEXTS, MAX_URLS};
use crate::model::{PersonId, ProjectId};

/// A shorter visit of one page is a bounce.
const BOUNCE_SECONDS: u32 = 10;

/// Which sessions are looked at; the default is all of a project.
#[derive(Debug, Clone, Default)]
pub struct SessionScope {
    /// Begun at this moment or later.
    pub from: Option<Timestamp>,
    /// Begun before this moment.
    pub until: Option<Timestamp>,
    /// That may have an event at this moment or later, and before `until`: none that has one is left out.
    pub active_from: Option<Timestamp>,
    /// Whose last event stands under one of these numbers; an empty list matches nothing.
    pub persons: Option<Vec<PersonId>>,
    /// The one with this id.
    pub session_id: Option<String>,
}

/// The sessions of a project as a statement with the columns above.
///
/// Two steps, because a session's start and person are known only when all its partials are put together, and its old
/// versions are left out: first the ids of all that may be meant, by an index, then their rows by the sort key.
#[must_use]
pub fn sessions_sql(project: ProjectId, scope: &SessionScope) -> Sql {
    // Names of statements around this one reach into it: none may be that of a table here.
    let mut sql = Sql::new(
        "SELECT together.* EXCEPT (last_person), if(merge.from_id = 0, last_person, merge.into_id) AS person,\n  \
         dateDiff('second', start_at, end_at) AS duration,\n  \
         if(pageview_count + screen_count = 0, NULL, pageview_count + screen_count = 1 AND autocapture_count = 0 \
         AND duration < ",
    );
    sql.param("UInt32", BOUNCE_SECONDS).push(")::Nullable(Bool) AS is_bounce\nFROM (\n");
    sql.append(&put_together(project, scope));
    sql.push("\n) AS together\nLEFT JOIN (").append(&merges_sql(project));
    sql.push(") AS merge ON merge.from_id = together.last_person");
    sql
}

fn put_together(project: ProjectId, scope: &SessionScope) -> Sql {
    let mut sql = Sql::new("  SELECT part.session_id AS session_id");
    for (at, name) in [("min(part.first_at)", "start_at"), ("max(part.last_at)", "end_at")] {
        sql.push(", ").push(at).push(" AS ").push(name);
    }
    sql.push(",\n    argMin(part.first_distinct_id, (part.first_at, part.first_tie)) AS distinct_id");
    sql.push(",\n    argMax(part.last_person_id, (part.last_at, part.last_tie)) AS last_person");
    for (column, name) in [
        ("events", "event_count"),
        ("pageviews", "pageview_count"),
        ("screens", "screen_count"),
        ("autocaptures", "autocapture_count"),
    ] {
        sql.push(",\n    sum(part.").push(column).push(") AS ").push(name);
    }
    sql.push(",\n    least(length(groupUniqArrayArray(part.url_hashes)), ").param("UInt32", MAX_URLS as u32);
    sql.push(") AS unique_url_count");
    // A tuple around each, because argMin would pass over a null.
    for text in &ENTRY_TEXTS {
        sql.push(",\n    argMin(tuple(CAST(part.").push(text.column).push(", 'Nullable(String)')), ");
        sql.push("(part.entry_rank, part.entry_at, part.entry_tie)).1 AS ").push(text.column);
    }
    sql.push(",\n    argMin(part.click_ids, (part.entry_rank, part.entry_at, part.entry_tie)) AS click_ids");
    for text in &EXIT_TEXTS {
        sql.push(",\n    argMaxIf(tuple(CAST(part.").push(text.column).push(", 'Nullable(String)')), ");
        sql.push("(part.exit_at, part.exit_tie), part.pageviews + part.screens > 0).1 AS ").push(text.column);
    }
    // FINAL leaves out old versions. It may filter by the sort key before, and by nothing else.
    sql.push("\n  FROM sessions AS part FINAL\n  WHERE part.project_id = ").param("UInt32", project);
    if let Some(id) = &scope.session_id {
        sql.push("\n    AND part.session_id = ").param("String", id);
    }
    let bounds = [scope.from, scope.until, scope.active_from];
    if bounds.iter().any(Option::is_some) || scope.persons.is_some() {
        sql.push("\n    AND part.session_id IN (\n").append(&candidates(project, scope)).push("\n    )");
    }
    sql.push("\n  GROUP BY part.session_id");
    push_conditions(&mut sql, "\n  HAVING ", ["start_at", "end_at", "last_person"], scope);
    sql
}

/// Every session that may be meant: the partial with its first event began when it did, and the one with its last event
/// ended when it did and names its person.
fn candidates(project: ProjectId, scope: &SessionScope) -> Sql {
    let mut sql = Sql::new("      SELECT session_id FROM sessions WHERE project_id = ");
    sql.param("UInt32", project);
    let bounds = SessionScope { persons: None, ..scope.clone() };
    let columns = ["first_at", "last_at", "last_person_id"];
    push_conditions(&mut sql, " AND ", columns, &bounds);
    if scope.persons.is_some() {
        let persons = SessionScope { from: None, until: None, active_from: None, ..scope.clone() };
        let both = scope.from.is_some() || scope.until.is_some() || scope.active_from.is_some();
        if both {
            sql.push("\n      INTERSECT DISTINCT\n      SELECT session_id FROM sessions WHERE project_id = ");
            sql.param("UInt32", project);
        }
        push_conditions(&mut sql, " AND ", columns, &persons);
    }
    sql
}

fn push_conditions(sql: &mut Sql, before: &'static str, [start, end, person]: [&'static str; 3], scope: &SessionScope) {
    let mut join = before;
    if let Some(from) = scope.from {
        push_moment(sql.push(join).push(start).push(" >= "), from);
        join = " AND ";
    }
    if let Some(until) = scope.until {
        push_moment(sql.push(join).push(start).push(" < "), until);
        join = " AND ";
    }
    if let Some(active_from) = scope.active_from {
        push_moment(sql.push(join).push(end).push(" >= "), active_from);
        join = " AND ";
    }
    if let Some(persons) = &scope.persons {
        let numbers: Vec<u64> = persons.iter().map(|person| person.get()).collect();
        sql.push(join).push(person).push(" IN ").param("Array(UInt64)", numbers);
    }
}
