//! What an event does to its person's properties. Pure.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use foldhash::fast::FixedState;
use serde_json::{Map, Value};

use crate::model::Properties;

/// Event properties that are copied to the person: the latest as they are, the first under `$initial_…`.
const COPIED: &[&str] = &[
    "$app_build",
    "$app_name",
    "$app_namespace",
    "$app_version",
    "$browser",
    "$browser_version",
    "$current_url",
    "$device_type",
    "$os",
    "$os_version",
    "$pathname",
    "$raw_user_agent",
    "$referrer",
    "$referring_domain",
    "$screen_height",
    "$screen_width",
    "$viewport_height",
    "$viewport_width",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_name",
    "utm_term",
    "gclid",
    "gad_source",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "twclid",
    "li_fat_id",
    "mc_cid",
    "igshid",
    "ttclid",
    "rdt_cid",
    "irclid",
    "_kx",
    "epik",
    "qclid",
    "sccid",
    "oppref",
    "bfcid",
];

/// Keys that change with every page or update. If an ordinary event changes nothing else, its person is left as it is.
const NOISY: &[&str] = &[
    "$app_build",
    "$app_version",
    "$browser_version",
    "$current_url",
    "$os_version",
    "$pathname",
    "$raw_user_agent",
    "$referrer",
    "$referring_domain",
    "$screen_height",
    "$screen_width",
    "$viewport_height",
    "$viewport_width",
];

/// Most keys a person holds; further ones are not taken up.
const MAX_KEYS: usize = 2_000;

/// The name under which the first value of a copied property is kept.
static FIRST: LazyLock<HashMap<&str, String, FixedState>> =
    LazyLock::new(|| COPIED.iter().map(|key| (*key, first_name(key))).collect());

/// What an event wants done, in order: `once`, `set`, `unset`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Operations<'a> {
    once: Vec<(Cow<'a, str>, &'a Value)>,
    set: Vec<(&'a str, &'a Value)>,
    unset: Vec<&'a str>,
    /// Whether it is written even if only noisy keys change.
    always: bool,
}

impl<'a> Operations<'a> {
    /// Reads them from an event; none for events that never touch a person.
    pub fn of(event: &str, properties: &'a Properties) -> Self {
        if matches!(event, "$exception" | "$$heatmap") {
            return Self::default();
        }
        let mut operations = Self { always: writes_always(event), ..Self::default() };
        operations.copy(properties);
        // What the sender asks for by name wins over what is copied.
        if let Some(Value::Object(once)) = properties.get("$set_once") {
            operations.once.retain(|(key, _)| !once.contains_key(key.as_ref()));
            operations.once.extend(once.iter().map(|(key, value)| (key.into(), value)));
        }
        if let Some(Value::Object(set)) = properties.get("$set") {
            operations.set.retain(|(key, _)| !set.contains_key(*key));
            operations.set.extend(set.iter().map(|(key, value)| (key.as_str(), value)));
        }
        operations.unset = match properties.get("$unset") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(Value::Object(names)) => names.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        operations
    }

    fn copy(&mut self, properties: &'a Properties) {
        // On a server, the operating system is the machine's, not the person's.
        let is_server = properties.get("$is_server") == Some(&Value::Bool(true));
        // Absent campaign keys come as null on every event: a null never replaces what is known.
        for (key, value) in properties.iter().filter(|(_, value)| !value.is_null()) {
            let key = match key {
                "$os_name" if !properties.contains_key("$os") => "$os",
                key => key,
            };
            if is_server && key.starts_with("$os") {
                continue;
            }
            let first = match FIRST.get(key) {
                Some(first) => Cow::Borrowed(first.as_str()),
                None if key.starts_with("$geoip_") => first_name(key).into(),
                None => continue,
            };
            self.set.push((key, value));
            self.once.push((first, value));
        }
    }

    /// Carries them out and says whether anything changed. A new person takes everything.
    pub fn apply(self, properties: &mut Arc<Map<String, Value>>, is_new: bool) -> bool {
        let mut changes: Vec<(Cow<'_, str>, Option<&Value>)> = Vec::new();
        for (key, value) in self.once {
            let is_free = match properties.get(key.as_ref()) {
                None => true,
                Some(Value::Null) => !value.is_null(),
                Some(_) => false,
            };
            if is_free {
                changes.push((key, Some(value)));
            }
        }
        for (key, value) in self.set {
            if properties.get(key) != Some(value) || changes.iter().any(|(changed, _)| *changed == key) {
                changes.push((key.into(), Some(value)));
            }
        }
        for key in self.unset {
            if properties.contains_key(key) || changes.iter().any(|(changed, _)| *changed == key) {
                changes.push((key.into(), None));
            }
        }
        let is_noise = !is_new && !self.always && changes.iter().all(|(key, _)| is_noisy(key));
        if changes.is_empty() || is_noise {
            return false;
        }
        let properties = Arc::make_mut(properties);
        for (key, value) in changes {
            match value {
                Some(value) if properties.len() < MAX_KEYS || properties.contains_key(key.as_ref()) => {
                    properties.insert(key.into_owned(), value.clone());
                }
                Some(_) => {}
                None => {
                    properties.shift_remove(key.as_ref());
                }
            }
        }
        true
    }
}

fn first_name(key: &str) -> String {
    format!("$initial_{}", key.strip_prefix('$').unwrap_or(key))
}

/// Another person's properties under this one's.
pub(super) fn merged(other: &Map<String, Value>, target: &Map<String, Value>) -> Map<String, Value> {
    let mut all = other.clone();
    all.extend(target.iter().map(|(key, value)| (key.clone(), value.clone())));
    all
}

/// What is a person's own of its properties: not what it has from those merged into it, unless that was changed since.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Own {
    pub properties: Map<String, Value>,
    /// What it had from others and was unset.
    pub removed: Vec<String>,
}

