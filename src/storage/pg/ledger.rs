//! What became of every event that was received, and the newest of those that were not stored.

use jiff::{SignedDuration, Timestamp};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::{PersonId, ProjectId};

/// Most unstored events kept of a project and kind.
pub const MOST_UNSTORED: i64 = 1000;
/// How long an unstored event is kept.
pub const UNSTORED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What an event ends in, and that it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LedgerOutcome {
    /// Read from the spool. The sum of the others.
    Received,
    Stored,
    /// One with the same uuid was stored before.
    Duplicate,
    /// Refused at the door.
    Rejected,
    /// Kept apart: what no store takes, and what bots send (which is in the store, marked).
    Quarantined,
}

impl LedgerOutcome {
    /// All of them, what came first.
    pub const ALL: [Self; 5] = [Self::Received, Self::Stored, Self::Duplicate, Self::Rejected, Self::Quarantined];

    /// Its word in the table, in answers and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Rejected => "rejected",
            Self::Quarantined => "quarantined",
        }
    }
}

/// So many events of a project came in in that hour and ended so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCount {
    pub project_id: ProjectId,
    pub hour: Timestamp,
    pub outcome: LedgerOutcome,
    /// Why, where an outcome has several reasons.
    pub reason: &'static str,
    pub events: u64,
}

/// Why an event is among the unstored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnstoredKind {
    Rejected,
    Quarantined,
}

impl UnstoredKind {
    /// Its word in the table and in URLs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Quarantined => "quarantined",
        }
    }
}

/// An event that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnstoredEvent {
    pub project_id: ProjectId,
    pub kind: UnstoredKind,
    pub received_at: Timestamp,
    pub reason: String,
    /// What the store said, if a store said something.
    pub detail: String,
    /// How many events it stands for.
    pub count: u64,
    pub event: Option<String>,
    pub distinct_id: Option<String>,
    pub uuid: Option<String>,
    /// The beginning of its JSON.
    pub sample: String,
}

/// What a batch of the spool ended in.
#[derive(Debug, Clone, Copy)]
pub struct LedgerBatch<'a> {
    /// Whose spool.
    pub node: Uuid,
    /// Number of the last frame of the batch.
    pub seq: u64,
    /// One for each project, hour, outcome and reason, in that order.
    pub counts: &'a [LedgerCount],
    /// Oldest first.
    pub unstored: &'a [UnstoredEvent],
}

/// A line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    pub hour: Timestamp,
    pub outcome: LedgerOutcome,
    pub reason: String,
    pub events: u64,
}

/// An [`UnstoredEvent`] and its place in the list.
#[derive(Debug, Clone)]
pub struct UnstoredRow {
    /// Grows with time: where a page of the list goes on.
    pub id: i64,
    pub event: UnstoredEvent,
}

#[derive(FromRow)]
struct RawUnstored {
    id: i64,
    kind: String,
    received_at: PgTime,
    reason: String,
    detail: String,
    count: i64,
    event: Option<String>,
    distinct_id: Option<String>,
    uuid: Option<String>,
    sample: String,
}

const UNSTORED_COLUMNS: &str = "id, kind, received_at, reason, detail, count, event, distinct_id, uuid, sample";

