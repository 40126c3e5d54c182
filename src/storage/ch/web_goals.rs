//! How often each of several goals is reached, and by how many people.

use clickhouse::Row;
use serde::Deserialize;

use super::sessions_sql::sessions_sql;
use super::web::{Stretches, visitors};
use super::{ChError, ClickHouse, Cost, Sql};
use crate::model::ProjectId;

/// How many came, and of each goal how often it was reached and by how many; `…_before` of the range that is compared with.
#[derive(Debug, Clone, PartialEq, Row, Deserialize)]
pub struct WebGoals {
    pub visitors: u64,
    pub visitors_before: u64,
    pub conversions: Vec<u64>,
    pub conversions_before: Vec<u64>,
    pub converted: Vec<u64>,
    pub converted_before: Vec<u64>,
}

impl ClickHouse {
    /// Answers goals.
    ///
    /// # Errors
    /// If ClickHouse does not answer or refuses.
    pub async fn web_goals(&self, sql: &Sql) -> Result<(WebGoals, Cost), ChError> {
        let (rows, cost) = self.rows(sql).await?;
        let row = rows.into_iter().next();
        Ok((row.ok_or_else(|| ChError::Custom("an aggregate over everything gave no row".to_owned()))?, cost))
    }
}

/// The statement that counts: one row, [`WebGoals`]. Events of sessions stand as `visit`, `actor`, `at`, and a `goal0` … for
/// each goal, of which there is at least one.
#[must_use]
pub fn web_goals_sql(project: ProjectId, events: &Sql, goals: usize, stretches: Stretches) -> Sql {
    let flags = [("is_current", ""), ("is_previous", "_before")];
    let mut sql = Sql::new(
        "SELECT uniqExactIf(visitor, is_current) AS visitors, uniqExactIf(visitor, is_previous) AS visitors_before",
    );
    for (before, after, name) in
        [("sumIf(n_goals[", "], ", "conversions"), ("uniqExactIf(visitor, n_goals[", "] > 0 AND ", "converted")]
    {
        for (flag, more) in flags {
            sql.push(",\n  [");
            for goal in 1..=goals {
                sql.push(if goal > 1 { ", " } else { "" }).push(before).number(goal as u64).push(after);
                sql.push(flag).push(")");
            }
            sql.push("] AS ").push(name).push(more);
        }
    }
    let mut found = Sql::new("SELECT visit, argMin(event.actor, event.at) AS actor, [");
    for goal in 0..goals {
        found.push(if goal > 0 { ", countIf(" } else { "countIf(" }).name("goal", goal).push(")");
    }
    found.push("] AS goals\nFROM (").append(events).push(") AS event\nGROUP BY visit");
    sql.push("\nFROM (\nSELECT seen.visitor AS visitor, seen.goals AS n_goals, ");
    stretches.push_flags(&mut sql, "session.start_at");
    sql.push("\nFROM (\n").append(&visitors(project, "visit, goals", &found));
    sql.push("\n) AS seen\nINNER JOIN (\n").append(&sessions_sql(project, &stretches.begun_within()));
    sql.push("\n) AS session ON session.session_id = seen.visit\n)");
    sql
}
