//! What every answer holds, whatever was asked.

use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::insights::running::{Answered, JsonAnswer};
use crate::model::Project;

/// What is said here and nowhere else: how an answer came about is not for its kind to say.
const OURS: &[&str] = &[
    "is_cached",
    "last_refresh",
    "next_allowed_client_refresh",
    "cache_target_age",
    "cache_key",
    "calculation_trigger",
    "query_status",
    "client_query_id",
];

/// What is known of an answer beside its results.
pub(super) struct Frame<'a> {
    pub project: &'a Project,
    pub cache_key: String,
    /// From the request to the answer.
    pub elapsed: Duration,
    pub client_query_id: Option<&'a str>,
    /// Of a newer answer that is on its way.
    pub status: Option<Value>,
}

/// An answer in full.
pub(super) struct Whole {
    frame: Map<String, Value>,
    /// None if there is none yet.
    answered: Option<Answered>,
}

impl Frame<'_> {
    /// Around an answer, or around nothing.
    pub fn around(self, answered: Option<Answered>) -> Whole {
        let mut frame = json!({
            "results": answered.is_some().then(|| json!([])),
            "timings": [{ "k": ".", "t": self.elapsed.as_secs_f64() }],
            "hogql": null,
            "error": null,
            "modifiers": null,
            "query_status": self.status,
            "resolved_date_range": null,
            "is_cached": answered.as_ref().is_some_and(Answered::is_cached),
            "last_refresh": answered.as_ref().map(Answered::asked_at),
            "next_allowed_client_refresh": answered.as_ref().map(Answered::fresh_until),
            "cache_target_age": answered.as_ref().map(Answered::fresh_until),
            "cache_key": self.cache_key,
            "calculation_trigger": null,
            "timezone": self.project.time_zone,
        });
        if let (Some(id), Some(frame)) = (self.client_query_id, frame.as_object_mut()) {
            frame.insert("client_query_id".to_owned(), id.into());
        }
        let Value::Object(frame) = frame else { unreachable!("an object was written") };
        Whole { frame, answered }
    }
}

impl Serialize for Whole {
    /// What the kind says wins over what is said here, but for [`OURS`].
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let answer = self.answered.as_ref().map(Answered::value::<JsonAnswer>);
        let fields = || answer.into_iter().flat_map(JsonAnswer::fields).filter(|(name, _)| !OURS.contains(name));
        let mut map = to.serialize_map(None)?;
        for (name, value) in &self.frame {
            if !fields().any(|(theirs, _)| theirs == name) {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in fields() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
