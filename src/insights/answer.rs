//! What a trend's answer holds, and its JSON in the query API.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::query::{ResolvedRange, TrendsQuery};
use crate::storage::ch::Cost;

/// What the query API calls the value of events without the property, and all values beyond the limit.
const NULL_VALUE: &str = "$$_posthog_breakdown_null_$$";
const OTHER_VALUE: &str = "$$_posthog_breakdown_other_$$";

/// The answer to a [`TrendsQuery`].
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    /// As the query API writes it.
    #[must_use]
    pub fn api_value(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::None => NULL_VALUE,
            Self::Other => OTHER_VALUE,
        }
    }
}

impl TrendsAnswer {
    /// Whether there is anything to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.results.iter().all(|result| result.whole == 0)
    }

    /// Whether values of a breakdown were put together as "other".
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.results.iter().any(|result| result.value == Some(ValueOf::Other))
    }

    /// As the query API answers.
    #[must_use]
    pub fn to_json(&self, query: &TrendsQuery) -> Value {
        json!({
            "results": self.results.iter().map(|result| self.result_json(query, result)).collect::<Vec<_>>(),
            "hasMore": self.has_more(),
            "timezone": self.range.zone.as_str(),
            "resolved_date_range": { "date_from": self.range.from, "date_to": self.range.to },
            "last_refresh": self.computed_at,
            "is_cached": false,
            "error": null,
        })
    }

    fn result_json(&self, query: &TrendsQuery, result: &TrendResult) -> Value {
        let series = &query.series[result.series];
        let mut action = series.to_json();
        action["id"] = series.event.as_deref().into();
        action["type"] = "events".into();
        action["order"] = result.series.into();
        let label = match &result.value {
            Some(value) if query.series.len() > 1 => format!("{} - {}", series.label(), value.api_value()),
            Some(value) => value.api_value().to_owned(),
            None => series.label().to_owned(),
        };
        let range = match (result.period, &self.previous) {
            (Period::Previous, Some(previous)) => previous,
            _ => &self.range,
        };
        let mut json = json!({ "action": action, "label": label, "data": result.data });
        if query.display.is_aggregated() {
            json["count"] = 0.into();
            json["aggregated_value"] = result.whole.into();
            json["days"] = json!([]);
            json["labels"] = json!([]);
        } else {
            json["count"] = result.data.iter().sum::<u64>().into();
            json["days"] = range.buckets.iter().map(|b| b.day.as_str()).collect();
            json["labels"] = range.buckets.iter().map(|b| b.label.as_str()).collect();
        }
        if let Some(value) = &result.value {
            let is_list = query.breakdown.as_ref().is_some_and(|b| b.is_list);
            json["breakdown_value"] = if is_list { json!([value.api_value()]) } else { value.api_value().into() };
        }
        if query.is_compared {
            json["compare"] = true.into();
            json["compare_label"] = if result.period == Period::Current { "current" } else { "previous" }.into();
        }
        json
    }
}
