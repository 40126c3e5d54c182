//! People's events, put together from rows in any order.
//!
//! A row becomes a few small numbers as it comes: whose it is, when and what. At the end they are dealt out to their owners at
//! once. Merges cost one look-up for each person, not for each event.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::RandomState;

use crate::storage::ch::{FunnelActors, FunnelBlock};

/// Rows that are held at a time: less than half a gigabyte with all that is made of them.
pub const MAX_ROWS: usize = 10_000_000;
/// Most different values of a breakdown, or actors that are no people.
const MAX_WORDS: usize = 2_000_000;
/// Numbers below have a place in a table, which then takes 128 MB.
const LOW: u64 = 1 << 25;
/// Stands for somebody who is of another part.
const NOT_HERE: u32 = u32::MAX - 1;
/// Never.
pub const NEVER: i64 = i64::MAX;

/// One event of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub at: i64,
    pub marks: u64,
    /// The place of its value among all; 0 is none.
    pub value: u32,
}

/// Whose a life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who<'a> {
    /// A person, by number.
    Person(u64),
    /// A group by its key, or whatever else goes through a funnel by its name.
    Named(&'a str),
}

/// One person, whole after merges.
#[derive(Debug)]
pub struct Life<'a> {
    pub who: Who<'a>,
    /// When they first did each of the things of which that was asked.
    pub firsts: &'a [i64],
    /// In order.
    pub events: &'a mut Vec<Event>,
}

/// Different texts, each with a number.
#[derive(Debug, Default)]
pub struct Words {
    places: HashMap<Box<str>, u32, RandomState>,
    words: Vec<Box<str>>,
    last: u32,
}

/// Where an actor's number stands among all that were seen.
///
/// Most numbers are small and come in order, so a table is quicker than hashing; those beyond it are hashes themselves, of
/// people without a profile.
#[derive(Debug, Default)]
struct Places {
    /// One more than the place; 0 where there is none.
    low: Vec<u32>,
    high: HashMap<u64, u32, RandomState>,
}

/// Rows as they come.
#[derive(Debug)]
pub struct Lives {
    /// Who has become whom.
    merges: HashMap<u64, u64, RandomState>,
    /// Of so many parts of all people, this one is held.
    part: (u64, u64),
    /// Actors that are no people.
    actors: Words,
    values: Words,
    places: Places,
    numbers: Vec<u64>,
    owners: Vec<u32>,
    events: Vec<(i64, u64)>,
    event_values: Vec<u32>,
    firsts: Vec<i64>,
    first_count: usize,
}

/// Everybody with their events.
#[derive(Debug)]
pub struct Dealt {
    values: Words,
    numbers: Vec<u64>,
    /// What actors that are no people are called, at the place that is their number.
    names: Vec<Box<str>>,
    /// Where each one's events end.
    ends: Vec<usize>,
    events: Vec<(i64, u64)>,
    event_values: Vec<u32>,
    firsts: Vec<i64>,
    first_count: usize,
}

impl Words {
    fn place(&mut self, word: &[u8]) -> u32 {
        // Rows of one person stand together, and mostly say the same.
        if self.words.get(self.last as usize).is_some_and(|last| last.as_bytes() == word) {
            return self.last;
        }
        let word = String::from_utf8_lossy(word);
        self.last = match self.places.get(&*word) {
            Some(place) => *place,
            None => {
                let place = u32::try_from(self.words.len()).unwrap_or(NOT_HERE);
                self.words.push(word.clone().into());
                self.places.insert(word.into(), place);
                place
            }
        };
        self.last
    }

    fn word(&self, place: u32) -> &str {
        self.words.get(place as usize).map_or("", |word| word)
    }
}

impl Places {
    fn get(&self, number: u64) -> Option<u32> {
        if number < LOW { self.low.get(number as usize)?.checked_sub(1) } else { self.high.get(&number).copied() }
    }

    fn put(&mut self, number: u64, place: u32) {
        if number >= LOW {
            self.high.insert(number, place);
            return;
        }
        let at = number as usize;
        if at >= self.low.len() {
            let mut wider = vec![0; (at + 1).next_power_of_two().max(1 << 12)];
            wider[..self.low.len()].copy_from_slice(&self.low);
            self.low = wider;
        }
        self.low[at] = place + 1;
    }
}

