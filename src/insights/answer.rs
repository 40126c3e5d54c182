//! What a trend's answer holds for a page.

use jiff::Timestamp;

use crate::model::query::ResolvedRange;
use crate::storage::ch::Cost;

/// The answer to a [`TrendsQuery`](crate::model::query::TrendsQuery).
#[derive(Debug, Clone)]
pub struct TrendsAnswer {
    /// For each series its values, largest first; with comparison those of the period before after them.
    pub results: Vec<TrendResult>,
    pub range: ResolvedRange,
    /// The period before, if it was asked for.
    pub previous: Option<ResolvedRange>,
    pub cost: Cost,
    pub computed_at: Timestamp,
    /// The statements that were run, with their parameters.
    pub statements: Vec<String>,
}

/// One line of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendResult {
    /// Which series of the query.
    pub series: usize,
    /// Which breakdown value; none without a breakdown.
    pub value: Option<ValueOf>,
    pub period: Period,
    /// One number a bucket; none if the whole range is one number.
    pub data: Vec<u64>,
    /// The whole range: all events, or each person once.
    pub whole: u64,
}

/// What the property of a breakdown was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOf {
    Text(String),
    /// Not set, or empty.
    None,
    /// All values beyond the limit.
    Other,
}

/// Which range a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    Current,
    Previous,
}

impl ValueOf {
    /// As people read it.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::None => "None",
            Self::Other => "Other",
        }
    }
}

impl TrendsAnswer {
    /// Whether there is anything to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.results.iter().all(|result| result.whole == 0)
    }
}
