//! The merge log: what of it hangs together, and undoing.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::{IdentityTx, MergedPerson, PersonState, PgError, PgTime};
use crate::model::{PersonId, ProjectId, UserId};

/// A link between two numbers that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeLink {
    pub id: i64,
    pub other: PersonId,
    pub target: PersonId,
}

/// A person and all that hangs together in it.
#[derive(Debug, Clone)]
pub struct PersonTree {
    pub root: PersonState,
    /// Its distinct ids, each with the number of its events.
    pub ids: Vec<(String, PersonId)>,
    /// The numbers of ids that `$identify` ever named.
    pub identified: BTreeSet<PersonId>,
    /// All numbers that lead to it, and its own.
    pub numbers: BTreeSet<PersonId>,
    /// In the order in which they were made.
    pub links: Vec<MergeLink>,
    pub persons: Vec<MergedPerson>,
}

/// A person that comes to life by an undone merge.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredPerson {
    /// It had a profile before. If not, `state.id` is the number of its first distinct id, in whose place the number comes
    /// that is given out when it is written.
    pub was_kept: bool,
    pub state: PersonState,
}

/// What an undone merge changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Parting {
    pub undone: i64,
    pub survivor: PersonState,
    /// Who leaves.
    pub ids: Vec<(String, PersonId)>,
    pub numbers: Vec<PersonId>,
    /// What those who leave become; nobody if `None`.
    pub restored: Option<RestoredPerson>,
    /// Links with other ends than before; they come last in the order now.
    pub relinked: Vec<MergeLink>,
}

#[derive(FromRow)]
struct RootRow {
    id: i64,
    uuid: Uuid,
    properties: Json<Map<String, Value>>,
    is_identified: bool,
    own_created_at: PgTime,
    created_at: PgTime,
    last_seen_at: PgTime,
    version: i64,
    inherited: Option<Json<Map<String, Value>>>,
}

#[derive(FromRow)]
struct KeptRow {
    id: i64,
    uuid: Uuid,
    properties: Json<Map<String, Value>>,
    removed: Json<Vec<String>>,
    own_created_at: PgTime,
    last_seen_at: PgTime,
}

