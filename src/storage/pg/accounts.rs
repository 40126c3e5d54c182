//! Users, organizations and who belongs to what.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{Pg, PgError, PgTime};
use crate::model::{Organization, OrganizationId, Role, User, UserId};

/// A user with what their password is checked against.
#[derive(Debug, Clone)]
pub struct UserWithPassword {
    pub user: User,
    /// A PHC string: `$argon2id$…`.
    pub password_hash: String,
}

/// A user as part of an organization.
#[derive(Debug, Clone)]
pub struct Member {
    pub user: User,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// What became of a change to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    Done,
    /// The user is no member of the organization.
    NoMember,
    /// Refused: an organization has at least one owner.
    LastOwner,
}

#[derive(FromRow)]
pub(super) struct UserRow {
    id: UserId,
    email: String,
    name: String,
    created_at: PgTime,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self { id: row.id, email: row.email, name: row.name, created_at: row.created_at.into() }
    }
}

#[derive(FromRow)]
struct OrganizationRow {
    id: OrganizationId,
    name: String,
    created_at: PgTime,
}

impl From<OrganizationRow> for Organization {
    fn from(row: OrganizationRow) -> Self {
        Self { id: row.id, name: row.name, created_at: row.created_at.into() }
    }
}

impl Pg {
    /// Whether anybody has an account: until then only set-up is possible.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn has_users(&self) -> Result<bool, PgError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM users)").fetch_one(&self.pool).await
    }

    /// The user with this e-mail address, in whatever case.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_user_by_email(&self, email: &str) -> Result<Option<UserWithPassword>, PgError> {
        #[derive(FromRow)]
        struct Row {
            #[sqlx(flatten)]
            user: UserRow,
            password_hash: String,
        }
        let row: Option<Row> = sqlx::query_as(
            "SELECT id, email, name, created_at, password_hash
             FROM users
             WHERE lower(email) = lower($1)",
        )
        .bind(email)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| UserWithPassword { user: row.user.into(), password_hash: row.password_hash }))
    }

    /// Changes a user's name.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_user_name(&self, user: UserId, name: &str) -> Result<(), PgError> {
        sqlx::query("UPDATE users SET name = $2 WHERE id = $1")
            .bind(user)
            .bind(name)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Changes a user's password and ends every sign-in of theirs, in one transaction.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_password(&self, user: UserId, password_hash: &str) -> Result<(), PgError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
            .bind(user)
            .bind(password_hash)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM sign_ins WHERE user_id = $1").bind(user).execute(&mut *tx).await?;
        tx.commit().await
    }

    /// What the user may do in the organization; nothing if they are no member.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_role(&self, user: UserId, organization: OrganizationId) -> Result<Option<Role>, PgError> {
        sqlx::query_scalar("SELECT role FROM memberships WHERE user_id = $1 AND organization_id = $2")
            .bind(user)
            .bind(organization)
            .fetch_optional(&self.pool)
            .await
    }

    /// The organization with this id.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_organization(&self, id: OrganizationId) -> Result<Option<Organization>, PgError> {
        let row: Option<OrganizationRow> =
            sqlx::query_as("SELECT id, name, created_at FROM organizations WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(Organization::from))
    }

    /// The organizations a user belongs to, the oldest membership first, with their role in each.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_organizations(&self, user: UserId) -> Result<Vec<(Organization, Role)>, PgError> {
        #[derive(FromRow)]
        struct Row {
            #[sqlx(flatten)]
            organization: OrganizationRow,
            role: Role,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT o.id, o.name, o.created_at, m.role
             FROM memberships m
             JOIN organizations o ON o.id = m.organization_id
             WHERE m.user_id = $1
             ORDER BY m.created_at, o.id",
        )
        .bind(user)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.organization.into(), row.role)).collect())
    }

    /// Renames an organization.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_organization_name(&self, id: OrganizationId, name: &str) -> Result<(), PgError> {
        sqlx::query("UPDATE organizations SET name = $2 WHERE id = $1")
            .bind(id)
            .bind(name)
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// An organization's members, owners first, then by name.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_members(&self, organization: OrganizationId) -> Result<Vec<Member>, PgError> {
        #[derive(FromRow)]
        struct Row {
            #[sqlx(flatten)]
            user: UserRow,
            role: Role,
            joined_at: PgTime,
        }
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT u.id, u.email, u.name, u.created_at, m.role, m.created_at AS joined_at
             FROM memberships m
             JOIN users u ON u.id = m.user_id
             WHERE m.organization_id = $1
             ORDER BY m.role <> 'owner', lower(u.name), u.id",
        )
        .bind(organization)
        .fetch_all(&self.pool)
        .await?;
        let member = |row: Row| Member { user: row.user.into(), role: row.role, joined_at: row.joined_at.into() };
        Ok(rows.into_iter().map(member).collect())
    }

    /// Gives a member another role, unless that would leave the organization without an owner.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn update_role(
        &self,
        organization: OrganizationId,
        user: UserId,
        role: Role,
    ) -> Result<MemberChange, PgError> {
        self.change_member(organization, user, Some(role)).await
    }

    /// Takes a member out of an organization, unless they are its last owner. Their invitations go with them.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn delete_member(&self, organization: OrganizationId, user: UserId) -> Result<MemberChange, PgError> {
        self.change_member(organization, user, None).await
    }

    async fn change_member(
        &self,
        organization: OrganizationId,
        user: UserId,
        to: Option<Role>,
    ) -> Result<MemberChange, PgError> {
        let mut tx = self.pool.begin().await?;
        // Owners are locked together, so that two who remove each other cannot both succeed.
        let owners: Vec<UserId> = sqlx::query_scalar(
            "SELECT user_id
             FROM memberships
             WHERE organization_id = $1 AND role = 'owner'
             ORDER BY user_id
             FOR UPDATE",
        )
        .bind(organization)
        .fetch_all(&mut *tx)
        .await?;
        if owners == [user] && to != Some(Role::Owner) {
            return Ok(MemberChange::LastOwner);
        }
        let changed = match to {
            Some(role) => {
                sqlx::query("UPDATE memberships SET role = $3 WHERE organization_id = $1 AND user_id = $2")
                    .bind(organization)
                    .bind(user)
                    .bind(role)
                    .execute(&mut *tx)
                    .await?
            }
            None => {
                sqlx::query("DELETE FROM invitations WHERE organization_id = $1 AND created_by = $2")
                    .bind(organization)
                    .bind(user)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query("DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2")
                    .bind(organization)
                    .bind(user)
                    .execute(&mut *tx)
                    .await?
            }
        };
        tx.commit().await?;
        Ok(if changed.rows_affected() == 0 { MemberChange::NoMember } else { MemberChange::Done })
    }
}
