//! Provisioning without a browser, for scripts and containers.

use super::Secret;

/// What to create on an empty database. With data present these change nothing.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct InitConfig {
    /// E-mail address of the owner account to create on an empty database.
    #[arg(long, env = "TENREC_INIT_EMAIL", requires = "init_password")]
    pub init_email: Option<String>,
    /// Password of that account.
    #[arg(long, env = "TENREC_INIT_PASSWORD", hide_env_values = true, requires = "init_email")]
    pub init_password: Option<Secret>,
    /// Project API key (phc_…) of the first project; one is made up if absent.
    #[arg(long, env = "TENREC_INIT_PROJECT_KEY", requires = "init_email")]
    pub init_project_key: Option<String>,
    /// Personal API key (phx_…) to create for the owner.
    #[arg(long, env = "TENREC_INIT_PERSONAL_KEY", hide_env_values = true, requires = "init_email")]
    pub init_personal_key: Option<Secret>,
}
