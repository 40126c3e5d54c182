//! Events of a few people over some days, by chance but the same for the same seed, and who they are after merges.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Desk;

const FIRST: &str = "2026-10-01T00:00:00Z";
const IDS: u64 = 14;
/// Those from here on have no profile.
const FIRST_WITHOUT_PROFILE: u64 = 11;
/// Whose events become whose.
const MERGES: [(u64, u64); 3] = [(1, 0), (3, 2), (0, 2)];

/// A small generator: the numbers need not be good, only many and the same each time.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

/// One event as a naive reading sees it.
#[derive(Debug, Clone)]
pub struct Happened {
    pub person: u64,
    pub event: String,
    pub at: Timestamp,
    pub page: String,
    pub plan: String,
    pub amount: f64,
}

impl Happened {
    /// Whether whoever did it has a profile, and so can be listed.
    pub fn has_profile(&self) -> bool {
        self.person < FIRST_WITHOUT_PROFILE
    }
}

/// All of them by time.
pub struct World {
    pub events: Vec<Happened>,
}

impl World {
    /// Makes events up and sends them to the desk's project, and others to another one.
    pub async fn send(desk: &Desk, seed: u64, days: u64) -> Self {
        let mut chance = Chance::new(seed);
        let first: Timestamp = FIRST.parse().unwrap();
        let mut moments = BTreeSet::new();
        while moments.len() < 260 {
            // Near each other within a day, so that sessions of pages come about; no two at once.
            let minutes = chance.below(days) * 1_440 + 600 + chance.below(260);
            moments.insert(minutes);
        }
        let mut sent = Vec::new();
        let mut events = Vec::new();
        for minutes in moments {
            let id = chance.below(IDS).min(chance.below(IDS + 4));
            let event = ["visit", "buy", "$pageview"][usize::try_from(chance.below(3)).unwrap()].to_owned();
            let at = first + i64::try_from(minutes).unwrap().minutes();
            let page = format!("/{}", chance.below(4));
            let plan = ["free", "paid"][usize::try_from(chance.below(2)).unwrap()].to_owned();
            let amount = (minutes % 7) as f64 + 0.5;
            sent.push(
                json!({ "event": event, "distinct_id": format!("u{id}"), "timestamp": at.to_string(), "properties": {
                "$current_url": page, "plan": plan, "amount": amount, "$process_person_profile": id < FIRST_WITHOUT_PROFILE } }),
            );
            events.push(Happened { person: whole(id), event, at, page, plan, amount });
        }
        let after = first + i64::try_from(days * 1_440 + 60).unwrap().minutes();
        for (from, into) in MERGES {
            sent.push(json!({ "event": "$merge_dangerously", "distinct_id": format!("u{into}"), "timestamp": after.to_string(),
                "properties": { "alias": format!("u{from}") } }));
        }
        let (_, _, theirs) = desk.app.stranger().await;
        desk.send_to(&theirs, &Value::from(sent.clone())).await;
        let (before, merges) = sent.split_at(events.len());
        desk.send(&before.to_vec().into()).await;
        desk.send(&merges.to_vec().into()).await;
        Self { events }
    }

    /// Whether a person has a profile.
    pub fn has_profile(person: u64) -> bool {
        person < FIRST_WITHOUT_PROFILE
    }

    /// The first day, in days since 1970.
    pub fn first_day() -> i64 {
        FIRST.parse::<Timestamp>().unwrap().as_second() / 86_400
    }

    /// The day of a moment, from the first day on.
    pub fn day(at: Timestamp) -> i64 {
        let first: Timestamp = FIRST.parse().unwrap();
        (at.as_second() - first.as_second()).div_euclid(86_400)
    }

    /// On which days each did what is asked for, and how often.
    pub fn days_of(&self, is_it: impl Fn(&Happened) -> bool) -> BTreeMap<u64, BTreeMap<i64, u64>> {
        let mut days: BTreeMap<u64, BTreeMap<i64, u64>> = BTreeMap::new();
        for event in self.events.iter().filter(|event| is_it(event)) {
            *days.entry(event.person).or_default().entry(Self::day(event.at)).or_default() += 1;
        }
        days
    }
}

/// Who an id is after all merges.
pub fn whole(id: u64) -> u64 {
    MERGES.iter().fold(id, |id, (from, into)| if id == *from { *into } else { id })
}
