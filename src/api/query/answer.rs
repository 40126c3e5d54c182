//! What every answer holds, whatever was asked.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::model::Project;

/// What is known of an answer beside its results.
pub(super) struct Frame<'a> {
    pub project: &'a Project,
    pub answered_at: Timestamp,
    pub elapsed: Duration,
    pub client_query_id: Option<&'a str>,
}

impl Frame<'_> {
    /// The answer in full: what the kind says wins over what is said here.
    pub fn around(&self, fields: Map<String, Value>) -> Value {
        let timings = json!([{ "k": ".", "t": self.elapsed.as_secs_f64() }]);
        let mut whole = json!({
            "results": [],
            "timings": timings,
            "hogql": null,
            "error": null,
            "modifiers": null,
            "query_status": null,
            "resolved_date_range": null,
            "is_cached": false,
            "last_refresh": self.answered_at,
            "next_allowed_client_refresh": self.answered_at,
            "cache_target_age": null,
            "cache_key": null,
            "calculation_trigger": null,
            "timezone": self.project.time_zone,
        });
        if let (Some(id), Some(whole)) = (self.client_query_id, whole.as_object_mut()) {
            whole.insert("client_query_id".to_owned(), id.into());
        }
        if let Some(whole) = whole.as_object_mut() {
            whole.extend(fields);
        }
        whole
    }
}