impl Pg {
    /// How far a node's spool is counted; nothing is beyond `durable`, its last frame. Numbers beyond it mean that the
    /// spool began anew under the same name: they are forgotten, or its new frames would never be counted.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn open_ledger(&self, node: Uuid, durable: u64) -> Result<u64, PgError> {
        let sql = r"
            INSERT INTO ingest_progress (node, seq) VALUES ($1, 0)
            ON CONFLICT (node) DO UPDATE SET seq = LEAST(ingest_progress.seq, $2)
            RETURNING seq
        ";
        let seq: i64 = sqlx::query_scalar(sql).bind(node).bind(signed(durable)).fetch_one(&self.pool).await?;
        Ok(u64::try_from(seq).unwrap_or(0))
    }

    /// Adds the counts of a batch, all of them or none. `false` if the batch was counted before.
    ///
    /// # Errors
    /// If Postgres does not answer; whether it was counted shows when it is asked again.
    pub async fn record_ledger(&self, batch: LedgerBatch<'_>) -> Result<bool, PgError> {
        let mut tx = self.pool.begin().await?;
        let moved = sqlx::query(
            r"
            INSERT INTO ingest_progress (node, seq) VALUES ($1, $2)
            ON CONFLICT (node) DO UPDATE SET seq = EXCLUDED.seq WHERE ingest_progress.seq < EXCLUDED.seq
            ",
        )
        .bind(batch.node)
        .bind(signed(batch.seq))
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(false);
        }
        add_counts(&mut tx, batch.counts).await?;
        add_unstored(&mut tx, batch.unstored).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The ledger of a project between two hours, the second excluded; in order of hours.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_ledger(
        &self,
        project: ProjectId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<LedgerRow>, PgError> {
        let sql = r"
            SELECT hour, outcome, reason, events
            FROM ingest_ledger
            WHERE project_id = $1 AND hour >= $2 AND hour < $3
            ORDER BY hour, outcome, reason
        ";
        let rows: Vec<(PgTime, String, String, i64)> = sqlx::query_as(sql)
            .bind(project.get())
            .bind(PgTime(from))
            .bind(PgTime(until))
            .fetch_all(&self.pool)
            .await?;
        let rows = rows.into_iter().filter_map(|(hour, outcome, reason, events)| {
            let outcome = LedgerOutcome::ALL.into_iter().find(|known| known.as_str() == outcome)?;
            Some(LedgerRow { hour: hour.0, outcome, reason, events: u64::try_from(events).unwrap_or(0) })
        });
        Ok(rows.collect())
    }

    /// Unstored events of a project, newest first; those of one reason, and those before `before`, if they are given.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_unstored_events(
        &self,
        project: ProjectId,
        kind: UnstoredKind,
        reason: Option<&str>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<UnstoredRow>, PgError> {
        let sql = format!(
            "SELECT {UNSTORED_COLUMNS} FROM unstored_events
             WHERE project_id = $1 AND kind = $2 AND id < $3 AND ($4::text IS NULL OR reason = $4)
             ORDER BY id DESC LIMIT $5"
        );
        let rows: Vec<RawUnstored> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(project.get())
            .bind(kind.as_str())
            .bind(before.unwrap_or(i64::MAX))
            .bind(reason)
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| row.of(project)).collect())
    }

    /// The reasons of the unstored events that are kept, with how many events each has; the most frequent first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn count_unstored_by_reason(
        &self,
        project: ProjectId,
        kind: UnstoredKind,
    ) -> Result<Vec<(String, u64)>, PgError> {
        let sql = r"
            SELECT reason, sum(count)::bigint AS events
            FROM unstored_events
            WHERE project_id = $1 AND kind = $2
            GROUP BY reason
            ORDER BY events DESC, reason
        ";
        let rows: Vec<(String, i64)> =
            sqlx::query_as(sql).bind(project.get()).bind(kind.as_str()).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(reason, events)| (reason, u64::try_from(events).unwrap_or(0))).collect())
    }

    /// Unstored events of both kinds with this uuid or distinct id, received between the two moments; newest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_unstored_events(
        &self,
        project: ProjectId,
        id: &str,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: i64,
    ) -> Result<Vec<UnstoredRow>, PgError> {
        let sql = format!(
            "SELECT {UNSTORED_COLUMNS} FROM unstored_events
             WHERE project_id = $1 AND (uuid = lower($2) OR uuid = $2 OR distinct_id = $2)
               AND ($3::timestamptz IS NULL OR received_at >= $3) AND ($4::timestamptz IS NULL OR received_at < $4)
             ORDER BY id DESC LIMIT $5"
        );
        let rows: Vec<RawUnstored> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(project.get())
            .bind(id)
            .bind(from.map(PgTime))
            .bind(until.map(PgTime))
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| row.of(project)).collect())
    }

    /// Whether a person's number on event rows leads to another by now.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn has_person_override(&self, project: ProjectId, person: PersonId) -> Result<bool, PgError> {
        let sql =
            "SELECT EXISTS (SELECT FROM person_overrides WHERE project_id = $1 AND from_id = $2 AND into_id <> $2)";
        sqlx::query_scalar(sql).bind(project.get()).bind(person.get().cast_signed()).fetch_one(&self.pool).await
    }

    /// Forgets unstored events of all projects that are older than they are kept.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn prune_unstored_events(&self, now: Timestamp) -> Result<(), PgError> {
        let Ok(oldest) = now.checked_sub(UNSTORED_FOR) else { return Ok(()) };
        let sql = "DELETE FROM unstored_events WHERE received_at < $1";
        sqlx::query(sql).bind(PgTime(oldest)).execute(&self.pool).await.map(drop)
    }
}