impl Lives {
    /// Nobody yet. `no_value` is the text of an event without a value; of each actor it is known when they first did
    /// `first_count` things.
    pub fn new(merges: &[(u64, u64)], part: (u64, u64), no_value: &str, first_count: usize) -> Self {
        let mut values = Words::default();
        values.place(no_value.as_bytes());
        Self {
            merges: merges.iter().copied().collect(),
            part,
            actors: Words::default(),
            values,
            places: Places::default(),
            numbers: Vec::new(),
            owners: Vec::new(),
            events: Vec::new(),
            event_values: Vec::new(),
            firsts: Vec::new(),
            first_count,
        }
    }

    /// Takes rows. False if there is no room for more.
    pub fn add(&mut self, block: FunnelBlock<'_>) -> bool {
        let before = self.owners.len();
        match block.actors {
            FunnelActors::People(numbers) => {
                let mut last = None;
                for number in numbers.iter() {
                    let place = match last {
                        Some((same, place)) if same == number => place,
                        _ => self.place(number),
                    };
                    last = Some((number, place));
                    self.owners.push(place);
                }
            }
            FunnelActors::Texts(texts) => {
                for text in texts.iter() {
                    let number = u64::from(self.actors.place(text));
                    let place = self.place(number);
                    self.owners.push(place);
                }
            }
        }
        let marks = block.marks.map(|marks| marks.iter());
        self.events.extend(block.at.signed().zip(marks.into_iter().flatten()));
        if let Some(values) = block.values {
            self.event_values.extend(values.iter().map(|value| self.values.place(value)));
        }
        if self.part.1 > 1 {
            self.drop_others(before);
        }
        self.owners.len() <= MAX_ROWS && self.values.words.len() <= MAX_WORDS && self.actors.words.len() <= MAX_WORDS
    }

    /// Takes when each actor first did thing number `which`. Who did nothing else is of no use.
    pub fn add_firsts(&mut self, which: usize, block: FunnelBlock<'_>) -> bool {
        self.firsts.resize(self.numbers.len() * self.first_count, NEVER);
        let mut take = |place: Option<u32>, at: i64| {
            if let Some(place) = place.filter(|place| *place != NOT_HERE) {
                let first = &mut self.firsts[place as usize * self.first_count + which];
                *first = at.min(*first);
            }
        };
        match block.actors {
            FunnelActors::People(numbers) => {
                for (number, at) in numbers.iter().zip(block.at.signed()) {
                    let whole = self.merges.get(&number).copied().unwrap_or(number);
                    take(self.places.get(whole), at);
                }
            }
            FunnelActors::Texts(texts) => {
                for (text, at) in texts.iter().zip(block.at.signed()) {
                    let number = std::str::from_utf8(text).ok().and_then(|text| self.actors.places.get(text));
                    take(number.and_then(|number| self.places.get(u64::from(*number))), at);
                }
            }
        }
        true
    }

    fn place(&mut self, number: u64) -> u32 {
        if let Some(place) = self.places.get(number) {
            return place;
        }
        let whole = self.merges.get(&number).copied().unwrap_or(number);
        let place = match self.places.get(whole) {
            Some(place) => place,
            None if whole % self.part.1 != self.part.0 => NOT_HERE,
            None => {
                self.numbers.push(whole);
                u32::try_from(self.numbers.len() - 1).unwrap_or(NOT_HERE)
            }
        };
        self.places.put(whole, place);
        if number != whole {
            self.places.put(number, place);
        }
        place
    }

    /// Forgets rows, from one on, whose owners are of another part.
    fn drop_others(&mut self, from: usize) {
        let mut kept = from;
        for at in from..self.owners.len() {
            if self.owners[at] != NOT_HERE {
                self.owners[kept] = self.owners[at];
                self.events[kept] = self.events[at];
                if !self.event_values.is_empty() {
                    self.event_values[kept] = self.event_values[at];
                }
                kept += 1;
            }
        }
        self.owners.truncate(kept);
        self.events.truncate(kept);
        self.event_values.truncate(kept);
    }

