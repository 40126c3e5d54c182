//! From JSON to the events in it and the project key they name, in every shape that senders use (PROTOCOL §1.3, §1.4).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::decode::parameter;
use super::refusal::CaptureError;
use super::timestamp;
use crate::model::ProjectApiKey;

/// A request taken apart; nothing in its events is checked yet.
#[derive(Debug)]
pub struct ParsedRequest {
    /// The one key that all of the request agrees on.
    pub key: ProjectApiKey,
    /// When it was sent, by the sender's clock. An event may have a `sent_at` of its own.
    pub sent_at: Option<Timestamp>,
    /// One or more, without their keys. Whether they are objects is seen one by one.
    pub events: Vec<Value>,
}

/// Takes a request apart. `query_clock` gives the sender's clock from the query: old browsers put it there.
///
/// # Errors
/// If there is no event in it, no key, or more than one.
pub fn parse(json: Value, query_clock: impl FnOnce() -> Option<Timestamp>) -> Result<ParsedRequest, CaptureError> {
    let mut key = Key::default();
    let (mut events, sent_at) = match json {
        Value::Array(events) => (events, None),
        Value::Object(mut envelope) if envelope.contains_key("batch") => {
            key.take_from(&mut envelope)?;
            // `historical_migration` needs no treatment: there is no rule about age that it could be exempt from.
            let sent_at = sent_at(&envelope);
            match envelope.remove("batch") {
                Some(Value::Array(events)) => (events, sent_at),
                _ => return Err(CaptureError::NotEvents),
            }
        }
        Value::Object(event) => {
            let sent_at = sent_at(&event);
            (vec![Value::Object(event)], sent_at)
        }
        _ => return Err(CaptureError::NotEvents),
    };
    if events.is_empty() {
        return Err(CaptureError::EmptyBatch);
    }
    for event in &mut events {
        if let Value::Object(event) = event {
            key.take_from(event)?;
            if let Some(Value::Object(properties)) = event.get_mut("properties") {
                key.take("token", properties)?;
            }
        }
    }
    let sent_at = sent_at.or_else(query_clock);
    Ok(ParsedRequest { key: key.0.ok_or(CaptureError::MissingKey)?, sent_at, events })
}

/// The sender's clock in a raw query string.
#[must_use]
pub fn query_clock(query: &str) -> Option<Timestamp> {
    parameter(query.as_bytes(), "_").and_then(|ms| timestamp::parse_query_clock(&ms))
}

/// The `sent_at` of a request or an event, in either spelling.
pub(super) fn sent_at(fields: &Map<String, Value>) -> Option<Timestamp> {
    fields.get("sent_at").or_else(|| fields.get("sentAt")).and_then(timestamp::parse_value)
}

/// The key of a request that looks like one event or holds no events at all, such as one for flags.
///
/// # Errors
/// If there is none, or more than one.
pub fn key_of(fields: &mut Map<String, Value>) -> Result<ProjectApiKey, CaptureError> {
    let mut key = Key::default();
    key.take_from(fields)?;
    key.0.ok_or(CaptureError::MissingKey)
}

/// The key that was named so far.
#[derive(Default)]
struct Key(Option<ProjectApiKey>);

impl Key {
    fn take_from(&mut self, fields: &mut Map<String, Value>) -> Result<(), CaptureError> {
        ["token", "$token", "api_key"].into_iter().try_for_each(|name| self.take(name, fields))
    }

    /// Moves the key out: the project stands on the event, and the key would be stored a million times.
    fn take(&mut self, name: &str, fields: &mut Map<String, Value>) -> Result<(), CaptureError> {
        let text = match fields.remove(name) {
            Some(Value::String(text)) => text,
            // An empty field is what a form or an SDK without a key sends.
            None | Some(Value::Null) => return Ok(()),
            Some(_) => return Err(crate::model::InvalidApiKey::Malformed.into()),
        };
        match &self.0 {
            Some(known) if known.as_str() == text.trim() => Ok(()),
            None if text.trim().is_empty() => Ok(()),
            None => {
                self.0 = Some(text.parse()?);
                Ok(())
            }
            Some(_) => Err(CaptureError::SeveralKeys),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::InvalidApiKey;

    fn parsed(json: Value) -> Result<ParsedRequest, CaptureError> {
        parse(json, || None)
    }

    #[test]
    fn events_are_found_in_every_shape() {
        for (shape, count) in [
            (json!({"api_key": "phc_1", "event": "a"}), 1),
            (json!([{"event": "a", "properties": {"token": "phc_1"}}, {"event": "b", "$token": " phc_1 "}]), 2),
            (json!({"token": "phc_1", "batch": [{"event": "a"}, {"event": "b", "api_key": "phc_1"}, 3]}), 3),
            (json!({"batch": [{"event": "a"}, {"event": "b", "api_key": "phc_1"}]}), 2),
        ] {
            let request = parsed(shape.clone()).unwrap_or_else(|e| panic!("{shape}: {e}"));
            assert_eq!(request.key.as_str(), "phc_1");
            assert_eq!(request.events.len(), count, "{shape}");
            assert!(!json!(request.events).to_string().contains("phc_1"), "the key is not stored");
        }
    }

    #[test]
    fn one_request_is_for_one_project() {
        use CaptureError as E;
        assert!(matches!(parsed(json!({"event": "a"})), Err(E::MissingKey)));
        assert!(matches!(parsed(json!({"event": "a", "token": null, "api_key": ""})), Err(E::MissingKey)));
        let two = json!({"api_key": "phc_1", "batch": [{"properties": {"token": "phc_2"}}]});
        assert!(matches!(parsed(two), Err(E::SeveralKeys)));
        let personal = parsed(json!({"event": "a", "api_key": "phx_1"}));
        assert!(matches!(personal, Err(E::InvalidKey(InvalidApiKey::Personal))));
        assert!(matches!(parsed(json!({"event": "a", "token": 3})), Err(E::InvalidKey(InvalidApiKey::Malformed))));
    }

    #[test]
    fn what_holds_no_events_is_refused() {
        use CaptureError as E;
        assert!(matches!(parsed(json!([])), Err(E::EmptyBatch)));
        assert!(matches!(parsed(json!({"api_key": "phc_1", "batch": []})), Err(E::EmptyBatch)));
        assert!(matches!(parsed(json!({"api_key": "phc_1", "batch": {}})), Err(E::NotEvents)));
        assert!(matches!(parsed(json!(3)), Err(E::NotEvents)));
    }

    #[test]
    fn the_clock_of_the_sender_is_found_wherever_it_stands() {
        let at = |json, query| parse(json, || query_clock(query)).expect("a request").sent_at.map(|t| t.to_string());
        let body = json!({"api_key": "k", "event": "a", "sentAt": "2026-11-21T01:00:00Z"});
        assert_eq!(at(body, "_=1795226342176").as_deref(), Some("2026-11-21T01:00:00Z"));
        let array = json!([{"api_key": "k", "event": "a"}]);
        assert_eq!(at(array.clone(), "ip=1&_=1795226342176&ver=1").as_deref(), Some("2026-11-21T01:59:02.176Z"));
        assert_eq!(at(array, ""), None);
    }
}
