//! Salts and sessions of visitors without cookies.

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use super::{Pg, PgError, PgTime};
use crate::model::ProjectId;

/// After so long without an event a visitor begins a new session.
const SESSION_PAUSE: &str = "30 minutes";

impl Pg {
    /// The salt of a day: `fresh` if there is none yet, and then the same for every instance.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn cookieless_salt(&self, day: Date, fresh: &[u8; 16]) -> Result<Vec<u8>, PgError> {
        let sql = "INSERT INTO cookieless_salts (day, salt) VALUES ($1::date, $2) ON CONFLICT DO NOTHING";
        sqlx::query(sql).bind(day.to_string()).bind(&fresh[..]).execute(&self.pool).await?;
        sqlx::query_scalar("SELECT salt FROM cookieless_salts WHERE day = $1::date")
            .bind(day.to_string())
            .fetch_one(&self.pool)
            .await
    }

    /// Destroys the salts of days before this one, and what is known of sessions that ended long ago. The table is rewritten:
    /// a deleted row would stay in its page. Gives how many salts there were.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn destroy_cookieless_salts(&self, before: Date, now: Timestamp) -> Result<u64, PgError> {
        let sql = "DELETE FROM cookieless_sessions WHERE last_at < $1 - interval '1 day'";
        sqlx::query(sql).bind(PgTime(now)).execute(&self.pool).await?;
        let sql = "DELETE FROM cookieless_salts WHERE day < $1::date";
        let destroyed = sqlx::query(sql).bind(before.to_string()).execute(&self.pool).await?.rows_affected();
        if destroyed > 0 {
            sqlx::raw_sql("VACUUM FULL cookieless_salts").execute(&self.pool).await?;
        }
        Ok(destroyed)
    }

    /// The session a visitor is in at a moment: `fresh` if the last one has ended.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn cookieless_session(
        &self,
        project: ProjectId,
        visitor: &str,
        fresh: Uuid,
        at: Timestamp,
    ) -> Result<Uuid, PgError> {
        sqlx::query_scalar(
            r"
            INSERT INTO cookieless_sessions AS s (project_id, visitor, session_id, last_at)
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (project_id, visitor) DO UPDATE
            SET session_id = CASE WHEN EXCLUDED.last_at - s.last_at > $5::interval
                                  THEN EXCLUDED.session_id ELSE s.session_id END,
                last_at = GREATEST(s.last_at, EXCLUDED.last_at)
            RETURNING session_id
            ",
        )
        .bind(project)
        .bind(visitor)
        .bind(fresh)
        .bind(PgTime(at))
        .bind(SESSION_PAUSE)
        .fetch_one(&self.pool)
        .await
    }
}
