//! Persons, their distinct ids and what has become of merged ones, as the pipeline reads and writes them: a batch at a time,
//! in one transaction that holds a lock on each of its projects.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId};
use crate::storage::ch::PersonOverride;

/// First half of the advisory lock's key; the second is the project.
pub(super) const LOCK: i32 = 0x7e5e_0001;

/// A project that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProject {
    pub id: ProjectId,
    /// Whether it ever had an event of someone without a profile.
    pub has_personless_events: bool,
}

/// A person as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonState {
    pub id: PersonId,
    pub uuid: Uuid,
    pub properties: Map<String, Value>,
    pub is_identified: bool,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub version: i64,
}

/// A person to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPerson {
    pub project_id: ProjectId,
    pub uuid: Uuid,
    pub properties: Map<String, Value>,
    pub is_identified: bool,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// A person to overwrite.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedPerson {
    pub id: PersonId,
    pub properties: Map<String, Value>,
    pub is_identified: bool,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub version: i64,
}

/// A person that exists, or one of [`IdentityChanges::created`] by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersonRef {
    Existing(PersonId),
    Created(usize),
}

/// All that a batch changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IdentityChanges {
    /// Projects that had their first event of someone without a profile.
    pub first_personless: Vec<ProjectId>,
    pub created: Vec<NewPerson>,
    pub changed: Vec<ChangedPerson>,
    /// Distinct ids that belonged to nobody.
    pub distinct_ids: Vec<(ProjectId, String, PersonRef)>,
    /// Persons that become another: their distinct ids move, their events are overridden, they are deleted.
    pub merged: Vec<(ProjectId, PersonId, PersonRef)>,
    /// Numbers without a profile that become a person.
    pub claimed: Vec<(ProjectId, PersonId, PersonRef)>,
}

impl IdentityChanges {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A transaction that alone may change the persons of its projects.
#[derive(Debug)]
pub struct IdentityTx {
    tx: Transaction<'static, Postgres>,
}

impl Pg {
    /// Begins a transaction and waits for the locks of these projects. Dropped without a commit, it changes nothing.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn begin_identity(&self, projects: &[ProjectId]) -> Result<IdentityTx, PgError> {
        let mut tx = self.pool.begin().await?;
        // In the order of their ids, so that two instances never wait for each other.
        let mut ids: Vec<i32> = projects.iter().map(|p| p.get()).collect();
        ids.sort_unstable();
        ids.dedup();
        sqlx::query("SELECT pg_advisory_xact_lock($1, id) FROM UNNEST($2::integer[]) AS project (id)")
            .bind(LOCK)
            .bind(ids)
            .execute(&mut *tx)
            .await?;
        Ok(IdentityTx { tx })
    }

