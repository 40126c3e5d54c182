//! Personal API keys, by their hash.

use jiff::{Timestamp, ToSpan};
use sqlx::FromRow;

use super::accounts::UserRow;
use super::{Pg, PgError, PgTime};
use crate::model::{PersonalApiKeyId, User, UserId};

/// A personal API key as its owner sees it in a list.
#[derive(Debug, Clone)]
pub struct PersonalKey {
    pub id: PersonalApiKeyId,
    pub label: String,
    /// The last four characters.
    pub hint: String,
    pub created_at: Timestamp,
    /// To within a minute.
    pub last_used_at: Option<Timestamp>,
}

/// A personal API key to be.
#[derive(Debug, Clone)]
pub struct NewPersonalKey {
    pub id: PersonalApiKeyId,
    pub label: String,
    pub hash: [u8; 32],
    pub hint: String,
}

#[derive(FromRow)]
struct Row {
    id: PersonalApiKeyId,
    label: String,
    hint: String,
    created_at: PgTime,
    last_used_at: Option<PgTime>,
}

impl Pg {
    /// Keeps a new key of a user.
    ///
    /// # Errors
    /// If Postgres does not answer, or the key is known already (`personal_api_keys_hash_unique`).
    pub async fn create_personal_key(&self, user: UserId, new: &NewPersonalKey, now: Timestamp) -> Result<(), PgError> {
        insert_personal_key(&self.pool, user, new, now).await
    }

    /// A user's keys, newest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_personal_keys(&self, user: UserId) -> Result<Vec<PersonalKey>, PgError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, label, hint, created_at, last_used_at
             FROM personal_api_keys
             WHERE user_id = $1
             ORDER BY created_at DESC, id",
        )
        .bind(user)
        .fetch_all(&self.pool)
        .await?;
        let key = |row: Row| PersonalKey {
            id: row.id,
            label: row.label,
            hint: row.hint,
            created_at: row.created_at.into(),
            last_used_at: row.last_used_at.map(Timestamp::from),
        };
        Ok(rows.into_iter().map(key).collect())
    }

    /// Revokes a user's key. Returns whether there was one.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_personal_key(&self, user: UserId, id: PersonalApiKeyId) -> Result<bool, PgError> {
        let done = sqlx::query("DELETE FROM personal_api_keys WHERE user_id = $1 AND id = $2")
            .bind(user)
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whose key this is, noting its use once a minute at most.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_user_by_personal_key(&self, hash: &[u8; 32], now: Timestamp) -> Result<Option<User>, PgError> {
        #[derive(FromRow)]
        struct Found {
            #[sqlx(flatten)]
            user: UserRow,
            last_used_at: Option<PgTime>,
        }
        let found: Option<Found> = sqlx::query_as(
            "SELECT u.id, u.email, u.name, u.created_at, k.last_used_at
             FROM personal_api_keys k
             JOIN users u ON u.id = k.user_id
             WHERE k.key_hash = $1",
        )
        .bind(hash.as_slice())
        .fetch_optional(&self.pool)
        .await?;
        let Some(found) = found else { return Ok(None) };
        if found.last_used_at.is_none_or(|used| used.0 < now - 1.minute()) {
            sqlx::query("UPDATE personal_api_keys SET last_used_at = $2 WHERE key_hash = $1")
                .bind(hash.as_slice())
                .bind(PgTime(now))
                .execute(&self.pool)
                .await?;
        }
        Ok(Some(found.user.into()))
    }
}

/// Inserts a key, alone or within a transaction.
pub(super) async fn insert_personal_key<'c>(
    on: impl sqlx::PgExecutor<'c>,
    user: UserId,
    new: &NewPersonalKey,
    now: Timestamp,
) -> Result<(), PgError> {
    sqlx::query(
        "INSERT INTO personal_api_keys (id, user_id, label, key_hash, hint, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id)
    .bind(user)
    .bind(&new.label)
    .bind(new.hash.as_slice())
    .bind(&new.hint)
    .bind(PgTime(now))
    .execute(on)
    .await
    .map(drop)
}
