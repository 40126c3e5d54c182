//! Erasures: what Postgres itself holds of somebody goes in the transaction that makes the job, the job does the rest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::erase_subject::{ErasureSubject, SubjectName, UNSTORED_OF, find, quoted};
use super::person_history::{self, History, HistoryOf};
use super::privacy::bump;
use super::{Pg, PgError, PgTime, persons};
use crate::model::ProjectId;

/// The advisory lock of whoever works on erasures.
const WORKER_LOCK: i64 = 0x7e5e_0013;

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ErasureStep {
    /// The rows go from every query.
    Hide,
    /// Looks again for what was under way, and counts.
    Settle,
    /// The rows go from the files of both stores.
    Scrub,
    /// The old files go.
    Wait,
    Done,
}

/// What one store held before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCount {
    pub store: String,
    pub before: u64,
    /// None while it is not known.
    pub after: Option<u64>,
}

impl StoreCount {
    /// A store that was counted before and not yet after.
    #[must_use]
    pub fn before(store: &str, before: u64) -> Self {
        Self { store: store.to_owned(), before, after: None }
    }
}

/// An erasure to begin.
#[derive(Debug, Clone)]
pub struct NewErasure {
    pub id: Uuid,
    pub project_id: ProjectId,
    /// The name of who asks.
    pub requested_by: String,
    pub now: Timestamp,
    /// Whole milliseconds, which is all that every store keeps.
    pub until: Timestamp,
    /// Only the profile goes.
    pub keeps_events: bool,
}

/// An erasure as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ErasureRow {
    pub id: Uuid,
    pub project_id: ProjectId,
    /// The keyed hash of the first distinct id.
    pub subject: String,
    pub requested_by: String,
    pub requested_at: Timestamp,
    pub until: Timestamp,
    pub keeps_events: bool,
    pub step: ErasureStep,
    /// What the job notes for itself; none when it is done.
    pub plan: Option<Value>,
    pub stores: Vec<StoreCount>,
    /// Why the last try failed.
    pub error: String,
    /// When no query found anything any more.
    pub hidden_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// The receipt's exact text, and what it is signed with.
    pub receipt: Option<(String, Vec<u8>)>,
}

impl ErasureRow {
    /// Whether queries may still find what it takes from them: that does not wait for the files of others.
    #[must_use]
    pub const fn is_urgent(&self) -> bool {
        !self.keeps_events && matches!(self.step, ErasureStep::Hide | ErasureStep::Settle)
    }
}

#[derive(FromRow)]
struct Columns {
    id: Uuid,
    project_id: i32,
    subject: String,
    requested_by: String,
    requested_at: PgTime,
    erased_until: PgTime,
    keeps_events: bool,
    step: ErasureStep,
    plan: Option<Json<Value>>,
    stores: Json<Vec<StoreCount>>,
    error: String,
    hidden_at: Option<PgTime>,
    finished_at: Option<PgTime>,
    receipt: Option<String>,
    signature: Option<Vec<u8>>,
}

const COLUMNS: &str = "id, project_id, subject, requested_by, requested_at, erased_until, keeps_events, step, plan, stores, \
                       error, hidden_at, finished_at, receipt, signature";

impl From<Columns> for ErasureRow {
    fn from(row: Columns) -> Self {
        Self {
            id: row.id,
            project_id: ProjectId::new(row.project_id),
            subject: row.subject,
            requested_by: row.requested_by,
            requested_at: row.requested_at.into(),
            until: row.erased_until.into(),
            keeps_events: row.keeps_events,
            step: row.step,
            plan: row.plan.map(|plan| plan.0),
            stores: row.stores.0,
            error: row.error,
            hidden_at: row.hidden_at.map(Timestamp::from),
            finished_at: row.finished_at.map(Timestamp::from),
            receipt: row.receipt.zip(row.signature),
        }
    }
}

