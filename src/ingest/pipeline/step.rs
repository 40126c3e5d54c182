//! The steps of a batch, and how one ends before it is done.

use super::fence::FenceError;
use crate::storage::ch::{self, ChError};
use crate::storage::pg::{self, PgError};

/// The steps of a batch, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    LookUp,
    Identity,
    Definitions,
    Insert,
    Overrides,
    Sessions,
    Ledger,
    Cursor,
}

impl Step {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::LookUp => "look-up",
            Self::Identity => "identity",
            Self::Definitions => "definitions",
            Self::Insert => "insert",
            Self::Overrides => "overrides",
            Self::Sessions => "sessions",
            Self::Ledger => "ledger",
            Self::Cursor => "cursor",
        }
    }
}

/// Why the batch was not finished.
#[derive(Debug)]
pub(super) enum Stopped {
    Shutdown,
    /// As [`super::Pipeline::crash_before`] asked.
    Crash,
    /// A store lost what it had: that comes first. Nothing of the batch was done.
    LookAgain {
        damage: String,
    },
}

/// Why a try ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// The store was away, slow, or busy with another change: it may work later.
    Passing {
        step: Step,
        error: String,
    },
    /// The store refuses what the events contain.
    Poison {
        step: Step,
        error: String,
    },
    /// As [`Stopped::LookAgain`].
    LookAgain {
        damage: String,
    },
    Crash,
}

impl From<Stopped> for Failure {
    fn from(_: Stopped) -> Self {
        Self::Crash
    }
}

/// While another instance has the turn, or it is unknown who has.
pub(super) fn outside(error: FenceError) -> Failure {
    Failure::Passing { step: Step::LookUp, error: error.to_string() }
}

/// What an error of ClickHouse in this step means.
pub(super) fn in_clickhouse(step: Step) -> impl Fn(ChError) -> Failure {
    move |error| {
        let text = error.to_string();
        if ch::blames_data(&error) {
            Failure::Poison { step, error: text }
        } else {
            Failure::Passing { step, error: text }
        }
    }
}

/// What an error of Postgres in this step means.
pub(super) fn in_postgres(step: Step) -> impl Fn(PgError) -> Failure {
    move |error| {
        let text = error.to_string();
        if pg::blames_data(&error) {
            Failure::Poison { step, error: text }
        } else {
            Failure::Passing { step, error: text }
        }
    }
}
