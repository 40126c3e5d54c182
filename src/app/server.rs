//! The server on one port: state, workers, accept loop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;

use super::{Lifecycle, router};
use crate::config::{Ack, Config, LimitsConfig};
use crate::embedded;
use crate::http::{AppState, ConnectionLimits, Parts, serve_connections};
use crate::ingest::enrich::{Enricher, GeoIp};
use crate::ingest::intake::{Intake, IntakeReader, Queue, QueueConfig};
use crate::ingest::pipeline::{Pipeline, PipelineConfig, PipelineParts};
use crate::ingest::spool::{Keep, RoomConfig, Spool, SpoolConfig};
use crate::model::Clock;
use crate::storage::ch::ClickHouse;
use crate::storage::pg::Pg;

/// Requests in flight have so long to be answered when the end begins.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Then the pipeline has so long to store what is queued; the rest waits in the spool.
const STORE_WITHIN: Duration = Duration::from_secs(3);
/// Then workers have so long to finish what they are at.
const FINISH_WITHIN: Duration = Duration::from_secs(3);

/// A running server. [`Server::stop`] ends it; dropping it leaves tasks to the runtime's end.
#[derive(Debug)]
pub struct Server {
    state: AppState,
    address: SocketAddr,
    lifecycle: Lifecycle,
}

impl Server {
    /// Opens the spool in `data_dir` (unless `TENREC_ACK` says that there is none), starts the workers, and serves on `config.server`'s address. The stores must be
    /// migrated.
    ///
    /// # Errors
    /// If the spool cannot be opened or the address cannot be had.
    pub async fn start(config: Config, clock: Clock, pg: Pg, ch: ClickHouse, data_dir: &Path) -> anyhow::Result<Self> {
        let lifecycle = Lifecycle::new();
        let wanted = SocketAddr::from((config.server.host, config.server.port));
        // The port comes first: if it is taken nothing else has begun.
        let listener = TcpListener::bind(wanted).await.with_context(|| {
            format!("could not listen on {wanted}; set PORT to a free port, or stop what listens there")
        })?;
        let address = listener.local_addr().context("could not read the address we listen on")?;
        let enricher = Enricher::new(open_geoip(&config)?, config.enrich.store_ip);
        lifecycle.tasks().spawn(complete_quarter_hours(ch.clone()));
        let (intake, reader) = open_intake(&config, &clock, &ch, data_dir, &lifecycle, &enricher).await?;
        let parts = PipelineParts { reader, pg: pg.clone(), clickhouse: ch.clone(), clock: clock.clone() };
        let pipeline = PipelineConfig::new(data_dir.join("quarantine"));
        let pipeline = match config.stores.ack {
            Ack::Spool => pipeline,
            Ack::Store => pipeline.while_senders_wait(),
        };
        let (pipeline, handle) = Pipeline::new(pipeline, parts);
        // A token of its own: the pipeline cancels it when it crashes, and that must not look like being asked to end.
        let end = lifecycle.no_more_work().child_token();
        lifecycle.spawn_worker("pipeline", async move {
            pipeline.run(end).await;
            Ok::<_, Infallible>(())
        });
        let state = AppState::new(Parts {
            config,
            clock,
            pg,
            ch,
            intake,
            enricher,
            pipeline: handle,
            shutdown: lifecycle.no_more_requests(),
            tasks: lifecycle.tasks().clone(),
        });
        let end = lifecycle.no_more_work().child_token();
        lifecycle.spawn_worker("privacy worker", state.privacy().clone().run(end));
        let routes = router(state.clone());
        let stop = lifecycle.no_more_requests();
        let limits = ConnectionLimits {
            connections: state.config.limits.max_connections,
            connections_per_ip: state.config.limits.max_connections_per_ip,
            ..ConnectionLimits::default()
        };
        let proxies = state.config.server.trusted_proxies.clone();
        lifecycle.spawn_requests(serve_connections(listener, routes, stop, ANSWER_WITHIN, limits, proxies));
        Ok(Self { state, address, lifecycle })
    }