impl Pg {
    /// When somebody of a project was erased last, or was hidden from questions: what was read before may still hold them.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_last_erasure(&self, project: ProjectId) -> Result<Option<Timestamp>, PgError> {
        let last: Option<PgTime> = sqlx::query_scalar(
            "SELECT max(greatest(requested_at, hidden_at, finished_at))
             FROM (SELECT requested_at, hidden_at, finished_at
                   FROM erasures
                   WHERE project_id = $1
                   ORDER BY requested_at DESC, id DESC
                   LIMIT 1000) AS newest",
        )
        .bind(project)
        .fetch_one(&self.pool)
        .await?;
        Ok(last.map(Timestamp::from))
    }

    /// Begins an erasure: in one transaction, under the lock of the project's persons, everything that Postgres holds of
    /// somebody goes, their ids are marked by `hash`, and the job is noted with the numbers that ClickHouse knows them by
    /// (`plan` makes its notes of them). None if the name is nobody's.
    ///
    /// # Errors
    /// If Postgres does not answer; nothing is changed then, or all of it.
    pub async fn begin_erasure(
        &self,
        name: &SubjectName,
        new: &NewErasure,
        hash: impl Fn(&str) -> Vec<u8>,
        plan: impl FnOnce(&ErasureSubject) -> Value,
    ) -> Result<Option<ErasureRow>, PgError> {
        let project = new.project_id;
        let mut tx = self.pool.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(persons::LOCK).bind(project).execute(&mut *tx).await?;
        let Some(subject) = find(&mut tx, project, name).await? else { return Ok(None) };
        let mut stores = Vec::new();
        let (distinct_ids, persons) = delete_profile(&mut tx, project, &subject).await?;
        stores.push(StoreCount::before("postgres.persons", persons));
        stores.push(StoreCount::before("postgres.distinct_ids", distinct_ids));
        let of = HistoryOf { numbers: &subject.numbers, distinct_ids: &subject.distinct_ids };
        let history: &[History] = if new.keeps_events { &History::OF_PROFILE } else { &History::ALL };
        for what in history {
            let deleted = person_history::delete(&mut tx, project, *what, of).await?;
            stores.push(StoreCount::before(what.store(), deleted));
        }
        if !new.keeps_events {
            stores.push(StoreCount::before("postgres.merges", delete_overrides(&mut tx, project, &subject).await?));
            stores.push(StoreCount::before(
                "postgres.unstored_samples",
                delete_unstored(&mut tx, project, &subject).await?,
            ));
            let hashes: Vec<Vec<u8>> = subject.distinct_ids.iter().map(|id| hash(id)).collect();
            mark(&mut tx, new, &hashes).await?;
        }
        bump(&mut tx).await?;
        let first = subject.distinct_ids.first().map(String::as_str).unwrap_or_default();
        let sql = format!(
            "INSERT INTO erasures (id, project_id, subject, requested_by, requested_at, erased_until, keeps_events, step, plan, stores)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'hide', $8, $9)
             RETURNING {COLUMNS}"
        );
        let row: Columns = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(new.id)
            .bind(project)
            .bind(hex(&hash(first)))
            .bind(&new.requested_by)
            .bind(PgTime(new.now))
            .bind(PgTime(new.until))
            .bind(new.keeps_events)
            .bind(Json(plan(&subject)))
            .bind(Json(stores))
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(row.into()))
    }

    /// How many rows of the persons' tables still carry one of these numbers.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_erased_leftovers(
        &self,
        project: ProjectId,
        numbers: &[i64],
    ) -> Result<(i64, i64, i64), PgError> {
        sqlx::query_as(
            r"
            SELECT (SELECT count(*) FROM persons WHERE project_id = $1 AND id = ANY($2)),
                   (SELECT count(*) FROM person_distinct_ids WHERE project_id = $1 AND person_id = ANY($2)),
                   (SELECT count(*) FROM person_overrides WHERE project_id = $1 AND into_id = ANY($2))
            ",
        )
        .bind(project)
        .bind(numbers)
        .fetch_one(&self.pool)
        .await
    }

    /// Jobs that are not done, the oldest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_open_erasures(&self, limit: i64) -> Result<Vec<ErasureRow>, PgError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM erasures WHERE step <> 'done' \
             ORDER BY keeps_events OR step NOT IN ('hide', 'settle'), requested_at, id LIMIT $1"
        );
        let rows: Vec<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(ErasureRow::from).collect())
    }

    /// Whether somebody's rows are yet to be counted and taken out of the queries.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn is_any_erasure_to_hide(&self) -> Result<bool, PgError> {
        let sql = "SELECT EXISTS (SELECT FROM erasures WHERE step = 'hide' AND NOT keeps_events)";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await
    }

    /// A project's erasures, the latest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_erasures(&self, project: ProjectId, limit: i64, offset: i64) -> Result<Vec<ErasureRow>, PgError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM erasures WHERE project_id = $1 ORDER BY requested_at DESC, id DESC LIMIT $2 OFFSET $3"
        );
        let rows: Vec<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(project)
            .bind(limit)
            .bind(offset)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(ErasureRow::from).collect())
    }

    /// How many erasures a project has seen.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_erasures(&self, project: ProjectId) -> Result<i64, PgError> {
        let sql = "SELECT count(*) FROM erasures WHERE project_id = $1";
        sqlx::query_scalar(sql).bind(project).fetch_one(&self.pool).await
    }

    /// One erasure.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_erasure(&self, project: ProjectId, id: Uuid) -> Result<Option<ErasureRow>, PgError> {
        let sql = format!("SELECT {COLUMNS} FROM erasures WHERE project_id = $1 AND id = $2");
        let row: Option<Columns> =
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(project).bind(id).fetch_optional(&self.pool).await?;
        Ok(row.map(ErasureRow::from))
    }

    /// Writes how far a job is.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn save_erasure(&self, row: &ErasureRow) -> Result<(), PgError> {
        let (receipt, signature) = row.receipt.as_ref().map(|(r, s)| (r.as_str(), s.as_slice())).unzip();
        sqlx::query(
            r"
            UPDATE erasures
            SET step = $2, plan = $3, stores = $4, error = $5, hidden_at = $6, finished_at = $7, receipt = $8, signature = $9
            WHERE id = $1
            ",
        )
        .bind(row.id)
        .bind(row.step)
        .bind(row.plan.as_ref().map(Json))
        .bind(Json(&row.stores))
        .bind(&row.error)
        .bind(row.hidden_at.map(PgTime))
        .bind(row.finished_at.map(PgTime))
        .bind(receipt)
        .bind(signature)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// Takes the turn to work on erasures; none if another instance has it. It ends with the connection.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn try_lock_erasures(&self) -> Result<Option<PgConnection>, PgError> {
        let mut connection = self.pool.acquire().await?.detach();
        let is_ours: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(WORKER_LOCK).fetch_one(&mut connection).await?;
        Ok(is_ours.then_some(connection))
    }
}

