//! `GET /status`: how the server is, for everybody who signs in.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::insights::Figure;
use super::settings::{ProjectWish, project_for};
use super::{Section, Shell};
use crate::http::{AppState, SignedIn, WebError, page as render};
use crate::ingest::spool::SpoolStatus;

/// A part that takes longer to answer is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The spool in words.
#[derive(Debug)]
struct SpoolRows {
    status: SpoolStatus,
    used: String,
    kept: String,
    max: String,
    free: Option<String>,
    percent: u64,
}

impl From<SpoolStatus> for SpoolRows {
    fn from(status: SpoolStatus) -> Self {
        Self {
            status,
            used: size(status.waiting_bytes()),
            kept: size(status.kept_bytes),
            max: size(status.max_bytes),
            free: status.free_bytes.map(size),
            percent: status.waiting_bytes().saturating_mul(100) / status.max_bytes.max(1),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "pages/status.html")]
struct StatusPage {
    shell: Shell,
    postgres: bool,
    clickhouse: bool,
    /// `None` where events are acknowledged only when they are stored.
    spool: Option<SpoolRows>,
    waiting_requests: u64,
    lag_seconds: u64,
    waiting_for: Option<String>,
    retries: String,
    stored: String,
    duplicates: String,
    restored: String,
    quarantined: String,
    /// `None` if the directory cannot be read.
    quarantine_size: Option<String>,
    version: &'static str,
}

impl StatusPage {
    /// Whether there is nothing to do for anybody.
    fn is_well(&self) -> bool {
        let spool = self.spool.as_ref().map(|spool| &spool.status);
        let is_whole = spool.is_none_or(|spool| spool.damaged + spool.missing_segments == 0 && !spool.is_looking_again);
        self.postgres && self.clickhouse && self.waiting_for.is_none() && self.is_accepting() && is_whole
    }

    fn is_accepting(&self) -> bool {
        self.spool.as_ref().is_none_or(|spool| spool.status.is_accepting)
    }
}

/// The state of the server.
pub async fn get(State(state): State<AppState>, signed_in: SignedIn, wish: ProjectWish) -> Result<Response, WebError> {
    let project = project_for(&state, &signed_in.user, wish).await?;
    let (pg, ch) = tokio::join!(
        tokio::time::timeout(ANSWER_WITHIN, state.pg.ping()),
        tokio::time::timeout(ANSWER_WITHIN, state.ch.ping()),
    );
    let spool = state.intake.spool_status();
    let pipeline = state.pipeline.status();
    let page = StatusPage {
        shell: Shell::load(&state, &signed_in.user, project.as_ref(), Section::Status).await?,
        postgres: matches!(pg, Ok(Ok(()))),
        clickhouse: matches!(ch, Ok(Ok(()))),
        spool: spool.map(SpoolRows::from),
        waiting_requests: state.intake.position().saturating_sub(pipeline.stored_seq),
        lag_seconds: pipeline.lag.as_secs(),
        waiting_for: pipeline.waiting_for,
        retries: Figure::of(pipeline.retries).exact,
        stored: Figure::of(pipeline.stored).exact,
        duplicates: Figure::of(pipeline.duplicates).exact,
        restored: Figure::of(pipeline.restored).exact,
        quarantined: Figure::of(pipeline.quarantined.values().sum()).exact,
        quarantine_size: state.pipeline.quarantine_bytes().await.ok().map(size),
        version: env!("CARGO_PKG_VERSION"),
    };
    render(&page)
}

/// `12 B`, `3.4 MB`.
fn size(bytes: u64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let (mut whole, mut tenths, mut unit) = (bytes, 0, 0);
    while whole >= 1024 && unit + 1 < units.len() {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    if tenths == 0 { format!("{whole} {}", units[unit]) } else { format!("{whole}.{tenths} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1 KB"), (1536, "1.5 KB"), (5 << 30, "5 GB")] {
            assert_eq!(size(bytes), text);
        }
    }
}