impl Own {
    pub fn of(properties: &Map<String, Value>, inherited: &Map<String, Value>) -> Self {
        let own = properties.iter().filter(|(key, value)| inherited.get(*key) != Some(*value));
        Self {
            properties: own.map(|(key, value)| (key.clone(), value.clone())).collect(),
            removed: inherited.keys().filter(|key| !properties.contains_key(*key)).cloned().collect(),
        }
    }

    /// With another person's under them.
    pub fn over(mut self, other: &Self) -> Self {
        for (key, value) in &other.properties {
            if !self.properties.contains_key(key) && !self.removed.contains(key) {
                self.properties.insert(key.clone(), value.clone());
            }
        }
        self
    }
}

fn writes_always(event: &str) -> bool {
    matches!(event, "$identify" | "$create_alias" | "$merge_dangerously" | "$set" | "$set_once")
}

fn is_noisy(key: &str) -> bool {
    NOISY.contains(&key) || key.starts_with("$geoip_")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().expect("an object")
    }

    /// The person after the event, or `None` if it is left alone.
    fn after(event: &str, person: Value, properties: Value, is_new: bool) -> Option<Value> {
        let mut person = Arc::new(object(person));
        let changed = Operations::of(event, &object(properties).into()).apply(&mut person, is_new);
        changed.then(|| Value::Object((*person).clone()))
    }

    #[test]
    fn set_once_set_and_unset_come_in_this_order() {
        let event =
            json!({ "$set_once": { "a": 1, "b": 1, "n": 2 }, "$set": { "b": 2, "c": 3 }, "$unset": ["c", "old"] });
        let person = json!({ "a": 0, "n": null, "old": 1 });
        assert_eq!(after("$set", person, event, false), Some(json!({ "a": 0, "n": 2, "b": 2 })));
        assert_eq!(after("$set", json!({ "x": 1 }), json!({ "$unset": { "x": "any" } }), false), Some(json!({})));
        assert_eq!(after("$set", json!({ "x": 1 }), json!({ "$set": { "x": 1 } }), false), None);
    }

    #[test]
    fn the_first_is_kept_the_latest_replaced_and_null_never_replaces() {
        let first =
            after("$pageview", json!({}), json!({ "utm_source": "a", "$browser": "Safari", "gclid": null }), true);
        let expected = json!({
            "$browser": "Safari", "utm_source": "a", "$initial_browser": "Safari", "$initial_utm_source": "a"
        });
        assert_eq!(first, Some(expected.clone()));
        let later =
            after("$pageview", expected, json!({ "utm_source": "b", "$browser": null }), false).expect("changed");
        assert_eq!((&later["utm_source"], &later["$initial_utm_source"]), (&json!("b"), &json!("a")));
        assert_eq!(later["$browser"], "Safari");
        // A slot that holds null may still be claimed, but not by another null.
        let claimed = after("$pageview", json!({ "$initial_gclid": null }), json!({ "gclid": "g" }), false);
        assert_eq!(claimed.expect("changed")["$initial_gclid"], "g");
    }

    #[test]
    fn noise_alone_is_not_written_by_ordinary_events_of_known_persons() {
        let known = json!({ "$current_url": "/a", "$initial_current_url": "/a" });
        let event = json!({ "$current_url": "/b" });
        assert_eq!(after("$pageview", known.clone(), event.clone(), false), None);
        assert!(after("$pageview", known.clone(), event.clone(), true).is_some());
        assert!(after("$identify", known.clone(), event, false).is_some());
        let more = json!({ "$current_url": "/b", "$set": { "plan": "pro" } });
        assert_eq!(after("$pageview", known, more, false).expect("changed")["$current_url"], "/b");
    }

    #[test]
    fn some_events_never_touch_a_person_and_a_server_has_no_os_of_its_own() {
        assert_eq!(after("$exception", json!({}), json!({ "$set": { "a": 1 } }), true), None);
        assert_eq!(after("$$heatmap", json!({}), json!({ "$browser": "x" }), true), None);
        let server = json!({ "$is_server": true, "$os": "Linux", "$os_version": "6", "$app_name": "api" });
        assert_eq!(
            after("e", json!({}), server, true),
            Some(json!({ "$initial_app_name": "api", "$app_name": "api" }))
        );
        let named = after("e", json!({}), json!({ "$os_name": "iOS" }), true).expect("changed");
        assert_eq!((&named["$os"], &named["$initial_os"]), (&json!("iOS"), &json!("iOS")));
    }

    #[test]
    fn a_merge_lets_the_target_win() {
        let all = merged(&object(json!({ "a": 1, "b": 1 })), &object(json!({ "b": 2, "c": 2 })));
        assert_eq!(Value::Object(all), json!({ "a": 1, "b": 2, "c": 2 }));
    }
}
