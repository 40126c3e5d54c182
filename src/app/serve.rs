//! `tenrec serve`, from the first line to the last.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use anyhow::{Context, bail};

use super::lifecycle::Signals;
use super::{Server, Stores, migrate};
use crate::accounts::{self, Provisioned, setup};
use crate::config::{Config, LogFormat};
use crate::model::Clock;

/// Starts everything, serves until SIGTERM or Ctrl-C, and ends in order within 25 s. A second signal ends at once.
///
/// # Errors
/// If something cannot start, or a worker failed while serving. The message is one line.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut signals = Signals::watch()?;
    raise_file_limit();
    let (stores, server) = tokio::select! {
        started = start(config.clone()) => started?,
        signal = signals.next() => {
            tracing::info!("{signal} while starting: ending");
            return Ok(());
        }
    };
    welcome(&config, &server, started).await?;
    let stop = server.lifecycle().no_more_requests();
    tokio::select! {
        signal = signals.next() => tracing::info!("{signal}: answering what is in flight, then ending (again to end at once)"),
        () = stop.cancelled() => {}
    }
    let lifecycle = server.lifecycle().clone();
    tokio::select! {
        () = async { server.stop().await; stores.close().await; } => tracing::info!("Ended"),
        signal = signals.next() => {
            tracing::warn!("{signal} again: ending at once; what was accepted is in the spool");
            // The kernel ends the children with us; what they acknowledged is on disk.
            std::process::exit(130);
        }
    }
    match lifecycle.failure() {
        Some(reason) => bail!("{reason}"),
        None => Ok(()),
    }
}

/// From nothing to a server that answers.
async fn start(config: Config) -> anyhow::Result<(Stores, Server)> {
    let stores = Stores::open(&config.stores).await?;
    if let Err(e) = prepare(&config, &stores).await {
        stores.close().await;
        return Err(e);
    }
    match Server::start(config, Clock::system(), stores.pg.clone(), stores.ch.clone(), stores.data_dir()).await {
        Ok(server) => Ok((stores, server)),
        Err(e) => {
            stores.close().await;
            Err(e)
        }
    }
}

/// Brings both schemas up to date, and makes the first owner if the configuration names one.
///
/// # Errors
/// If a migration fails or a configured value is malformed.
pub async fn prepare(config: &Config, stores: &Stores) -> anyhow::Result<()> {
    migrate(&stores.pg, &stores.ch).await?;
    match accounts::provision(&stores.pg, &Clock::system(), &config.init).await.context("could not set up the owner")? {
        Provisioned::Created(project) => {
            tracing::info!(project.id = %project.id, "Made the owner and the first project as TENREC_INIT_… asks");
        }
        Provisioned::HasData => tracing::info!("Somebody has an account already: TENREC_INIT_… changes nothing"),
        Provisioned::NotAsked => {}
    }
    accounts::sign_ins::sweep(&stores.pg, &Clock::system()).await.context("could not remove old sign-ins")?;
    Ok(())
}

/// Says where to go next: while nobody has an account, to the page that makes the owner's, by a link for one use.
async fn welcome(config: &Config, server: &Server, started: Instant) -> anyhow::Result<()> {
    let url = config.server.site_url.clone().unwrap_or_else(|| local_url(server.address()));
    let state = server.state();
    let token = setup::ensure_token(&state.pg, &state.clock).await.context("could not make the set-up link")?;
    tracing::info!("Tenrec {} is ready on {url} after {:.1?}", env!("CARGO_PKG_VERSION"), started.elapsed());
    let (what, link) = match &token {
        Some(token) => ("Make your account", format!("{url}/setup?token={token}")),
        None => ("Sign in", url),
    };
    match config.server.log_format {
        LogFormat::Text => println!("\n  {what}: {link}\n  Ctrl-C stops Tenrec.\n"),
        LogFormat::Json => tracing::info!(link, "{what}"),
    }
    Ok(())
}

/// How a browser on this machine reaches the address.
fn local_url(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() || ip.is_loopback() => format!("http://localhost:{}", address.port()),
        IpAddr::V6(ip) => format!("http://[{ip}]:{}", address.port()),
        IpAddr::V4(ip) => format!("http://{ip}:{}", address.port()),
    }
}

/// Connections are files: takes as many as the system lets us have.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most))
        .context("could not raise the limit of open files");
    if let Err(e) = raised {
        tracing::debug!("{e:#}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_address_is_one_a_browser_takes() {
        assert_eq!(local_url("0.0.0.0:8000".parse().expect("an address")), "http://localhost:8000");
        assert_eq!(local_url("10.0.0.7:80".parse().expect("an address")), "http://10.0.0.7:80");
        assert_eq!(local_url("[2001:db8::1]:80".parse().expect("an address")), "http://[2001:db8::1]:80");
    }
}
