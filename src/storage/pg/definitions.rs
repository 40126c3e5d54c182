//! Names of events and properties that were seen, for pickers.

use jiff::Timestamp;
use sqlx::FromRow;
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::ProjectId;
use crate::model::value_kinds::{MAX_PROPERTIES, ValueKinds};

/// Whose property it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PropertyKind {
    Event,
    Person,
}

/// A property as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KnownProperty {
    pub id: Uuid,
    pub kind: String,
    pub name: String,
    pub property_type: String,
}

impl PropertyKind {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Person => "person",
        }
    }
}

/// An event name and when it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventDefinition {
    pub name: String,
    pub last_seen_at: Timestamp,
}

/// A property name and what its first value was: `String`, `Numeric`, `Boolean`, `DateTime` or `Object`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyDefinition {
    pub kind: PropertyKind,
    pub name: String,
    pub property_type: &'static str,
    /// What is in events' tails under this name besides what was known to be; none for a property of persons.
    pub tail_kinds: Option<ValueKinds>,
}

/// A property that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenProperty {
    pub name: String,
    /// As somebody decided, else by the first value.
    pub property_type: String,
    /// Which kinds of values events ever had under this name in their tails; none where that is not known.
    pub tail_kinds: Option<ValueKinds>,
}

impl Pg {
    /// The event names of a project.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_event_definitions(&self, project: ProjectId) -> Result<Vec<EventDefinition>, PgError> {
        let sql = "SELECT name, last_seen_at FROM event_definitions WHERE project_id = $1 ORDER BY name";
        let rows: Vec<(String, PgTime)> = sqlx::query_as(sql).bind(project.get()).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(name, seen)| EventDefinition { name, last_seen_at: seen.0 }).collect())
    }

    /// Whether a project has had an event.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn has_event_definitions(&self, project: ProjectId) -> Result<bool, PgError> {
        let sql = "SELECT EXISTS (SELECT FROM event_definitions WHERE project_id = $1)";
        sqlx::query_scalar(sql).bind(project.get()).fetch_one(&self.pool).await
    }

    /// The properties that a project has seen, by name.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_property_definitions(
        &self,
        project: ProjectId,
        kind: PropertyKind,
    ) -> Result<Vec<SeenProperty>, PgError> {
        let sql = r"
            SELECT name, property_type, tail_kinds
            FROM property_definitions
            WHERE project_id = $1 AND kind = $2
            ORDER BY name
        ";
        let rows: Vec<(String, String, Option<i16>)> =
            sqlx::query_as(sql).bind(project.get()).bind(kind.as_str()).fetch_all(&self.pool).await?;
        let seen = |(name, property_type, bits): (_, _, Option<i16>)| SeenProperty {
            name,
            property_type,
            tail_kinds: bits.and_then(ValueKinds::from_bits),
        };
        Ok(rows.into_iter().map(seen).collect())
    }

    /// A part of the properties of a project whose names contain `search`, by name, and how many there are in all.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn search_property_definitions(
        &self,
        project: ProjectId,
        kind: PropertyKind,
        search: &str,
        limit: i64,
        offset: i64,
    ) -> Result<(i64, Vec<KnownProperty>), PgError> {
        let matching = "FROM property_definitions
            WHERE project_id = $1 AND kind = $2 AND position(lower($3) IN lower(name)) > 0";
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) {matching}"));
        let count = sqlx::query_scalar(count)
            .bind(project.get())
            .bind(kind.as_str())
            .bind(search)
            .fetch_one(&self.pool)
            .await?;
        let list = format!("SELECT id, kind, name, property_type {matching} ORDER BY name LIMIT $4 OFFSET $5");
        let found = sqlx::query_as(sqlx::AssertSqlSafe(list))
            .bind(project.get())
            .bind(kind.as_str())
            .bind(search)
            .bind(limit)
            .bind(offset)
            .fetch_all(&self.pool)
            .await?;
        Ok((count, found))
    }

    /// Gives a property another type, if one is given, and returns it as it is now; nothing if there is none.
    ///
    /// # Errors
    /// If Postgres does not answer, or the type is none of the five.
    pub async fn update_property_definition(
        &self,
        project: ProjectId,
        id: Uuid,
        property_type: Option<&str>,
    ) -> Result<Option<KnownProperty>, PgError> {
        let sql = r"
            UPDATE property_definitions
            SET property_type = coalesce($3, property_type)
            WHERE project_id = $1 AND id = $2
            RETURNING id, kind, name, property_type
        ";
        sqlx::query_as(sql).bind(project.get()).bind(id).bind(property_type).fetch_optional(&self.pool).await
    }

    /// Adds event names, or moves the time they were last seen.
    ///
    /// # Errors
    /// If Postgres does not answer, or the project is gone.
    pub async fn upsert_event_definitions(
        &self,
        project: ProjectId,
        events: &[EventDefinition],
    ) -> Result<(), PgError> {
        sqlx::query(
            r"
            INSERT INTO event_definitions (project_id, name, first_seen_at, last_seen_at)
            SELECT $1, name, seen_at, seen_at
            FROM UNNEST($2::text[], $3::timestamptz[]) AS seen (name, seen_at)
            ON CONFLICT (project_id, name) DO UPDATE
            SET last_seen_at = GREATEST(event_definitions.last_seen_at, EXCLUDED.last_seen_at)
            ",
        )
        .bind(project.get())
        .bind(events.iter().map(|e| e.name.as_str()).collect::<Vec<_>>())
        .bind(events.iter().map(|e| PgTime(e.last_seen_at)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Adds property names; those that are there keep their type, and what is known of their tails grows.
    ///
    /// # Errors
    /// If Postgres does not answer, or the project is gone.
    pub async fn upsert_property_definitions(
        &self,
        project: ProjectId,
        properties: &[PropertyDefinition],
        seen_at: Timestamp,
    ) -> Result<(), PgError> {
        // What is not known stays so: null with anything is null. Nor is a name known that comes late to a project of which
        // some names were not kept: it may have been one of them.
        sqlx::query(
            r"
            INSERT INTO property_definitions (project_id, kind, name, property_type, tail_kinds, first_seen_at)
            SELECT $1, kind, name, property_type, CASE WHEN (
                SELECT knows_tails AND (SELECT count(*) FROM property_definitions WHERE project_id = $1) < $7
                FROM projects WHERE id = $1
            ) THEN tail_kinds END, $6
            FROM UNNEST($2::text[], $3::text[], $4::text[], $5::smallint[]) AS seen (kind, name, property_type, tail_kinds)
            ORDER BY kind, name
            ON CONFLICT (project_id, kind, name) DO UPDATE
            SET tail_kinds = property_definitions.tail_kinds | EXCLUDED.tail_kinds
            WHERE property_definitions.tail_kinds IS DISTINCT FROM property_definitions.tail_kinds | EXCLUDED.tail_kinds
            ",
        )
        .bind(project.get())
        .bind(properties.iter().map(|p| p.kind.as_str()).collect::<Vec<_>>())
        .bind(properties.iter().map(|p| p.name.as_str()).collect::<Vec<_>>())
        .bind(properties.iter().map(|p| p.property_type).collect::<Vec<_>>())
        .bind(properties.iter().map(|p| p.tail_kinds.map(ValueKinds::bits)).collect::<Vec<_>>())
        .bind(PgTime(seen_at))
        .bind(MAX_PROPERTIES as i64)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// From now on nothing is known of what events' tails hold.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn forget_tail_kinds(&self, project: ProjectId) -> Result<(), PgError> {
        let sql = r"
            WITH forgotten AS (UPDATE property_definitions SET tail_kinds = NULL WHERE project_id = $1)
            UPDATE projects SET knows_tails = false WHERE id = $1
        ";
        sqlx::query(sql).bind(project.get()).execute(&self.pool).await.map(drop)
    }

    /// Whether a property of events that is not listed, though its name is kept and there was place, was never sent.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn knows_tails(&self, project: ProjectId) -> Result<bool, PgError> {
        let sql = "SELECT knows_tails FROM projects WHERE id = $1";
        let found: Option<bool> = sqlx::query_scalar(sql).bind(project.get()).fetch_optional(&self.pool).await?;
        Ok(found.unwrap_or(false))
    }
}
