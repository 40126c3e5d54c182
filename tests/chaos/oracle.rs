//! What was sent, and what was promised of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tenrec::model::Clock;
use uuid::Uuid;

use crate::rng::Rng;

/// People of one round.
const USERS: u64 = 100;

/// An event as it is to be sent.
#[derive(Debug, Clone)]
pub struct Event {
    pub uuid: Uuid,
    pub name: String,
    pub distinct_id: String,
    pub at: Timestamp,
    pub properties: Map<String, Value>,
    /// JSON to put among the properties as it is, such as `"odd":NaN`.
    pub raw_property: Option<String>,
    /// JSON to send instead of the time.
    pub raw_timestamp: Option<String>,
}

/// What was heard of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// No answer, or an error of the server: it may be stored, but not twice.
    Unclear,
    /// Answered with success: it must be stored, once.
    Promised,
    /// Refused by name: it must not be stored.
    Refused,
}

/// What must be found of an event, if it is found.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Of name, distinct id and properties.
    pub hash: String,
    /// In microseconds; nothing if the time that was sent is replaced.
    pub at: Option<i64>,
    pub fate: Fate,
    /// Says that two names are one person.
    pub anonymous_id: Option<String>,
    pub distinct_id: String,
    pub has_profile: bool,
}

/// Issues events and remembers them. Clones share what they know.
#[derive(Clone)]
pub struct Oracle {
    round: Arc<str>,
    state: Arc<Mutex<State>>,
}

struct State {
    rng: Rng,
    /// Over how many past months events are spread; 0 for few of them, and those in one month.
    months: u64,
    issued: HashMap<Uuid, Issued>,
}

impl Oracle {
    /// For one round: all its distinct ids begin with the name of the round.
    pub fn new(round: &str, rng: Rng) -> Self {
        Self { round: round.into(), state: Arc::new(Mutex::new(State { rng, months: 0, issued: HashMap::new() })) }
    }

    /// Spreads events evenly over so many months: a batch makes an insert for each.
    pub fn over_months(self, months: u64) -> Self {
        self.state().months = months;
        self
    }

    /// What all distinct ids of the round begin with.
    pub fn prefix(&self) -> String {
        format!("{}/", self.round)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Chance of its own for a driver.
    pub fn fork_rng(&self) -> Rng {
        Rng::new(self.state().rng.next())
    }

    /// Makes events and remembers them as not answered yet.
    pub fn issue(&self, count: usize) -> Vec<Event> {
        let mut state = self.state();
        (0..count)
            .map(|_| {
                let event = state.make(&self.prefix());
                state.remember(&event);
                event
            })
            .collect()
    }

    /// Makes one event, lets it be changed, and remembers it so.
    pub fn issue_with(&self, change: impl FnOnce(&mut Event)) -> Event {
        let mut state = self.state();
        let mut event = state.make(&self.prefix());
        change(&mut event);
        seal(&mut event);
        state.remember(&event);
        event
    }

    /// They were answered with success.
    pub fn promised(&self, uuids: &[Uuid]) {
        let mut state = self.state();
        for uuid in uuids {
            let issued = state.issued.get_mut(uuid).expect("only what was issued is answered");
            assert_ne!(issued.fate, Fate::Refused, "{uuid} was refused before");
            issued.fate = Fate::Promised;
        }
    }

    /// They were refused, each by itself.
    pub fn refused(&self, uuids: &[Uuid]) {
        let mut state = self.state();
        for uuid in uuids {
            let issued = state.issued.get_mut(uuid).expect("only what was issued is answered");
            assert_ne!(issued.fate, Fate::Promised, "{uuid} was accepted before");
            issued.fate = Fate::Refused;
        }
    }

    /// They were accepted, but no store takes them: they must not be there.
    pub fn put_aside(&self, uuids: &[Uuid]) {
        let mut state = self.state();
        for uuid in uuids {
            state.issued.get_mut(uuid).expect("only what was issued is put aside").fate = Fate::Refused;
        }
    }

    /// All that was issued.
    pub fn issued(&self) -> HashMap<Uuid, Issued> {
        self.state().issued.clone()
    }

    /// How many events have this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.state().issued.values().filter(|issued| issued.fate == fate).count()
    }
}

impl State {
    fn make(&mut self, prefix: &str) -> Event {
        let mut event = make(prefix, &mut self.rng);
        if self.months > 0 {
            event.at -= Duration::from_secs(self.rng.below(self.months) * 31 * 86_400);
        }
        event
    }

