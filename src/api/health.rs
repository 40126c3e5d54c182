//! How Tenrec is: for balancers, containers and Prometheus. Says which parts work; never where they are or who uses them.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;

use crate::http::AppState;
use crate::telemetry::metrics;

/// A part that takes longer to answer is down.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process serves.
pub async fn alive() -> &'static str {
    "ok\n"
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    status: Status,
    postgres: Part,
    clickhouse: Part,
    /// None where events are acknowledged only once they are stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// Everything works.
    Ready,
    /// Events are taken and kept; what is asked of ClickHouse fails until it is back.
    Degraded,
    /// Requests should go elsewhere.
    Unavailable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Up,
    Down,
    /// It takes no more: the spool at its limit, or its disk nearly full.
    Full,
}

impl Part {
    fn of(is_up: bool) -> Self {
        if is_up { Self::Up } else { Self::Down }
    }
}

/// `GET /readyz`: whether requests should come here. 200 while events are taken, even if ClickHouse is down (then
/// `degraded`); 503 without Postgres, with a full spool, or while ending. Without a spool, events are taken only while both
/// stores are up.
pub async fn ready(State(state): State<AppState>) -> Response {
    let (pg, ch) = tokio::join!(
        tokio::time::timeout(ANSWER_WITHIN, state.pg.ping()),
        tokio::time::timeout(ANSWER_WITHIN, state.ch.ping()),
    );
    let spool = state.intake.spool_status();
    let postgres = Part::of(matches!(pg, Ok(Ok(()))));
    let clickhouse = Part::of(matches!(ch, Ok(Ok(()))));
    let spool = spool.map(|spool| if spool.is_accepting { Part::Up } else { Part::Full });
    for (name, part) in [("postgres", Some(postgres)), ("clickhouse", Some(clickhouse)), ("spool", spool)] {
        if let Some(part) = part {
            metrics::PART_UP.with(name).set(i64::from(part == Part::Up));
        }
    }
    let status = match (postgres, clickhouse, spool) {
        _ if state.shutdown.is_cancelled() => Status::Unavailable,
        (Part::Up, Part::Up, None | Some(Part::Up)) => Status::Ready,
        (Part::Up, _, Some(Part::Up)) => Status::Degraded,
        _ => Status::Unavailable,
    };
    let code = if status == Status::Unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let answer = Readiness { status, postgres, clickhouse, spool };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// The answer of `/version`.
#[derive(Debug, Serialize)]
pub struct Version {
    name: &'static str,
    version: &'static str,
}

/// `GET /version`.
pub async fn version() -> Json<Version> {
    Json(Version { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") })
}

/// `GET /metrics`: Prometheus' text format.
pub async fn metrics(State(state): State<AppState>) -> Response {
    if let Some(spool) = state.intake.spool_status() {
        for (gauge, value) in [
            (&metrics::SPOOL_USED_BYTES, spool.used_bytes),
            (&metrics::SPOOL_KEPT_BYTES, spool.kept_bytes),
            (&metrics::SPOOL_MAX_BYTES, spool.max_bytes),
            (&metrics::SPOOL_FREE_BYTES, spool.free_bytes.unwrap_or(0)),
            (&metrics::SPOOL_WAITING_EVENTS, spool.waiting_events),
            (&metrics::SPOOL_ACCEPTING, spool.is_accepting.into()),
            (&metrics::SPOOL_LOOKING_AGAIN, spool.is_looking_again.into()),
            (&metrics::SPOOL_DAMAGED, spool.damaged),
            (&metrics::SPOOL_MISSING_SEGMENTS, spool.missing_segments),
            (&metrics::SPOOL_LOST_EVENTS, spool.lost_events),
            (&metrics::SPOOL_FAILED_WRITES, spool.failed_writes),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
    let pipeline = state.pipeline.status();
    let waiting = state.intake.position().saturating_sub(pipeline.stored_seq);
    metrics::SPOOL_WAITING_REQUESTS.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    metrics::EVENTS_STORED.set(pipeline.stored);
    metrics::EVENTS_DUPLICATE.set(pipeline.duplicates);
    metrics::EVENTS_RESTORED.set(pipeline.restored);
    metrics::PIPELINE_RETRIES.set(pipeline.retries);
    metrics::PIPELINE_LAG_SECONDS.set(i64::try_from(pipeline.lag.as_secs()).unwrap_or(i64::MAX));
    for (reason, events) in pipeline.quarantined {
        metrics::EVENTS_QUARANTINED.with(reason).set(events);
    }
    for (reason, times) in pipeline.warnings {
        metrics::INGEST_WARNINGS.with(reason).set(times);
    }
    let kind = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    ([kind, (header::CACHE_CONTROL, "no-store")], metrics::render()).into_response()
}
