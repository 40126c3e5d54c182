//! Invitations into an organization, by the hash of the token in their link.

use jiff::Timestamp;
use sqlx::{FromRow, Postgres, Transaction};

use super::setup::{insert_membership, insert_user};
use super::{NewUser, Pg, PgError, PgTime};
use crate::model::{InvitationId, OrganizationId, Role, UserId};

/// An invitation that nobody has accepted yet.
#[derive(Debug, Clone)]
pub struct Invitation {
    pub id: InvitationId,
    pub organization_id: OrganizationId,
    pub organization_name: String,
    /// Whom it is meant for; whoever holds the link may accept it.
    pub email: Option<String>,
    pub role: Role,
    pub created_by: UserId,
    pub created_by_name: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// An invitation to be.
#[derive(Debug, Clone)]
pub struct NewInvitation {
    pub id: InvitationId,
    pub organization_id: OrganizationId,
    pub token_hash: [u8; 32],
    pub email: Option<String>,
    pub role: Role,
    pub created_by: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Who accepts an invitation.
#[derive(Debug, Clone)]
pub enum NewMember {
    /// Somebody with an account.
    User(UserId),
    /// Somebody who makes one.
    New(NewUser),
}

#[derive(FromRow)]
struct Row {
    id: InvitationId,
    organization_id: OrganizationId,
    organization_name: String,
    email: Option<String>,
    role: Role,
    created_by: UserId,
    created_by_name: String,
    created_at: PgTime,
    expires_at: PgTime,
}

impl From<Row> for Invitation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            organization_name: row.organization_name,
            email: row.email,
            role: row.role,
            created_by: row.created_by,
            created_by_name: row.created_by_name,
            created_at: row.created_at.into(),
            expires_at: row.expires_at.into(),
        }
    }
}

impl Pg {
    /// Keeps an invitation.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn create_invitation(&self, new: &NewInvitation) -> Result<(), PgError> {
        sqlx::query(
            "INSERT INTO invitations
                 (id, organization_id, token_hash, email, role, created_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(new.id)
        .bind(new.organization_id)
        .bind(new.token_hash.as_slice())
        .bind(new.email.as_deref())
        .bind(new.role)
        .bind(new.created_by)
        .bind(PgTime(new.created_at))
        .bind(PgTime(new.expires_at))
        .execute(&self.pool)
        .await
        .map(drop)
    }

    /// An organization's open invitations, newest first.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_invitations(
        &self,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<Invitation>, PgError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT i.id, i.organization_id, o.name AS organization_name, i.email, i.role, i.created_by,
                    u.name AS created_by_name, i.created_at, i.expires_at
             FROM invitations i
             JOIN organizations o ON o.id = i.organization_id
             JOIN users u ON u.id = i.created_by
             WHERE i.organization_id = $1 AND i.accepted_at IS NULL AND i.expires_at > $2
             ORDER BY i.created_at DESC, i.id",
        )
        .bind(organization)
        .bind(PgTime(now))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Invitation::from).collect())
    }

    /// The open invitation that a link's token stands for.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_invitation(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<Invitation>, PgError> {
        let row: Option<Row> = sqlx::query_as(
            "SELECT i.id, i.organization_id, o.name AS organization_name, i.email, i.role, i.created_by,
                    u.name AS created_by_name, i.created_at, i.expires_at
             FROM invitations i
             JOIN organizations o ON o.id = i.organization_id
             JOIN users u ON u.id = i.created_by
             WHERE i.token_hash = $1 AND i.accepted_at IS NULL AND i.expires_at > $2",
        )
        .bind(token_hash.as_slice())
        .bind(PgTime(now))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Invitation::from))
    }

    /// Uses up an open invitation and makes its holder a member, in one transaction. Returns whether it was open still.
    ///
    /// # Errors
    /// If Postgres does not answer, or a new user's address is taken (`users_email_unique`).
    pub async fn accept_invitation(
        &self,
        token_hash: &[u8; 32],
        member: &NewMember,
        now: Timestamp,
    ) -> Result<bool, PgError> {
        let mut tx = self.pool.begin().await?;
        let Some((organization, role)) = use_up(&mut tx, token_hash, now).await? else { return Ok(false) };
        let user = match member {
            NewMember::User(id) => *id,
            NewMember::New(user) => {
                insert_user(&mut tx, user, now).await?;
                user.id
            }
        };
        insert_membership(&mut tx, organization, user, role, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes back an organization's invitation. Returns whether it was open.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_invitation(&self, organization: OrganizationId, id: InvitationId) -> Result<bool, PgError> {
        let done =
            sqlx::query("DELETE FROM invitations WHERE organization_id = $1 AND id = $2 AND accepted_at IS NULL")
                .bind(organization)
                .bind(id)
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() > 0)
    }
}

/// Marks the invitation accepted: of two who try at once, the second waits and finds it closed.
async fn use_up(
    tx: &mut Transaction<'_, Postgres>,
    token_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<(OrganizationId, Role)>, PgError> {
    sqlx::query_as(
        "UPDATE invitations
         SET accepted_at = $2
         WHERE token_hash = $1 AND accepted_at IS NULL AND expires_at > $2
         RETURNING organization_id, role",
    )
    .bind(token_hash.as_slice())
    .bind(PgTime(now))
    .fetch_optional(&mut **tx)
    .await
}