    /// Overrides that ClickHouse does not have yet, oldest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_pending_overrides(&self, limit: i64) -> Result<Vec<PersonOverride>, PgError> {
        let rows: Vec<(i32, i64, i64, i64)> = sqlx::query_as(
            r"
            SELECT project_id, from_id, into_id, version
            FROM person_overrides
            WHERE NOT mirrored
            ORDER BY version
            LIMIT $1
            ",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        let row = |(project, from, into, version): (i32, i64, i64, i64)| PersonOverride {
            project_id: ProjectId::new(project),
            from: PersonId::from_row(from),
            into: PersonId::from_row(into),
            version: version.cast_unsigned(),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Notes that ClickHouse has these, each in this version.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn mark_overrides_mirrored(&self, overrides: &[PersonOverride]) -> Result<(), PgError> {
        let projects: Vec<i32> = overrides.iter().map(|o| o.project_id.get()).collect();
        let from: Vec<i64> = overrides.iter().map(|o| o.from.as_row()).collect();
        let versions: Vec<i64> = overrides.iter().map(|o| o.version.cast_signed()).collect();
        sqlx::query(
            r"
            UPDATE person_overrides AS o
            SET mirrored = true
            FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS done (project_id, from_id, version)
            WHERE o.project_id = done.project_id AND o.from_id = done.from_id AND o.version = done.version
            ",
        )
        .bind(projects)
        .bind(from)
        .bind(versions)
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

impl IdentityTx {
    /// Which of these projects exist.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn known_projects(&mut self, projects: &[ProjectId]) -> Result<Vec<KnownProject>, PgError> {
        let rows: Vec<(i32, bool)> = sqlx::query_as(
            r"
            SELECT id, EXISTS (SELECT FROM personless_projects WHERE project_id = id)
            FROM projects
            WHERE id = ANY($1)
            ",
        )
        .bind(projects.iter().map(|p| p.get()).collect::<Vec<_>>())
        .fetch_all(&mut *self.tx)
        .await?;
        let row = |(id, has_personless_events)| KnownProject { id: ProjectId::new(id), has_personless_events };
        Ok(rows.into_iter().map(row).collect())
    }

    /// The persons that have these distinct ids; ids of nobody are left out.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_persons(
        &mut self,
        distinct_ids: &[(ProjectId, &str)],
    ) -> Result<Vec<(ProjectId, String, PersonState)>, PgError> {
        type Row = (i32, String, i64, Uuid, Json<Map<String, Value>>, bool, PgTime, PgTime, i64);
        let rows: Vec<Row> = sqlx::query_as(
            r"
            SELECT d.project_id, d.distinct_id, p.id, p.uuid, p.properties, p.is_identified, p.created_at, p.last_seen_at,
                   p.version
            FROM UNNEST($1::integer[], $2::text[]) AS wanted (project_id, distinct_id)
            JOIN person_distinct_ids AS d
              ON d.project_id = wanted.project_id AND d.distinct_id = wanted.distinct_id
            JOIN persons AS p ON p.id = d.person_id
            ",
        )
        .bind(distinct_ids.iter().map(|(project, _)| project.get()).collect::<Vec<_>>())
        .bind(distinct_ids.iter().map(|(_, id)| *id).collect::<Vec<_>>())
        .fetch_all(&mut *self.tx)
        .await?;
        let row =
            |(project, distinct_id, id, uuid, properties, is_identified, created_at, last_seen_at, version): Row| {
                let state = PersonState {
                    id: PersonId::from_row(id),
                    uuid,
                    properties: properties.0,
                    is_identified,
                    created_at: created_at.0,
                    last_seen_at: last_seen_at.0,
                    version,
                };
                (ProjectId::new(project), distinct_id, state)
            };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Writes all changes and gives the numbers of the created persons, in their order.
    ///
    /// # Errors
    /// If Postgres refuses or does not answer; nothing is changed then.
    pub async fn write(&mut self, changes: &IdentityChanges) -> Result<Vec<PersonId>, PgError> {
        self.note_personless(&changes.first_personless).await?;
        let created = self.create(&changes.created).await?;
        let resolve = |person: PersonRef| match person {
            PersonRef::Existing(id) => id,
            PersonRef::Created(at) => created[at],
        };
        self.update(&changes.changed).await?;
        self.add_distinct_ids(&changes.distinct_ids, resolve).await?;
        self.merge(&changes.merged, resolve).await?;
        self.override_ids(changes.merged.iter().chain(&changes.claimed), resolve).await?;
        Ok(created)
    }

    /// Makes the changes durable and lets the locks go.
    ///
    /// # Errors
    /// If Postgres does not answer: whether the changes stand is then unknown, and writing them again is harmless.
    pub async fn commit(self) -> Result<(), PgError> {
        self.tx.commit().await
    }

    async fn note_personless(&mut self, projects: &[ProjectId]) -> Result<(), PgError> {
        if projects.is_empty() {
            return Ok(());
        }
        let projects: Vec<i32> = projects.iter().map(|p| p.get()).collect();
        let sql =
            "INSERT INTO personless_projects (project_id) SELECT * FROM UNNEST($1::integer[]) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(projects).execute(&mut *self.tx).await.map(drop)
    }

    async fn create(&mut self, persons: &[NewPerson]) -> Result<Vec<PersonId>, PgError> {
        if persons.is_empty() {
            return Ok(Vec::new());
        }
        // Whoever has the uuid already is the same first distinct id: a person that lost it. It takes it up again.
        let rows: Vec<(i32, Uuid, i64)> = sqlx::query_as(
            r"
            INSERT INTO persons (project_id, uuid, properties, is_identified, created_at, last_seen_at)
            SELECT *
            FROM UNNEST($1::integer[], $2::uuid[], $3::jsonb[], $4::boolean[], $5::timestamptz[], $6::timestamptz[])
            ON CONFLICT (project_id, uuid) DO UPDATE
            SET properties = persons.properties || EXCLUDED.properties,
                is_identified = persons.is_identified OR EXCLUDED.is_identified,
                last_seen_at = GREATEST(persons.last_seen_at, EXCLUDED.last_seen_at),
                version = persons.version + 1
            RETURNING project_id, uuid, id
            ",
        )
        .bind(persons.iter().map(|p| p.project_id.get()).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| p.uuid).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| Json(&p.properties)).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| p.is_identified).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| PgTime(p.created_at)).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| PgTime(p.last_seen_at)).collect::<Vec<_>>())
        .fetch_all(&mut *self.tx)
        .await?;
        let ids: std::collections::HashMap<_, _> =
            rows.into_iter().map(|(project, uuid, id)| ((project, uuid), PersonId::from_row(id))).collect();
        persons.iter().map(|p| ids.get(&(p.project_id.get(), p.uuid)).copied().ok_or(PgError::RowNotFound)).collect()
    }

    async fn update(&mut self, persons: &[ChangedPerson]) -> Result<(), PgError> {
        if persons.is_empty() {
            return Ok(());
        }
        sqlx::query(
            r"
            UPDATE persons AS p
            SET properties = new.properties,
                is_identified = new.is_identified,
                created_at = new.created_at,
                last_seen_at = new.last_seen_at,
                version = new.version
            FROM UNNEST($1::bigint[], $2::jsonb[], $3::boolean[], $4::timestamptz[], $5::timestamptz[], $6::bigint[])
              AS new (id, properties, is_identified, created_at, last_seen_at, version)
            WHERE p.id = new.id
            ",
        )
        .bind(persons.iter().map(|p| p.id.as_row()).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| Json(&p.properties)).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| p.is_identified).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| PgTime(p.created_at)).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| PgTime(p.last_seen_at)).collect::<Vec<_>>())
        .bind(persons.iter().map(|p| p.version).collect::<Vec<_>>())
        .execute(&mut *self.tx)
        .await
        .map(drop)
    }

    async fn add_distinct_ids(
        &mut self,
        ids: &[(ProjectId, String, PersonRef)],
        resolve: impl Fn(PersonRef) -> PersonId,
    ) -> Result<(), PgError> {
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            r"
            INSERT INTO person_distinct_ids (project_id, distinct_id, person_id)
            SELECT * FROM UNNEST($1::integer[], $2::text[], $3::bigint[])
            ",
        )
        .bind(ids.iter().map(|(project, ..)| project.get()).collect::<Vec<_>>())
        .bind(ids.iter().map(|(_, id, _)| id.as_str()).collect::<Vec<_>>())
        .bind(ids.iter().map(|(.., person)| resolve(*person).as_row()).collect::<Vec<_>>())
        .execute(&mut *self.tx)
        .await
        .map(drop)
    }

    async fn merge(
        &mut self,
        merged: &[(ProjectId, PersonId, PersonRef)],
        resolve: impl Fn(PersonRef) -> PersonId,
    ) -> Result<(), PgError> {
        if merged.is_empty() {
            return Ok(());
        }
        let projects: Vec<i32> = merged.iter().map(|(project, ..)| project.get()).collect();
        let from: Vec<i64> = merged.iter().map(|(_, from, _)| from.as_row()).collect();
        let into: Vec<i64> = merged.iter().map(|(.., into)| resolve(*into).as_row()).collect();
        for statement in [
            r"
            UPDATE person_distinct_ids AS d
            SET person_id = merged.into_id
            FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS merged (project_id, from_id, into_id)
            WHERE d.project_id = merged.project_id AND d.person_id = merged.from_id
            ",
            // What led to the merged person leads on to the other, so that one look-up is enough.
            r"
            UPDATE person_overrides AS o
            SET into_id = merged.into_id, version = nextval('person_override_version'), mirrored = false
            FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS merged (project_id, from_id, into_id)
            WHERE o.project_id = merged.project_id AND o.into_id = merged.from_id
            ",
            r"
            DELETE FROM persons AS p
            USING UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS merged (project_id, from_id, into_id)
            WHERE p.project_id = merged.project_id AND p.id = merged.from_id
            ",
        ] {
            sqlx::query(statement).bind(&projects).bind(&from).bind(&into).execute(&mut *self.tx).await?;
        }
        Ok(())
    }

    async fn override_ids<'a>(
        &mut self,
        overrides: impl Iterator<Item = &'a (ProjectId, PersonId, PersonRef)>,
        resolve: impl Fn(PersonRef) -> PersonId,
    ) -> Result<(), PgError> {
        let (mut projects, mut from, mut into) = (Vec::new(), Vec::new(), Vec::new());
        for (project, from_id, person) in overrides {
            projects.push(project.get());
            from.push(from_id.as_row());
            into.push(resolve(*person).as_row());
        }
        if projects.is_empty() {
            return Ok(());
        }
        sqlx::query(
            r"
            INSERT INTO person_overrides (project_id, from_id, into_id)
            SELECT * FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[])
            ON CONFLICT (project_id, from_id) DO UPDATE
            SET into_id = EXCLUDED.into_id, version = nextval('person_override_version'), mirrored = false
            ",
        )
        .bind(projects)
        .bind(from)
        .bind(into)
        .execute(&mut *self.tx)
        .await
        .map(drop)
    }
}
