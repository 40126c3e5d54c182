//! The first start: a one-time token, and the owner account that its holder makes.
//!
//! There is no default account. While nobody has one, every start prints a link with a token; only the newest counts, so
//! a link in an old log is worth nothing. Once the owner exists there is no token and no set-up any more.

use super::{AccountsError, DisplayName, EmailAddress, NewPassword, password};
use crate::model::{
    Clock, OrganizationId, PersonalApiKey, PersonalApiKeyId, Project, ProjectApiKey, TimeZoneName, UserId,
    random_secret, secret_hash,
};
use crate::storage::pg::{FirstOwner, NewPersonalKey, NewProject, NewUser, Pg, PgError};

/// The first owner and what is theirs, as typed or configured.
#[derive(Debug, Clone)]
pub struct Owner {
    pub name: DisplayName,
    pub email: EmailAddress,
    pub password: NewPassword,
    pub organization: DisplayName,
    pub project: DisplayName,
    pub time_zone: TimeZoneName,
}

/// Makes a new set-up token the only valid one and returns it, or nothing if somebody has an account. For every start.
///
/// # Errors
/// If Postgres does not answer.
pub async fn ensure_token(pg: &Pg, clock: &Clock) -> Result<Option<String>, PgError> {
    let token = random_secret();
    let is_needed = pg.replace_setup_token(&secret_hash(&token), clock.now()).await?;
    Ok(is_needed.then_some(token))
}

/// Whether this is the set-up token.
///
/// # Errors
/// If Postgres does not answer.
pub async fn is_token(pg: &Pg, token: &str) -> Result<bool, PgError> {
    pg.is_setup_token(&secret_hash(token)).await
}

/// Uses up the token and makes the owner with an organization and a first project; nothing if the token is not the valid
/// one (any more). Of two who try at once, one gets it.
///
/// # Errors
/// If Postgres does not answer or no core is free in time.
pub async fn create_owner(
    pg: &Pg,
    clock: &Clock,
    token: &str,
    owner: Owner,
) -> Result<Option<(UserId, Project)>, AccountsError> {
    let token = secret_hash(token);
    if !pg.is_setup_token(&token).await? {
        return Ok(None);
    }
    let owner = first_owner(clock, owner, ProjectApiKey::generate(), None).await?;
    let project = pg.create_first_owner_by_token(&token, &owner).await?;
    Ok(project.map(|project| (owner.user.id, project)))
}

/// Puts together what the store needs, ids and hashes included.
pub(super) async fn first_owner(
    clock: &Clock,
    owner: Owner,
    api_key: ProjectApiKey,
    personal_key: Option<&PersonalApiKey>,
) -> Result<FirstOwner, AccountsError> {
    let organization_id = OrganizationId::new(clock.new_uuid());
    Ok(FirstOwner {
        user: NewUser {
            id: UserId::new(clock.new_uuid()),
            email: owner.email.into(),
            name: owner.name.into(),
            password_hash: password::hash(owner.password).await?,
        },
        organization_name: owner.organization.into(),
        project: NewProject {
            organization_id,
            name: owner.project.into(),
            api_key,
            time_zone: owner.time_zone,
            created_at: clock.now(),
        },
        personal_key: personal_key.map(|key| NewPersonalKey {
            id: PersonalApiKeyId::new(clock.new_uuid()),
            label: "Made at the first start".to_owned(),
            hash: key.hash(),
            hint: key.hint().to_owned(),
        }),
    })
}
