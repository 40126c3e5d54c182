//! The first owner: made once, by whoever holds the set-up token or by configuration.

use jiff::Timestamp;
use sqlx::{Postgres, Transaction};

use super::personal_keys::insert_personal_key;
use super::projects::insert_project;
use super::{NewPersonalKey, NewProject, Pg, PgError, PgTime};
use crate::model::{OrganizationId, Project, Role, UserId};

/// Held by a transaction that may make the first owner, so that they take turns. The number means nothing.
const FIRST_OWNER_LOCK: i64 = 0x7465_6e72_6563_0001;

/// A user to be.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub email: String,
    pub name: String,
    /// A PHC string: `$argon2id$…`.
    pub password_hash: String,
}

/// All that comes into being with the first owner.
#[derive(Debug, Clone)]
pub struct FirstOwner {
    pub user: NewUser,
    pub organization_name: String,
    /// Its `organization_id` is that of the new organization.
    pub project: NewProject,
    pub personal_key: Option<NewPersonalKey>,
}

impl Pg {
    /// Makes `token_hash` the one valid set-up token, unless somebody has an account already. Returns whether it did.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn replace_setup_token(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<bool, PgError> {
        let mut tx = self.pool.begin().await?;
        if !lock_while_empty(&mut tx).await? {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO setup_token (token_hash, created_at)
             VALUES ($1, $2)
             ON CONFLICT (only_row) DO UPDATE SET token_hash = excluded.token_hash, created_at = excluded.created_at",
        )
        .bind(token_hash.as_slice())
        .bind(PgTime(now))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether this is the set-up token.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn is_setup_token(&self, token_hash: &[u8; 32]) -> Result<bool, PgError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM setup_token WHERE token_hash = $1)")
            .bind(token_hash.as_slice())
            .fetch_one(&self.pool)
            .await
    }

    /// Uses up the set-up token and makes the first owner with all that belongs to them, or nothing at all: if the token
    /// is not the valid one, or somebody has an account already.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn create_first_owner_by_token(
        &self,
        token_hash: &[u8; 32],
        owner: &FirstOwner,
    ) -> Result<Option<Project>, PgError> {
        let mut tx = self.pool.begin().await?;
        if !lock_while_empty(&mut tx).await? {
            return Ok(None);
        }
        let used = sqlx::query("DELETE FROM setup_token WHERE token_hash = $1")
            .bind(token_hash.as_slice())
            .execute(&mut *tx)
            .await?;
        if used.rows_affected() == 0 {
            return Ok(None);
        }
        let project = insert_first_owner(&mut tx, owner).await?;
        tx.commit().await?;
        Ok(Some(project))
    }

    /// Makes the first owner on an empty database; does nothing on any other. The set-up token goes.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn create_first_owner(&self, owner: &FirstOwner) -> Result<Option<Project>, PgError> {
        let mut tx = self.pool.begin().await?;
        if !lock_while_empty(&mut tx).await? {
            return Ok(None);
        }
        sqlx::query("DELETE FROM setup_token").execute(&mut *tx).await?;
        let project = insert_first_owner(&mut tx, owner).await?;
        tx.commit().await?;
        Ok(Some(project))
    }
}

/// Waits for its turn, then tells whether there is still no user.
async fn lock_while_empty(tx: &mut Transaction<'_, Postgres>) -> Result<bool, PgError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(FIRST_OWNER_LOCK).execute(&mut **tx).await?;
    sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM users)").fetch_one(&mut **tx).await
}

async fn insert_first_owner(tx: &mut Transaction<'_, Postgres>, owner: &FirstOwner) -> Result<Project, PgError> {
    let now = owner.project.created_at;
    insert_user(tx, &owner.user, now).await?;
    sqlx::query("INSERT INTO organizations (id, name, created_at) VALUES ($1, $2, $3)")
        .bind(owner.project.organization_id)
        .bind(&owner.organization_name)
        .bind(PgTime(now))
        .execute(&mut **tx)
        .await?;
    insert_membership(tx, owner.project.organization_id, owner.user.id, Role::Owner, now).await?;
    let project = insert_project(&mut **tx, &owner.project).await?;
    if let Some(key) = &owner.personal_key {
        insert_personal_key(&mut **tx, owner.user.id, key, now).await?;
    }
    Ok(project)
}

/// Inserts a user. Fails on `users_email_unique` if the address is taken.
pub(super) async fn insert_user(
    tx: &mut Transaction<'_, Postgres>,
    user: &NewUser,
    now: Timestamp,
) -> Result<(), PgError> {
    sqlx::query("INSERT INTO users (id, email, name, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(user.id)
        .bind(&user.email)
        .bind(&user.name)
        .bind(&user.password_hash)
        .bind(PgTime(now))
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// Makes a user a member; one who is already keeps their role.
pub(super) async fn insert_membership(
    tx: &mut Transaction<'_, Postgres>,
    organization: OrganizationId,
    user: UserId,
    role: Role,
    now: Timestamp,
) -> Result<(), PgError> {
    sqlx::query(
        "INSERT INTO memberships (organization_id, user_id, role, created_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (organization_id, user_id) DO NOTHING",
    )
    .bind(organization)
    .bind(user)
    .bind(role)
    .bind(PgTime(now))
    .execute(&mut **tx)
    .await
    .map(drop)
}
