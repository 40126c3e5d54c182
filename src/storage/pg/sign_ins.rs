//! Signed-in browsers, by the hash of the token in their cookie.

use jiff::Timestamp;
use sqlx::FromRow;

use super::accounts::UserRow;
use super::{Pg, PgError, PgTime};
use crate::model::{SignInId, User, UserId};

/// A signed-in browser as its owner sees it in a list.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub id: SignInId,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub user_agent: String,
}

/// A browser that was recognised.
#[derive(Debug, Clone)]
pub struct SignedInUser {
    pub id: SignInId,
    pub user: User,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A browser about to be signed in.
#[derive(Debug, Clone)]
pub struct NewSignIn {
    pub id: SignInId,
    pub token_hash: [u8; 32],
    pub user_id: UserId,
    pub created_at: Timestamp,
    /// When it ends however much it is used.
    pub expires_at: Timestamp,
    pub user_agent: String,
}

impl Pg {
    /// Keeps a new sign-in.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn create_sign_in(&self, new: &NewSignIn) -> Result<(), PgError> {
        sqlx::query(
            "INSERT INTO sign_ins (token_hash, id, user_id, created_at, last_seen_at, expires_at, user_agent)
             VALUES ($1, $2, $3, $4, $4, $5, $6)",
        )
        .bind(new.token_hash.as_slice())
        .bind(new.id)
        .bind(new.user_id)
        .bind(PgTime(new.created_at))
        .bind(PgTime(new.expires_at))
        .bind(&new.user_agent)
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// The sign-in of a token, expired or not: the caller knows how long one may be idle.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_sign_in(&self, token_hash: &[u8; 32]) -> Result<Option<SignedInUser>, PgError> {
        #[derive(FromRow)]
        struct Row {
            #[sqlx(flatten)]
            user: UserRow,
            sign_in_id: SignInId,
            last_seen_at: PgTime,
            expires_at: PgTime,
        }
        let row: Option<Row> = sqlx::query_as(
            "SELECT u.id, u.email, u.name, u.created_at, s.id AS sign_in_id, s.last_seen_at, s.expires_at
             FROM sign_ins s
             JOIN users u ON u.id = s.user_id
             WHERE s.token_hash = $1",
        )
        .bind(token_hash.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| SignedInUser {
            id: row.sign_in_id,
            user: row.user.into(),
            last_seen_at: row.last_seen_at.into(),
            expires_at: row.expires_at.into(),
        }))
    }

    /// Notes that a signed-in browser was seen.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn touch_sign_in(&self, id: SignInId, now: Timestamp) -> Result<(), PgError> {
        sqlx::query("UPDATE sign_ins SET last_seen_at = $2 WHERE id = $1")
            .bind(id)
            .bind(PgTime(now))
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// A user's sign-ins that have not ended by time, the most recently seen first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_sign_ins(
        &self,
        user: UserId,
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Vec<SignIn>, PgError> {
        #[derive(FromRow)]
        struct Row {
            id: SignInId,
            created_at: PgTime,
            last_seen_at: PgTime,
            user_agent: String,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, created_at, last_seen_at, user_agent
             FROM sign_ins
             WHERE user_id = $1 AND expires_at > $2 AND last_seen_at > $3
             ORDER BY last_seen_at DESC, id",
        )
        .bind(user)
        .bind(PgTime(now))
        .bind(PgTime(idle_since))
        .fetch_all(&self.pool)
        .await?;
        let sign_in = |row: Row| SignIn {
            id: row.id,
            created_at: row.created_at.into(),
            last_seen_at: row.last_seen_at.into(),
            user_agent: row.user_agent,
        };
        Ok(rows.into_iter().map(sign_in).collect())
    }

    /// Ends one of a user's sign-ins. Returns whether there was one.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_sign_in(&self, user: UserId, id: SignInId) -> Result<bool, PgError> {
        let done = sqlx::query("DELETE FROM sign_ins WHERE user_id = $1 AND id = $2")
            .bind(user)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Ends the sign-in that a token stands for, if there is one.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_sign_in_by_token(&self, token_hash: &[u8; 32]) -> Result<(), PgError> {
        sqlx::query("DELETE FROM sign_ins WHERE token_hash = $1")
            .bind(token_hash.as_slice())
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Ends all of a user's sign-ins but one.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_other_sign_ins(&self, user: UserId, keep: SignInId) -> Result<(), PgError> {
        sqlx::query("DELETE FROM sign_ins WHERE user_id = $1 AND id <> $2")
            .bind(user)
            .bind(keep)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Removes what has ended by time; nobody can use it any more. Returns how many went.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_expired_sign_ins(&self, now: Timestamp, idle_since: Timestamp) -> Result<u64, PgError> {
        let done = sqlx::query("DELETE FROM sign_ins WHERE expires_at <= $1 OR last_seen_at <= $2")
            .bind(PgTime(now))
            .bind(PgTime(idle_since))
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected())
    }
}
