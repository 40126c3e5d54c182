//! `tenrec demo`: fills a project with made-up events, through a running Tenrec or through one that runs for it alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::app::{self, Server, Stores};
use crate::config::Config;
use crate::demo::{DemoOptions, LastBatch, Sender};
use crate::model::{Clock, Project, ProjectApiKey, ProjectId};
use crate::storage::pg::NewProject;

/// The project that is made for the demo.
const PROJECT_NAME: &str = "Demo shop";
/// Between two looks at what is stored.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Much longer than a machine takes that keeps up at all.
const STORE_WITHIN: Duration = Duration::from_secs(180);

/// Options of `tenrec demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Project to fill. Default: the one called "Demo shop", made if there is none.
    #[arg(long)]
    project: Option<ProjectId>,
    /// Another seed makes another shop; the same seed and end make the same events, which count once.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whole days to fill, before today.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=366))]
    days: u16,
    /// People who visit the shop.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    people: u32,
    /// Events, roughly.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    events: u32,
    /// The moment after which nothing happens, such as 2026-11-20T18:00:00Z. Default: now.
    #[arg(long)]
    end: Option<Timestamp>,
    /// Address of a running Tenrec. Default: the one on this data directory, else one is started for the demo.
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    pub config: Config,
}

/// Fills the project and says where to look at it.
pub(super) async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let clock = Clock::system();
    let stores = Stores::open_or_join(&args.config.stores).await?;
    let result = fill(&args, &clock, &stores).await;
    stores.close().await;
    result
}

async fn fill(args: &DemoArgs, clock: &Clock, stores: &Stores) -> anyhow::Result<()> {
    // Whoever runs may be another version: its schema is its own affair.
    if !stores.is_joined() {
        app::prepare(&args.config, stores).await?;
    }
    let project = find_or_make_project(args, clock, stores).await?;
    let server = match &args.url {
        None if !stores.is_joined() => Some(start_server(&args.config, clock, stores).await?),
        _ => None,
    };
    let site = match (&server, &args.url) {
        (Some(server), _) => format!("http://{}", server.address()),
        (None, Some(url)) => url.clone(),
        (None, None) => format!("http://{}", address_here(&args.config)),
    };
    let result = send(args, clock, stores, &project, &site).await;
    if let Some(server) = server {
        server.stop().await;
    }
    result?;
    println!("Open the project \"{}\" ({}) in Tenrec to look at it.", project.name, project.id);
    Ok(())
}

/// A server for the demo alone, reachable from this machine alone.
async fn start_server(config: &Config, clock: &Clock, stores: &Stores) -> anyhow::Result<Server> {
    let mut config = config.clone();
    config.server.host = IpAddr::V4(Ipv4Addr::LOCALHOST);
    config.server.port = 0;
    Server::start(config, clock.clone(), stores.pg.clone(), stores.ch.clone(), stores.data_dir()).await
}

/// Where a Tenrec with this configuration listens, as reached from this machine.
fn address_here(config: &Config) -> SocketAddr {
    let host = match config.server.host {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::from((host, config.server.port))
}

async fn find_or_make_project(args: &DemoArgs, clock: &Clock, stores: &Stores) -> anyhow::Result<Project> {
    let projects = stores.pg.list_all_projects().await.context("could not read the projects")?;
    if let Some(id) = args.project {
        return projects.into_iter().find(|project| project.id == id).with_context(|| {
            format!("there is no project {id}; leave out --project to use one called {PROJECT_NAME:?}")
        });
    }
    let Some(oldest) = projects.first() else {
        bail!(
            "there is no account yet: run `tenrec serve`, make the owner account by the link it prints, then run `tenrec demo` again"
        );
    };
    if let Some(project) = projects.iter().find(|project| project.name == PROJECT_NAME) {
        return Ok(project.clone());
    }
    let new = NewProject {
        organization_id: oldest.organization_id,
        name: PROJECT_NAME.to_owned(),
        api_key: ProjectApiKey::generate(),
        time_zone: oldest.time_zone.clone(),
        created_at: clock.now(),
    };
    stores.pg.create_project(&new).await.context("could not make the project")
}

async fn send(args: &DemoArgs, clock: &Clock, stores: &Stores, project: &Project, site: &str) -> anyhow::Result<()> {
    let options = DemoOptions {
        seed: args.seed,
        days: args.days,
        people: args.people,
        events: args.events,
        ..DemoOptions::new(args.end.unwrap_or_else(|| clock.now()), project.time_zone.rules())
    };
    let sender = Sender::new(site, project.api_key.clone())?;
    println!("Filling \"{}\" with {} days of a small shop (seed {}).", project.name, options.days, options.seed);
    let bar = ProgressBar::new(args.events.into()).with_style(
        ProgressStyle::with_template("{msg:8} {bar:40} {human_pos} of about {human_len} events  {elapsed}")
            .context("the progress bar's template is wrong")?,
    );
    bar.set_message("Sending");
    let last = sender.send(options.events(), |sent| bar.inc(sent as u64)).await?;
    bar.set_message("Storing");
    let is_stored = match &last {
        Some(last) => wait_until_stored(clock, stores, project.id, last).await?,
        None => true,
    };
    let sent = bar.position();
    bar.finish_and_clear();
    println!("Sent {sent} events up to {:.0}.", options.end);
    if !is_stored {
        println!("Tenrec has them all in its spool and is still storing.");
    }
    Ok(())
}

/// Waits until the events that were sent last are stored, and with them all before. False if that takes too long.
async fn wait_until_stored(
    clock: &Clock,
    stores: &Stores,
    project: ProjectId,
    last: &LastBatch,
) -> anyhow::Result<bool> {
    let deadline = clock.now() + STORE_WITHIN;
    let projects = [project];
    while clock.now() < deadline {
        let stored = stores.ch.find_stored(&projects, &last.uuids, last.from, last.to);
        if stored.await.context("could not look at what is stored")?.len() >= last.uuids.len() {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(false)
}
