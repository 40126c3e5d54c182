//! Saved insights.

use serde_json::Value;

use crate::model::query::{Math, TrendsQuery};
use crate::model::{Clock, ProjectId, UserId, random_secret};
use crate::storage::pg::{NewInsight, Pg, PgError};

/// Longest name of an insight.
pub const MAX_NAME_CHARS: usize = 200;

const SHORT_ID_CHARS: usize = 8;

/// Saves a question under a name and returns its short id.
///
/// # Errors
/// If Postgres does not answer.
pub async fn create(
    pg: &Pg,
    clock: &Clock,
    project: ProjectId,
    user: UserId,
    name: &str,
    query: &TrendsQuery,
) -> Result<String, PgError> {
    let new = new_insight(clock, name, query.to_json(), Some(user));
    pg.create_insight(project, &new).await?;
    Ok(new.short_id)
}

/// Saves a copy of an insight and returns its short id; nothing if there is no such insight.
///
/// # Errors
/// If Postgres does not answer.
pub async fn duplicate(
    pg: &Pg,
    clock: &Clock,
    project: ProjectId,
    user: UserId,
    short_id: &str,
) -> Result<Option<String>, PgError> {
    let Some(insight) = pg.find_insight(project, short_id).await? else { return Ok(None) };
    let new = new_insight(clock, &format!("{} (copy)", insight.name), insight.query, Some(user));
    pg.create_insight(project, &new).await?;
    Ok(Some(new.short_id))
}

pub(super) fn new_insight(clock: &Clock, name: &str, query: Value, created_by: Option<UserId>) -> NewInsight {
    let mut short_id = random_secret();
    short_id.truncate(SHORT_ID_CHARS);
    let name = name.trim().chars().take(MAX_NAME_CHARS).collect();
    NewInsight { short_id, name, query, created_by, created_at: clock.now() }
}

/// A name that says what the question is, for insights that nobody named.
#[must_use]
pub fn suggested_name(query: &TrendsQuery) -> String {
    let series = query.series.iter().take(3).map(|s| match s.math {
        Math::Total => s.label().to_owned(),
        Math::UniqueUsers => format!("Unique users of {}", s.label()),
    });
    let series: Vec<_> = series.collect();
    let more = if query.series.len() > 3 { " and more" } else { "" };
    let by = query.breakdown.as_ref().map(|b| format!(" by {}", b.key)).unwrap_or_default();
    format!("{}{more}{by}", series.join(", "))
}
