//! Invitations by link: nothing is sent, the link is handed over by whoever made it.

use jiff::SignedDuration;

use super::{AccountsError, DisplayName, EmailAddress, NewPassword, password};
use crate::model::{Clock, InvitationId, OrganizationId, Role, UserId, random_secret, secret_hash};
use crate::storage::pg::{Invitation, NewInvitation, NewMember, NewUser, Pg, PgError, violates};

/// How long a link is good for.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What became of an attempt to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The user, new or not, is a member now.
    Done(UserId),
    /// The link was used, taken back or has run out.
    Closed,
    /// Somebody has an account with this address: they sign in and then accept.
    EmailTaken,
}

/// A new user, as typed.
#[derive(Debug, Clone)]
pub struct Newcomer {
    pub name: DisplayName,
    pub email: EmailAddress,
    pub password: NewPassword,
}

/// Makes an invitation and returns the token of its link: to show once, since only its hash is kept.
///
/// # Errors
/// If Postgres does not answer.
pub async fn create(
    pg: &Pg,
    clock: &Clock,
    organization: OrganizationId,
    by: UserId,
    role: Role,
    email: Option<EmailAddress>,
) -> Result<String, PgError> {
    let token = random_secret();
    let now = clock.now();
    pg.create_invitation(&NewInvitation {
        id: InvitationId::new(clock.new_uuid()),
        organization_id: organization,
        token_hash: secret_hash(&token),
        email: email.map(String::from),
        role,
        created_by: by,
        created_at: now,
        expires_at: now + MAX_AGE,
    })
    .await?;
    Ok(token)
}

/// The open invitation behind a link.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find(pg: &Pg, clock: &Clock, token: &str) -> Result<Option<Invitation>, PgError> {
    pg.find_invitation(&secret_hash(token), clock.now()).await
}

/// Accepts for somebody who has an account.
///
/// # Errors
/// If Postgres does not answer.
pub async fn accept_as(pg: &Pg, clock: &Clock, token: &str, user: UserId) -> Result<Accepted, PgError> {
    let is_done = pg.accept_invitation(&secret_hash(token), &NewMember::User(user), clock.now()).await?;
    Ok(if is_done { Accepted::Done(user) } else { Accepted::Closed })
}

/// Accepts by making an account.
///
/// # Errors
/// If Postgres does not answer or no core is free in time.
pub async fn accept_as_new(pg: &Pg, clock: &Clock, token: &str, newcomer: Newcomer) -> Result<Accepted, AccountsError> {
    // Asked before the costly part, so that a made-up link costs no hashing.
    if find(pg, clock, token).await?.is_none() {
        return Ok(Accepted::Closed);
    }
    let user = NewUser {
        id: UserId::new(clock.new_uuid()),
        email: newcomer.email.into(),
        name: newcomer.name.into(),
        password_hash: password::hash(newcomer.password).await?,
    };
    let id = user.id;
    match pg.accept_invitation(&secret_hash(token), &NewMember::New(user), clock.now()).await {
        Ok(true) => Ok(Accepted::Done(id)),
        Ok(false) => Ok(Accepted::Closed),
        Err(error) if violates(&error, "users_email_unique") => Ok(Accepted::EmailTaken),
        Err(error) => Err(error.into()),
    }
}
