//! The first owner without a browser, from `TENREC_INIT_…`.

use super::setup::{Owner, first_owner};
use super::{AccountsError, DisplayName};
use crate::config::InitConfig;
use crate::model::{Clock, PersonalApiKey, Project, ProjectApiKey, TimeZoneName};
use crate::storage::pg::{Pg, PgError};

/// What provisioning did.
#[derive(Debug)]
pub enum Provisioned {
    /// Nothing was asked for.
    NotAsked,
    /// Somebody has an account already, so nothing changed.
    HasData,
    /// The owner was made, with this project.
    Created(Project),
}

/// Why provisioning failed. A bad value names its variable, never shows a secret, and changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("{variable} is not usable: {why}")]
    BadValue { variable: &'static str, why: String },
    #[error(transparent)]
    Accounts(#[from] AccountsError),
}

impl From<PgError> for ProvisionError {
    fn from(error: PgError) -> Self {
        Self::Accounts(error.into())
    }
}

/// Makes the configured owner, project and key on an empty database; changes nothing on any other. Safe to repeat, also by
/// instances that start together.
///
/// # Errors
/// If a value is malformed, Postgres does not answer, or no core is free in time.
pub async fn provision(pg: &Pg, clock: &Clock, init: &InitConfig) -> Result<Provisioned, ProvisionError> {
    let Some(email) = &init.init_email else { return Ok(Provisioned::NotAsked) };
    // Checked also when there is data: a typing mistake shows at the first start that has it.
    let email = parse("TENREC_INIT_EMAIL", email)?;
    let Some(password) = &init.init_password else {
        return Err(ProvisionError::BadValue {
            variable: "TENREC_INIT_PASSWORD",
            why: "TENREC_INIT_EMAIL needs it beside it".to_owned(),
        });
    };
    let password = parse("TENREC_INIT_PASSWORD", password.expose())?;
    let api_key = init.init_project_key.as_deref().map(|key| parse::<ProjectApiKey>("TENREC_INIT_PROJECT_KEY", key));
    let api_key = api_key.transpose()?.unwrap_or_else(ProjectApiKey::generate);
    let personal_key = init.init_personal_key.as_ref();
    let personal_key = personal_key.map(|key| parse::<PersonalApiKey>("TENREC_INIT_PERSONAL_KEY", key.expose()));
    let personal_key = personal_key.transpose()?;
    if pg.has_users().await? {
        return Ok(Provisioned::HasData);
    }
    let name = |text: &str| text.parse::<DisplayName>().expect("it is a short name on one line");
    let owner = Owner {
        name: name("Owner"),
        email,
        password,
        organization: name("My organization"),
        project: name("My project"),
        time_zone: TimeZoneName::utc(),
    };
    let owner = first_owner(clock, owner, api_key, personal_key.as_ref()).await?;
    let project = pg.create_first_owner(&owner).await?;
    Ok(project.map_or(Provisioned::HasData, Provisioned::Created))
}

fn parse<T>(variable: &'static str, text: &str) -> Result<T, ProvisionError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|why: T::Err| ProvisionError::BadValue { variable, why: why.to_string() })
}
