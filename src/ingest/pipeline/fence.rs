//! When a look-up is the truth until the inserts after it are done: while no other instance stores, and no insert of an
//! earlier time runs or may still begin.
//!
//! - Instances on the same stores take turns ([`StoringTurn`]), a batch at a time and in the order of asking. A turn lasts
//!   from the look-up to the end of the inserts; before each insert it is made sure that it is still held.
//! - Who has the turn waits until no insert runs: the instance before may have died, or lost the turn, with one under way. The
//!   embedded engine has no other instance, and is asked only where the end of our own last insert was not seen.
//! - What became of an insert is unknown if its answer is lost. Between us and a server it may even sit in a proxy, unseen. So
//!   the name of an insert says until when it may begin, by the server's clock, and a constraint of the table refuses it
//!   later. Until that moment the turn is kept, and nothing is looked up.
//!
//! What is left: the turn is lost (Postgres ends the connection) after it was made sure of and before the insert is seen to
//! run, and in that instant another instance looks for the same event.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::storage::ch::{self, ChError, ClickHouse};
use crate::storage::pg::{PgError, StoringTurn};

/// How the names of all inserts of events start.
const PREFIX: &str = "tenrec-";
/// So long after it was sent an insert may begin, unless that proves too short.
const FIRST_SPAN: Duration = Duration::from_secs(5);
const LONGEST_SPAN: Duration = Duration::from_secs(80);
/// An insert has ended after this, whatever became of it: the server gives up after a minute.
const UNCLEAR_AT_MOST: Duration = Duration::from_secs(150);

#[derive(Debug)]
pub(super) struct Fence {
    turn: StoringTurn,
    clickhouse: ClickHouse,
    span: Duration,
    /// What the server's clock showed, and when that was.
    server: Option<(i64, Instant)>,
    /// Until when the last insert may begin, by the server's clock; 0 if that is no matter.
    may_begin_until: i64,
    /// Since when it is unknown what became of an insert, which may begin until then.
    unclear: Option<(Instant, i64)>,
    /// A process before this one may have died with an insert of the next batch under way.
    inherits: bool,
    /// Every insert of this process is known to have ended.
    is_quiet: bool,
}

/// Why it cannot be entered now.
#[derive(Debug, thiserror::Error)]
pub(super) enum FenceError {
    #[error("the turn to store: {0}")]
    Turn(#[from] PgError),
    #[error("{0}")]
    ClickHouse(#[from] ChError),
    #[error("shutting down")]
    Shutdown,
}

impl Fence {
    pub fn new(turn: StoringTurn, clickhouse: ClickHouse) -> Self {
        let (server, may_begin_until, unclear) = (None, 0, None);
        Self { turn, clickhouse, span: FIRST_SPAN, server, may_begin_until, unclear, inherits: false, is_quiet: false }
    }

    /// Says that the first batch may have been under way when an earlier process died.
    pub fn inherit(&mut self) {
        self.inherits = self.clickhouse.is_remote();
    }

    /// Waits until what is looked up now stays true until [`Fence::leave`].
    pub async fn enter(&mut self, shutdown: &CancellationToken) -> Result<(), FenceError> {
        tokio::select! {
            biased;
            taken = self.turn.take() => taken?,
            () = shutdown.cancelled() => return Err(FenceError::Shutdown),
        }
        if self.is_quiet && !self.clickhouse.is_remote() {
            return Ok(());
        }
        let mut pause = Duration::from_millis(10);
        loop {
            let running = self.clickhouse.inserts_running(PREFIX).await?;
            self.server = Some((running.server_ms, Instant::now()));
            if std::mem::take(&mut self.inherits) {
                self.unclear.get_or_insert((Instant::now(), running.server_ms.saturating_add(millis(FIRST_SPAN))));
            }
            let may_begin = self.unclear.is_some_and(|(_, until)| running.server_ms <= until);
            if running.count == 0 && !may_begin {
                (self.unclear, self.is_quiet) = (None, true);
                return Ok(());
            }
            tokio::select! {
                () = shutdown.cancelled() => return Err(FenceError::Shutdown),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// Makes sure that we are still inside, right before an insert, and completes the insert's name.
    pub async fn permit(&mut self, name: String) -> Result<String, PgError> {
        self.turn.confirm().await?;
        (self.may_begin_until, self.is_quiet) = (0, false);
        let Some((server_ms, at)) = self.server.filter(|_| self.clickhouse.is_remote()) else { return Ok(name) };
        self.may_begin_until = server_ms.saturating_add(millis(at.elapsed() + self.span));
        Ok(format!("{name}-until-{}", self.may_begin_until))
    }

    /// Notes that the insert permitted last has succeeded.
    pub fn ended(&mut self) {
        self.is_quiet = true;
    }

    /// Notes that the insert permitted last has failed.
    pub fn failed(&mut self, error: &ChError) {
        if ch::comes_too_late(error) {
            self.span = (self.span * 2).min(LONGEST_SPAN);
        } else if ch::error_code(error).is_none() {
            self.unclear = Some((Instant::now(), self.may_begin_until));
        }
    }

    /// Gives the turn to the next, unless it is unknown what became of an insert.
    pub async fn leave(&mut self) {
        if self.unclear.is_none_or(|(since, _)| since.elapsed() > UNCLEAR_AT_MOST) {
            self.turn.release().await;
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
