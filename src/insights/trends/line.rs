//! A line of a chart before it is written as JSON.

use serde_json::Value;

use crate::insights::Period;

/// The numbers of one series, or of one formula, for one breakdown value and one period.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Which series of the query, or which formula, from 0.
    pub series: usize,
    /// What a legend calls it.
    pub label: String,
    /// The value of each breakdown, as the query API writes it; none without a breakdown.
    pub breakdown: Vec<Value>,
    /// Where it stands among the values: 0 for a value, 1 for "none", 2 for all beyond the limit.
    pub rank: u8,
    /// Which range it is about.
    pub period: Period,
    /// One number a bucket; none if the whole range is one number.
    pub data: Vec<f64>,
    /// The whole range as one number (`aggregated_value`).
    pub whole: f64,
}

impl Line {
    /// What lines of a breakdown are sorted by, largest first: the number of the whole range where that is what is shown,
    /// the sum of the buckets else.
    #[must_use]
    pub fn total(&self) -> f64 {
        if self.data.is_empty() { self.whole } else { self.data.iter().sum() }
    }
}
