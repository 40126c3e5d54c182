//! Personal API keys.

use super::DisplayName;
use crate::model::{Clock, PersonalApiKey, PersonalApiKeyId, UserId};
use crate::storage::pg::{NewPersonalKey, Pg, PgError};

/// Makes a personal API key and returns it: to show once, since only its hash is kept.
///
/// # Errors
/// If Postgres does not answer.
pub async fn create(pg: &Pg, clock: &Clock, user: UserId, label: DisplayName) -> Result<PersonalApiKey, PgError> {
    let key = PersonalApiKey::generate();
    let new = NewPersonalKey {
        id: PersonalApiKeyId::new(clock.new_uuid()),
        label: label.into(),
        hash: key.hash(),
        hint: key.hint().to_owned(),
    };
    pg.create_personal_key(user, &new, clock.now()).await?;
    Ok(key)
}