impl IdentityTx {
    /// The number of a merge's other side; none if the project has no such merge that stands.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_merge(&mut self, project: ProjectId, merge: i64) -> Result<Option<PersonId>, PgError> {
        let sql = "SELECT other_number FROM person_merges WHERE project_id = $1 AND id = $2 AND undone_at IS NULL";
        let number: Option<i64> =
            sqlx::query_scalar(sql).bind(project).bind(merge).fetch_optional(&mut *self.tx).await?;
        Ok(number.map(PersonId::from_row))
    }

    /// The number under which events of a distinct id are stored; none if it belongs to nobody.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_number(&mut self, project: ProjectId, distinct_id: &str) -> Result<Option<PersonId>, PgError> {
        let sql =
            "SELECT coalesce(number, person_id) FROM person_distinct_ids WHERE project_id = $1 AND distinct_id = $2";
        let number: Option<i64> =
            sqlx::query_scalar(sql).bind(project).bind(distinct_id).fetch_optional(&mut *self.tx).await?;
        Ok(number.map(PersonId::from_row))
    }

    /// The person to whom a number belongs, with all that hangs together in it.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_tree(&mut self, project: ProjectId, number: PersonId) -> Result<Option<PersonTree>, PgError> {
        let root: Option<RootRow> = sqlx::query_as(
            r"
            SELECT id, uuid, properties, is_identified, coalesce(own_created_at, created_at) AS own_created_at,
                   created_at, last_seen_at, version, inherited
            FROM persons
            WHERE project_id = $1
              AND id = coalesce((SELECT into_id FROM person_overrides WHERE project_id = $1 AND from_id = $2), $2)
            ",
        )
        .bind(project)
        .bind(number.as_row())
        .fetch_optional(&mut *self.tx)
        .await?;
        let Some(root) = root else { return Ok(None) };
        let ids: Vec<(String, i64, bool)> = sqlx::query_as(
            "SELECT distinct_id, coalesce(number, person_id), is_identified FROM person_distinct_ids
             WHERE person_id = $1 ORDER BY length(distinct_id), distinct_id",
        )
        .bind(root.id)
        .fetch_all(&mut *self.tx)
        .await?;
        let mut numbers: Vec<i64> =
            sqlx::query_scalar("SELECT from_id FROM person_overrides WHERE project_id = $1 AND into_id = $2")
                .bind(project)
                .bind(root.id)
                .fetch_all(&mut *self.tx)
                .await?;
        numbers.push(root.id);
        let links: Vec<(i64, i64, i64)> = sqlx::query_as(
            r"
            SELECT id, other_number, target_number
            FROM person_merges
            WHERE project_id = $1 AND other_number = ANY($2) AND undone_at IS NULL
            ORDER BY coalesce(place, id)
            ",
        )
        .bind(project)
        .bind(&numbers)
        .fetch_all(&mut *self.tx)
        .await?;
        let kept: Vec<KeptRow> = sqlx::query_as(
            r"
            SELECT id, uuid, properties, removed, own_created_at, last_seen_at
            FROM merged_persons
            WHERE project_id = $1 AND id = ANY($2)
            ",
        )
        .bind(project)
        .bind(&numbers)
        .fetch_all(&mut *self.tx)
        .await?;
        Ok(Some(PersonTree {
            root: PersonState {
                id: PersonId::from_row(root.id),
                uuid: root.uuid,
                properties: Arc::new(root.properties.0),
                is_identified: root.is_identified,
                own_created_at: root.own_created_at.0,
                created_at: root.created_at.0,
                last_seen_at: root.last_seen_at.0,
                version: root.version,
                inherited: root.inherited.map(|inherited| inherited.0).unwrap_or_default(),
            },
            identified: ids.iter().filter(|id| id.2).map(|(_, number, _)| PersonId::from_row(*number)).collect(),
            ids: ids.into_iter().map(|(id, number, _)| (id, PersonId::from_row(number))).collect(),
            numbers: numbers.into_iter().map(PersonId::from_row).collect(),
            links: links
                .into_iter()
                .map(|(id, other, target)| MergeLink {
                    id,
                    other: PersonId::from_row(other),
                    target: PersonId::from_row(target),
                })
                .collect(),
            persons: kept.into_iter().map(MergedPerson::from).collect(),
        }))
    }

    /// Writes what an undone merge changes, and gives the number of the person that came to life.
    ///
    /// # Errors
    /// If Postgres refuses or does not answer; nothing is changed then.
    pub async fn part(
        &mut self,
        project: ProjectId,
        parting: &Parting,
        by: UserId,
        at: Timestamp,
    ) -> Result<Option<PersonId>, PgError> {
        let survivor = &parting.survivor;
        sqlx::query(
            "UPDATE persons SET properties = $2, is_identified = $3, created_at = $4, version = $5, inherited = $6
             WHERE id = $1",
        )
        .bind(survivor.id.as_row())
        .bind(Json(&*survivor.properties))
        .bind(survivor.is_identified)
        .bind(PgTime(survivor.created_at))
        .bind(survivor.version)
        .bind(Json(&survivor.inherited))
        .execute(&mut *self.tx)
        .await?;
        sqlx::query("UPDATE person_merges SET undone_at = $3, undone_by = $4 WHERE project_id = $1 AND id = $2")
            .bind(project)
            .bind(parting.undone)
            .bind(PgTime(at))
            .bind(by)
            .execute(&mut *self.tx)
            .await?;
        for link in &parting.relinked {
            sqlx::query(
                "UPDATE person_merges SET other_number = $3, target_number = $4, place = nextval('person_merges_id_seq')
                 WHERE project_id = $1 AND id = $2",
            )
            .bind(project)
            .bind(link.id)
            .bind(link.other.as_row())
            .bind(link.target.as_row())
            .execute(&mut *self.tx)
            .await?;
        }
        let restored = match &parting.restored {
            Some(restored) => Some(self.restore(project, restored).await?),
            None => None,
        };
        self.move_ids(project, parting, restored).await?;
        let from: Vec<i64> = parting.numbers.iter().map(|number| number.as_row()).collect();
        // A number that leads to itself is on its own again; ClickHouse must hear that too.
        sqlx::query(
            r"
            INSERT INTO person_overrides (project_id, from_id, into_id)
            SELECT $1, number, coalesce($3, number) FROM UNNEST($2::bigint[]) AS left_ (number)
            ON CONFLICT (project_id, from_id) DO UPDATE
            SET into_id = EXCLUDED.into_id, version = nextval('person_override_version')
            ",
        )
        .bind(project)
        .bind(from)
        .bind(restored.map(PersonId::as_row))
        .execute(&mut *self.tx)
        .await?;
        Ok(restored)
    }

    async fn restore(&mut self, project: ProjectId, restored: &RestoredPerson) -> Result<PersonId, PgError> {
        let state = &restored.state;
        let id: i64 = sqlx::query_scalar(
            r"
            INSERT INTO persons
                (project_id, id, uuid, properties, is_identified, own_created_at, created_at, last_seen_at, version,
                 inherited)
            OVERRIDING SYSTEM VALUE
            SELECT $1, coalesce($2, nextval('persons_id_seq')),
                   CASE WHEN EXISTS (SELECT FROM persons WHERE project_id = $1 AND uuid = $3)
                        THEN gen_random_uuid() ELSE $3 END,
                   $4, $5, $6, $7, $8, $9, $10
            RETURNING id
            ",
        )
        .bind(project)
        .bind(restored.was_kept.then_some(state.id.as_row()))
        .bind(state.uuid)
        .bind(Json(&*state.properties))
        .bind(state.is_identified)
        .bind(PgTime(state.own_created_at))
        .bind(PgTime(state.created_at))
        .bind(PgTime(state.last_seen_at))
        .bind(state.version)
        .bind(Json(&state.inherited))
        .fetch_one(&mut *self.tx)
        .await?;
        if restored.was_kept {
            sqlx::query("DELETE FROM merged_persons WHERE id = $1").bind(id).execute(&mut *self.tx).await?;
        } else {
            // The person stands where its first distinct id stood.
            for sql in [
                "UPDATE person_merges SET other_number = $3 WHERE project_id = $1 AND other_number = $2",
                "UPDATE person_merges SET target_number = $3 WHERE project_id = $1 AND target_number = $2",
                "UPDATE person_distinct_ids SET number = $3 WHERE project_id = $1 AND number = $2",
            ] {
                sqlx::query(sql).bind(project).bind(state.id.as_row()).bind(id).execute(&mut *self.tx).await?;
            }
        }
        Ok(PersonId::from_row(id))
    }

    async fn move_ids(&mut self, project: ProjectId, parting: &Parting, to: Option<PersonId>) -> Result<(), PgError> {
        let ids: Vec<&str> = parting.ids.iter().map(|(id, _)| id.as_str()).collect();
        let Some(to) = to else {
            // Whoever makes a person for one of them must say where its hash leads.
            let sql = "INSERT INTO personless_projects (project_id) VALUES ($1) ON CONFLICT DO NOTHING";
            sqlx::query(sql).bind(project).execute(&mut *self.tx).await?;
            let sql = "DELETE FROM person_distinct_ids WHERE project_id = $1 AND distinct_id = ANY($2)";
            return sqlx::query(sql).bind(project).bind(ids).execute(&mut *self.tx).await.map(drop);
        };
        sqlx::query("UPDATE person_distinct_ids SET person_id = $3 WHERE project_id = $1 AND distinct_id = ANY($2)")
            .bind(project)
            .bind(ids)
            .bind(to.as_row())
            .execute(&mut *self.tx)
            .await
            .map(drop)
    }
}

impl From<KeptRow> for MergedPerson {
    fn from(row: KeptRow) -> Self {
        Self {
            id: PersonId::from_row(row.id),
            uuid: row.uuid,
            properties: row.properties.0,
            removed: row.removed.0,
            own_created_at: row.own_created_at.0,
            last_seen_at: row.last_seen_at.0,
        }
    }
}