    /// The address it listens on: with the port that was found, if port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the handlers reach.
    #[must_use]
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// What runs.
    #[must_use]
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Answers what is in flight, stores what is queued, and ends: 14 s at most.
    pub async fn stop(self) {
        self.lifecycle.stop_requests().await;
        let stored = self.state.pipeline.stored_up_to(self.state.intake.position());
        if !matches!(tokio::time::timeout(STORE_WITHIN, stored).await, Ok(true)) {
            match self.state.config.stores.ack {
                Ack::Spool => {
                    tracing::warn!("Not everything is stored yet; the rest is in the spool for the next start")
                }
                Ack::Store => {
                    tracing::warn!("Not everything could be stored; those who sent it were told to send it again")
                }
            }
        }
        self.lifecycle.stop_workers(FINISH_WITHIN).await;
        self.state.intake.close().await;
    }
}

/// Where accepted events wait: on disk, or in memory while their senders wait.
async fn open_intake(
    config: &Config,
    clock: &Clock,
    ch: &ClickHouse,
    data_dir: &Path,
    lifecycle: &Lifecycle,
    enricher: &Enricher,
) -> anyhow::Result<(Intake, IntakeReader)> {
    match config.stores.ack {
        Ack::Spool => {
            let spool = spool_config(&config.limits, clock, damage_in(ch).await, data_dir);
            let (spool, reader) = Spool::open(&spool).context("could not open the spool")?;
            Ok((spool.into(), reader.with_enricher(enricher.clone()).into()))
        }
        Ack::Store => {
            let (queue, reader) = Queue::new(QueueConfig::default(), lifecycle.no_more_requests());
            let queue = queue.with_enricher(enricher.clone());
            Ok((Intake::Queue(queue), IntakeReader::Queue(reader)))
        }
    }
}

/// How the spool works: as configured, and looking again at stored events if ClickHouse found other damage than last time.
fn spool_config(limits: &LimitsConfig, clock: &Clock, damage: String, data_dir: &Path) -> SpoolConfig {
    SpoolConfig {
        dir: data_dir.join("spool"),
        max_bytes: limits.spool_max_mb << 20,
        room: RoomConfig {
            max_used_percent: limits.disk_max_used_percent,
            min_free_bytes: limits.disk_min_free_mb << 20,
            ballast_bytes: limits.disk_ballast_mb << 20,
        },
        keep: Keep {
            time: Duration::from_secs(limits.spool_keep_minutes.saturating_mul(60)),
            max_bytes: limits.spool_keep_max_mb << 20,
            damage,
        },
        clock: clock.clone(),
    }
}

/// The damaged parts that ClickHouse put aside, by their names; nothing if it does not say.
async fn damage_in(ch: &ClickHouse) -> String {
    let parts = ch.list_broken_parts().await.unwrap_or_else(|error| {
        tracing::warn!(error = %error, "ClickHouse does not say whether it found damage");
        Vec::new()
    });
    if !parts.is_empty() {
        tracing::warn!(parts = parts.len(), "ClickHouse put damaged parts aside; they are in its detached directory");
    }
    parts.join(" ")
}

/// Older parts of the table of events get their counts in ClickHouse's background.
async fn complete_quarter_hours(ch: ClickHouse) {
    match ch.complete_quarter_hours().await {
        Ok(0) => {}
        Ok(parts) => tracing::info!(parts, "ClickHouse counts the events of {parts} older parts, once"),
        Err(error) => {
            tracing::warn!(error = %error, "ClickHouse does not say which parts have no counts: trends are slower")
        }
    }
}

/// The database of addresses: the one that was named must be there, the one among the parts may be.
fn open_geoip(config: &Config) -> anyhow::Result<Option<GeoIp>> {
    if let Some(path) = &config.enrich.geoip_db {
        let geo = GeoIp::open(path);
        return geo.map(Some).with_context(|| format!("could not read TENREC_GEOIP_DB {}", path.display()));
    }
    let program = std::env::current_exe().context("could not find the path of this program")?;
    let Some(path) = embedded::geoip_database(config.stores.parts_dir.as_deref(), &program) else {
        tracing::info!("Without a database of addresses events get no country; TENREC_GEOIP_DB names one");
        return Ok(None);
    };
    match GeoIp::open(&path) {
        Ok(geo) => Ok(Some(geo)),
        Err(error) => {
            tracing::warn!(error = %error, "The database of addresses cannot be read: events get no country");
            Ok(None)
        }
    }
}