    /// Gives everybody their events.
    pub fn deal(mut self) -> Dealt {
        let mut ends = vec![0_usize; self.numbers.len() + 1];
        self.owners.iter().for_each(|owner| ends[*owner as usize + 1] += 1);
        for at in 1..ends.len() {
            ends[at] += ends[at - 1];
        }
        // Where each one's events begin is where the next of them goes; in the end, where they end.
        ends.truncate(self.numbers.len());
        let mut events = vec![(0, 0); self.events.len()];
        let mut event_values = vec![0; self.event_values.len()];
        for (at, owner) in self.owners.iter().enumerate() {
            let place = &mut ends[*owner as usize];
            events[*place] = self.events[at];
            if let Some(value) = self.event_values.get(at) {
                event_values[*place] = *value;
            }
            *place += 1;
        }
        self.firsts.resize(self.numbers.len() * self.first_count, NEVER);
        Dealt {
            names: self.actors.words,
            values: self.values,
            numbers: self.numbers,
            ends,
            events,
            event_values,
            firsts: self.firsts,
            first_count: self.first_count,
        }
    }
}

impl Dealt {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// The text of a value.
    pub fn value(&self, place: u32) -> &str {
        self.values.word(place)
    }

    /// Hands out some of them: those who have any of these marks.
    pub fn each(&self, which: Range<usize>, any: u64, mut each: impl FnMut(Life<'_>)) {
        let mut events: Vec<Event> = Vec::new();
        for place in which {
            let range = place.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[place];
            if !self.events[range.clone()].iter().any(|(_, marks)| marks & any != 0) {
                continue;
            }
            let values = self.event_values.get(range.clone()).unwrap_or_default();
            let values = values.iter().copied().chain(std::iter::repeat(0));
            events.clear();
            events.extend(self.events[range].iter().zip(values).map(|((at, marks), value)| Event {
                at: *at,
                marks: *marks,
                value,
            }));
            events.sort_unstable_by(|a, b| {
                let order = (a.at, a.marks).cmp(&(b.at, b.marks));
                order.then_with(|| {
                    if a.value == b.value {
                        std::cmp::Ordering::Equal
                    } else {
                        self.value(a.value).cmp(self.value(b.value))
                    }
                })
            });
            let firsts = &self.firsts[place * self.first_count..(place + 1) * self.first_count];
            let number = self.numbers[place];
            let named = usize::try_from(number).ok().and_then(|number| self.names.get(number));
            let who = named.map_or(Who::Person(number), |name| Who::Named(name));
            each(Life { who, firsts, events: &mut events });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::storage::ch::Numbers;

    fn block(rows: &[(u64, i64, u64)], lives: &mut Lives) {
        let bytes = |of: &dyn Fn(&(u64, i64, u64)) -> u64| {
            rows.iter().flat_map(|row| of(row).to_le_bytes()).collect::<Vec<u8>>()
        };
        let (actors, at, marks) = (bytes(&|row| row.0), bytes(&|row| row.1.cast_unsigned()), bytes(&|row| row.2));
        let block = FunnelBlock {
            actors: FunnelActors::People(Numbers::of(&actors, 8)),
            at: Numbers::of(&at, 8),
            marks: Some(Numbers::of(&marks, 8)),
            values: None,
        };
        assert!(lives.add(block));
    }

    proptest! {
        #[test]
        fn everybody_gets_their_own_events_in_order_in_one_part_of_any_number(
            rows in proptest::collection::vec((0_u64..12, -5_i64..50, 1_u64..8), 0..80),
            merges in proptest::collection::btree_map(6_u64..12, 0_u64..6, 0..5),
            parts in 1_u64..4,
        ) {
            let mut expected: BTreeMap<u64, Vec<(i64, u64)>> = BTreeMap::new();
            for (actor, at, marks) in &rows {
                expected.entry(*merges.get(actor).unwrap_or(actor)).or_default().push((*at, *marks));
            }
            expected.values_mut().for_each(|events| events.sort_unstable());
            let merges: Vec<(u64, u64)> = merges.into_iter().collect();
            let mut found = BTreeMap::new();
            for part in 0..parts {
                let mut lives = Lives::new(&merges, (part, parts), "", 0);
                for rows in rows.chunks(7) {
                    block(rows, &mut lives);
                }
                let dealt = lives.deal();
                dealt.each(0..dealt.count(), u64::MAX, |life| {
                    let events: Vec<(i64, u64)> = life.events.iter().map(|event| (event.at, event.marks)).collect();
                    let Who::Person(number) = life.who else { panic!("a person") };
                    assert!(found.insert(number, events).is_none(), "nobody comes twice");
                });
            }
            prop_assert_eq!(found, expected);
        }
    }
}
