//! What became of a project's events, over the API: `/api/projects/{project}/ingestion/`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::http::{ApiError, ApiProjectAccess, AppState, Cause};
use crate::ingest::ledger::{self, LedgerSums};

/// What is answered without a wish.
const DEFAULT_RANGE: SignedDuration = SignedDuration::from_hours(24);
/// Longest range: the answer has an object for each hour.
const MAX_RANGE: SignedDuration = SignedDuration::from_hours(24 * 92);

/// Which hours, as RFC 3339; the last 24 hours by default.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Range {
    from: Option<String>,
    until: Option<String>,
}

/// The ledger of a range.
#[derive(Debug, Serialize)]
pub struct IngestionOut {
    /// The first moment of the first hour.
    from: Timestamp,
    /// The first moment that is not in it.
    until: Timestamp,
    totals: SumsOut,
    hours: Vec<HourOut>,
    pending: PendingOut,
}

/// One hour of arrivals.
#[derive(Debug, Serialize)]
struct HourOut {
    hour: Timestamp,
    #[serde(flatten)]
    sums: SumsOut,
}

/// Outcomes, and whether they add up.
#[derive(Debug, Serialize)]
struct SumsOut {
    received: u64,
    stored: u64,
    duplicate: u64,
    rejected: BTreeMap<String, u64>,
    quarantined: BTreeMap<String, u64>,
    /// Received without an outcome; 0 is how it must be.
    imbalance: i64,
}

/// What waits in this node's spool, of all projects.
#[derive(Debug, Serialize)]
struct PendingOut {
    requests: u64,
    lag_seconds: u64,
    waiting_for: Option<String>,
}

impl From<LedgerSums> for SumsOut {
    fn from(sums: LedgerSums) -> Self {
        let imbalance = sums.imbalance();
        let LedgerSums { received, stored, duplicate, rejected, quarantined } = sums;
        Self { received, stored, duplicate, rejected, quarantined, imbalance }
    }
}

/// `GET /api/projects/{project}/ingestion/`: received, stored, duplicate, rejected and quarantined events by hour.
pub async fn get(
    State(state): State<AppState>,
    access: ApiProjectAccess,
    Query(range): Query<Range>,
) -> Result<Json<IngestionOut>, ApiError> {
    let now = state.clock.now();
    let until = moment("until", range.until.as_deref())?.unwrap_or_else(|| ledger::end_of_hour(now));
    let from = match moment("from", range.from.as_deref())? {
        Some(from) => from,
        None => until.checked_sub(DEFAULT_RANGE).map_err(|_| Cause::invalid("until", "This is too long ago."))?,
    };
    let from = ledger::hour_of(from);
    if from >= until || until.duration_since(from) > MAX_RANGE {
        return Err(Cause::invalid("from", "The range must end after it begins and be no longer than 92 days.").into());
    }
    let rows = state.pg.list_ledger(access.project.id, from, until).await?;
    let pipeline = state.pipeline.status();
    let hours = ledger::by_hour(&rows, from, until);
    Ok(Json(IngestionOut {
        from,
        until,
        totals: ledger::total(&rows).into(),
        hours: hours.into_iter().map(|(hour, sums)| HourOut { hour, sums: sums.into() }).collect(),
        pending: PendingOut {
            requests: state.intake.position().saturating_sub(pipeline.stored_seq),
            lag_seconds: pipeline.lag.as_secs(),
            // What a store says in an error is for the log and for people of this server.
            waiting_for: pipeline.waiting_for.and_then(|why| why.split(':').next().map(str::to_owned)),
        },
    }))
}

fn moment(field: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, Cause> {
    let parsed = text.filter(|text| !text.is_empty()).map(|text| text.parse::<Timestamp>());
    parsed.transpose().map_err(|_| Cause::invalid(field, "This must be a time such as 2026-11-21T12:00:00Z."))
}