/// In one order, so that two nodes that count for the same hours do not wait for each other. Events of a project that is
/// gone belong to nobody.
async fn add_counts(tx: &mut PgConnection, counts: &[LedgerCount]) -> Result<(), PgError> {
    if counts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        r"
        INSERT INTO ingest_ledger (project_id, hour, outcome, reason, events)
        SELECT project_id, hour, outcome, reason, events
        FROM UNNEST($1::int[], $2::timestamptz[], $3::text[], $4::text[], $5::bigint[])
            AS counted (project_id, hour, outcome, reason, events)
        JOIN projects ON projects.id = counted.project_id
        ORDER BY project_id, hour, outcome, reason
        ON CONFLICT (project_id, hour, outcome, reason) DO UPDATE
        SET events = ingest_ledger.events + EXCLUDED.events
        ",
    )
    .bind(counts.iter().map(|c| c.project_id.get()).collect::<Vec<_>>())
    .bind(counts.iter().map(|c| PgTime(c.hour)).collect::<Vec<_>>())
    .bind(counts.iter().map(|c| c.outcome.as_str()).collect::<Vec<_>>())
    .bind(counts.iter().map(|c| c.reason).collect::<Vec<_>>())
    .bind(counts.iter().map(|c| signed(c.events)).collect::<Vec<_>>())
    .execute(tx)
    .await
    .map(drop)
}

/// Adds to the newest, and lets go of what is too many.
async fn add_unstored(tx: &mut PgConnection, events: &[UnstoredEvent]) -> Result<(), PgError> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        r"
        INSERT INTO unstored_events
            (project_id, kind, received_at, reason, detail, count, event, distinct_id, uuid, sample)
        SELECT project_id, kind, received_at, reason, detail, count, event, distinct_id, uuid, sample
        FROM UNNEST($1::int[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
            $9::text[], $10::text[]) WITH ORDINALITY
            AS found (project_id, kind, received_at, reason, detail, count, event, distinct_id, uuid, sample, place)
        WHERE EXISTS (SELECT FROM projects WHERE projects.id = found.project_id)
        ORDER BY place
        ",
    )
    .bind(events.iter().map(|e| e.project_id.get()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.kind.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| PgTime(e.received_at)).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.reason.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| signed(e.count)).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.event.as_deref()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.distinct_id.as_deref()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.uuid.as_deref()).collect::<Vec<_>>())
    .bind(events.iter().map(|e| e.sample.as_str()).collect::<Vec<_>>())
    .execute(&mut *tx)
    .await?;
    let mut lists: Vec<_> = events.iter().map(|e| (e.project_id, e.kind)).collect();
    lists.sort_unstable();
    lists.dedup();
    for (project, kind) in lists {
        sqlx::query(
            r"
            DELETE FROM unstored_events
            WHERE project_id = $1 AND kind = $2 AND id <= (
                SELECT id FROM unstored_events
                WHERE project_id = $1 AND kind = $2
                ORDER BY id DESC
                OFFSET $3 LIMIT 1
            )
            ",
        )
        .bind(project.get())
        .bind(kind.as_str())
        .bind(MOST_UNSTORED)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

impl RawUnstored {
    fn of(self, project_id: ProjectId) -> UnstoredRow {
        let kind = if self.kind == "quarantined" { UnstoredKind::Quarantined } else { UnstoredKind::Rejected };
        let event = UnstoredEvent {
            project_id,
            kind,
            received_at: self.received_at.0,
            reason: self.reason,
            detail: self.detail,
            count: u64::try_from(self.count).unwrap_or(1),
            event: self.event,
            distinct_id: self.distinct_id,
            uuid: self.uuid,
            sample: self.sample,
        };
        UnstoredRow { id: self.id, event }
    }
}

/// As Postgres' `bigint`, which no count and no number of a frame fills.
fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