    fn remember(&mut self, event: &Event) {
        let text = |key: &str| event.properties.get(key).and_then(Value::as_str).map(str::to_owned);
        let issued = Issued {
            hash: text("hash").expect("every event has one"),
            at: event.raw_timestamp.is_none().then(|| event.at.as_microsecond()),
            fate: Fate::Unclear,
            anonymous_id: text("$anon_distinct_id"),
            distinct_id: event.distinct_id.clone(),
            has_profile: !event.properties.contains_key("$process_person_profile"),
        };
        assert!(self.issued.insert(event.uuid, issued).is_none(), "a uuid is issued once");
    }
}

/// An event of a user, or of the same user before it had a name, or of nobody.
fn make(prefix: &str, rng: &mut Rng) -> Event {
    let (user, number) = (rng.below(USERS), rng.below(1 << 40));
    let mut properties = Map::new();
    let (mut name, mut distinct_id) = (format!("event {}", rng.below(8)), format!("{prefix}user-{user}"));
    match rng.below(100) {
        0..3 => {
            name = "$identify".to_owned();
            properties.insert("$anon_distinct_id".to_owned(), format!("{prefix}anon-{user}").into());
        }
        3..10 => distinct_id = format!("{prefix}anon-{user}"),
        10..20 => {
            distinct_id = format!("{prefix}ghost-{user}");
            properties.insert("$process_person_profile".to_owned(), false.into());
        }
        20..40 => {
            properties.insert("$set".to_owned(), json!({"plan": plan_of(&distinct_id)}));
        }
        _ => {}
    }
    properties.insert("n".to_owned(), number.into());
    properties.insert("words".to_owned(), words(rng).into());
    if rng.percent(50) {
        properties.insert("flag".to_owned(), rng.percent(50).into());
        properties.insert("list".to_owned(), json!([number, rng.below(10), rng.below(10)]));
        properties.insert("ratio".to_owned(), json!(f64::from(u32::try_from(rng.below(1000)).unwrap()) + 0.125));
    }
    if rng.percent(50) {
        properties.insert("deep".to_owned(), json!({"er": {"x.y": words(rng), "z": number}}));
        // One property of several types, as in life.
        let mixed = [json!(number), json!("text"), json!(true), json!(0.5)];
        properties.insert("mixed".to_owned(), rng.pick(&mixed).clone());
    }
    // Some belong to another month: a batch then makes more than one insert.
    let age = if rng.percent(3) { 40 * 86_400_000 } else { rng.below(60_000) };
    let at = Clock::system().now() - Duration::from_millis(age);
    let mut event = Event {
        uuid: Uuid::from_u64_pair(rng.next() & !0xf000 | 0x7000, rng.next() >> 2 | 1 << 63),
        name,
        distinct_id,
        at: Timestamp::from_millisecond(at.as_millisecond()).unwrap(),
        properties,
        raw_property: None,
        raw_timestamp: None,
    };
    seal(&mut event);
    event
}

/// What `$set` says of a user: always the same, so that the order of requests does not matter.
pub fn plan_of(distinct_id: &str) -> String {
    format!("plan of {distinct_id}")
}

fn words(rng: &mut Rng) -> String {
    const WORDS: [&str; 8] = ["shop", "Ärger", "\"quoted\"", "a\\b", "猫", "🦀", "new\nline", "%2F&=+ ;"];
    let count = rng.between(1, 12);
    (0..count).map(|_| *rng.pick(&WORDS)).collect::<Vec<_>>().join(" ")
}

/// Puts the hash of the event among its properties.
fn seal(event: &mut Event) {
    event.properties.remove("hash");
    let hash = hash(&event.name, &event.distinct_id, &event.properties);
    event.properties.insert("hash".to_owned(), hash.into());
}

/// The hash of an event: of its name, its distinct id and those properties that Tenrec leaves as they are.
pub fn hash(name: &str, distinct_id: &str, properties: &Map<String, Value>) -> String {
    let ours = properties
        .iter()
        .filter(|(key, _)| !key.is_empty() && !["$", "odd", "hash"].iter().any(|p| key.starts_with(p)));
    let ours: Map<String, Value> = ours.map(|(key, value)| (key.clone(), value.clone())).collect();
    let text = sorted(&json!([name, distinct_id, ours])).to_string();
    Sha256::digest(text).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// The same value with the keys of all objects in order: a store may give them back in another.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
