//! Values of a property, to suggest.

use jiff::{SignedDuration, Timestamp};

use super::days::push_from;
use super::filters::{events_of, property_text, push_traffic};
use super::{ChError, ClickHouse, Sql};
use crate::model::ProjectId;
use crate::model::query::{PropertyScope, Traffic};

/// How far back is looked, and how many are found.
const WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);
const LIMIT: u32 = 50;

impl ClickHouse {
    /// The most frequent values of a property in the last seven days, those that contain `search`; at most 50.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn list_property_values(
        &self,
        project: ProjectId,
        scope: PropertyScope,
        key: &str,
        search: &str,
        traffic: Traffic,
        now: Timestamp,
    ) -> Result<Vec<String>, ChError> {
        self.ask(&values_sql(project, scope, key, search, traffic, now)).fetch_all().await
    }
}

/// The statement behind [`ClickHouse::list_property_values`].
#[must_use]
pub fn values_sql(
    project: ProjectId,
    scope: PropertyScope,
    key: &str,
    search: &str,
    traffic: Traffic,
    now: Timestamp,
) -> Sql {
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    let mut sql = Sql::new("SELECT assumeNotNull(found)::String AS found_text\nFROM (\n  SELECT ");
    sql.append(&property_text(scope, key)).push(" AS found\n  ");
    sql.append(&events_of(project));
    push_from(&mut sql, since);
    push_traffic(&mut sql, traffic);
    sql.push("\n)\nWHERE found IS NOT NULL AND found != ''");
    if !search.is_empty() {
        sql.push(" AND positionCaseInsensitiveUTF8(found, ").param("String", search).push(") > 0");
    }
    sql.push("\nGROUP BY found_text\nORDER BY count() DESC, found_text\nLIMIT ").param("UInt32", LIMIT);
    sql
}
