//! Members of an organization: who may change whom.

use crate::model::{OrganizationId, Role, UserId};
use crate::storage::pg::{MemberChange, Pg, PgError};

/// What became of a change to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    Done,
    /// There is no such member.
    NoMember,
    /// An organization has at least one owner.
    LastOwner,
    /// Owners are made and changed by owners alone.
    OwnersOnly,
}

impl From<MemberChange> for Changed {
    fn from(change: MemberChange) -> Self {
        match change {
            MemberChange::Done => Self::Done,
            MemberChange::NoMember => Self::NoMember,
            MemberChange::LastOwner => Self::LastOwner,
        }
    }
}

/// Gives a member another role. `by` is the role of who asks: an admin or an owner.
///
/// # Errors
/// If Postgres does not answer.
pub async fn set_role(
    pg: &Pg,
    by: Role,
    organization: OrganizationId,
    user: UserId,
    role: Role,
) -> Result<Changed, PgError> {
    let Some(before) = pg.find_role(user, organization).await? else { return Ok(Changed::NoMember) };
    if (before == Role::Owner || role == Role::Owner) && by != Role::Owner {
        return Ok(Changed::OwnersOnly);
    }
    Ok(pg.update_role(organization, user, role).await?.into())
}

/// Takes a member out of the organization. Their account and their other organizations stay.
///
/// # Errors
/// If Postgres does not answer.
pub async fn remove(pg: &Pg, by: Role, organization: OrganizationId, user: UserId) -> Result<Changed, PgError> {
    match pg.find_role(user, organization).await? {
        None => Ok(Changed::NoMember),
        Some(Role::Owner) if by != Role::Owner => Ok(Changed::OwnersOnly),
        Some(_) => Ok(pg.delete_member(organization, user).await?.into()),
    }
}
