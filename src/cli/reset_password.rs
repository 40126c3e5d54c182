//! `tenrec reset-password`.

use std::io::{BufRead, IsTerminal};

use anyhow::{Context, bail};

use crate::accounts::{NewPassword, users};
use crate::app::Stores;
use crate::config::Config;

/// Options of `tenrec reset-password`.
#[derive(Debug, clap::Args)]
pub struct ResetPasswordArgs {
    /// E-mail address of the user.
    email: String,
    #[command(flatten)]
    pub config: Config,
}

/// Reads the new password as a line of standard input: an argument would stand in the shell's history.
pub(super) async fn run(args: &ResetPasswordArgs) -> anyhow::Result<()> {
    let stores = Stores::open_or_join(&args.config.stores).await?;
    let result = reset(&stores, &args.email).await;
    stores.close().await;
    result?;
    println!("The password of {} was changed, and all their browsers were signed out.", args.email);
    Ok(())
}

async fn reset(stores: &Stores, email: &str) -> anyhow::Result<()> {
    let found = stores.pg.find_user_by_email(email).await.context("could not ask Postgres for the user")?;
    let Some(found) = found else { bail!("nobody has the e-mail address {email}") };
    if std::io::stdin().is_terminal() {
        println!("New password for {email} (it is shown while you type):");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("could not read the new password")?;
    let password: NewPassword = line.trim_end_matches(['\r', '\n']).parse().context("this password cannot be set")?;
    users::set_password(&stores.pg, found.user.id, password).await.context("could not change the password")
}