/// Gives how many distinct ids and persons went.
async fn delete_profile(
    tx: &mut PgConnection,
    project: ProjectId,
    subject: &ErasureSubject,
) -> Result<(u64, u64), PgError> {
    let Some(person) = subject.person else { return Ok((0, 0)) };
    let mut deleted = [0; 2];
    for (count, sql) in deleted.iter_mut().zip([
        "DELETE FROM person_distinct_ids WHERE project_id = $1 AND person_id = $2",
        "DELETE FROM persons WHERE project_id = $1 AND id = $2",
    ]) {
        *count = sqlx::query(sql).bind(project).bind(person.as_row()).execute(&mut *tx).await?.rows_affected();
    }
    Ok((deleted[0], deleted[1]))
}

async fn delete_overrides(tx: &mut PgConnection, project: ProjectId, subject: &ErasureSubject) -> Result<u64, PgError> {
    let numbers: Vec<i64> = subject.numbers.iter().map(|number| number.as_row()).collect();
    let sql = "DELETE FROM person_overrides WHERE project_id = $1 AND into_id = ANY($2)";
    Ok(sqlx::query(sql).bind(project).bind(numbers).execute(tx).await?.rows_affected())
}

async fn delete_unstored(tx: &mut PgConnection, project: ProjectId, subject: &ErasureSubject) -> Result<u64, PgError> {
    let deleted = sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM unstored_events WHERE {UNSTORED_OF}")))
        .bind(project)
        .bind(&subject.distinct_ids)
        .bind(quoted(&subject.distinct_ids))
        .execute(tx)
        .await?;
    Ok(deleted.rows_affected())
}

async fn mark(tx: &mut PgConnection, new: &NewErasure, hashes: &[Vec<u8>]) -> Result<(), PgError> {
    sqlx::query(
        r"
        INSERT INTO erased_ids (project_id, id_hash, erased_until)
        SELECT DISTINCT $1, hash, $3 FROM UNNEST($2::bytea[]) AS erased (hash)
        ON CONFLICT (project_id, id_hash) DO UPDATE
        SET erased_until = GREATEST(erased_ids.erased_until, EXCLUDED.erased_until)
        ",
    )
    .bind(new.project_id)
    .bind(hashes)
    .bind(PgTime(new.until))
    .execute(tx)
    .await
    .map(drop)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        write!(text, "{byte:02x}").expect("a text takes text");
        text
    })
}
