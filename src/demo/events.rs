//! The stream of all events of the shop, oldest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::vec;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::browser::DemoEvent;
use super::calendar::{Calendar, Visit};
use super::people::Person;
use super::story::{Circumstances, Customer, play};

/// What to make up. The same options give the same events, to the last uuid.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    pub seed: u64,
    /// Whole days, after which comes the day of `end` up to then, in the project's zone.
    pub days: u16,
    pub people: u32,
    /// How many events to aim at, had the last day gone by.
    pub events: u32,
    /// Nothing happens after this. A later end on the same day adds events and changes none.
    pub end: Timestamp,
    /// The project's zone, whose days and evenings the shop keeps.
    pub zone: TimeZone,
}

impl DemoOptions {
    /// Thirty days, 3,000 people, about 100,000 events, up to now.
    #[must_use]
    pub fn new(end: Timestamp, zone: TimeZone) -> Self {
        Self { seed: 1, days: 30, people: 3_000, events: 100_000, end, zone }
    }

    /// The events, in the order they happened. Holds the people and some hours of events in memory, not the month.
    #[must_use]
    pub fn events(&self) -> DemoEvents {
        let people: Vec<Person> = (0..u64::from(self.people)).map(|number| Person::new(self.seed, number)).collect();
        let calendar = Calendar::new(self.end, self.days.max(1), self.zone.clone());
        let visits = calendar.visits(self.seed, &people, self.events);
        DemoEvents {
            seed: self.seed,
            end: self.end,
            customers: vec![Customer::default(); people.len()],
            people,
            calendar,
            visits: visits.into_iter().peekable(),
            ahead: BinaryHeap::new(),
            made: 0,
        }
    }
}

/// An iterator over the events of a demo; see [`DemoOptions::events`].
#[derive(Debug)]
pub struct DemoEvents {
    seed: u64,
    end: Timestamp,
    people: Vec<Person>,
    customers: Vec<Customer>,
    calendar: Calendar,
    visits: Peekable<vec::IntoIter<Visit>>,
    /// Events of visits that have begun, the earliest on top.
    ahead: BinaryHeap<Reverse<Ahead>>,
    made: u64,
}

/// An event that waits for its turn: by time, then by the order it was made in.
#[derive(Debug)]
struct Ahead(Timestamp, u64, DemoEvent);

impl PartialEq for Ahead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ahead {}

impl PartialOrd for Ahead {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ahead {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

impl DemoEvents {
    fn begin(&mut self, visit: Visit) {
        let index = usize::try_from(visit.person).expect("a person's number is an index");
        let customer = &mut self.customers[index];
        // Somebody is in the shop once at a time, and a session ends after half an hour of silence.
        let soonest = customer.left_at.map_or(visit.starts_at, |left| left + SignedDuration::from_mins(45));
        let starts_at = visit.starts_at.max(soonest);
        let weekday = starts_at.to_zoned(self.calendar.zone().clone()).weekday();
        let around = Circumstances {
            seed: self.seed,
            person_number: visit.person,
            visit_number: visit.number,
            starts_at,
            newsletter_is_fresh: matches!(weekday, Weekday::Tuesday | Weekday::Wednesday),
            payments_are_broken: self.calendar.payments_are_broken(starts_at),
        };
        for event in play(&self.people[index], customer, around) {
            self.made += 1;
            if event.timestamp <= self.end {
                self.ahead.push(Reverse(Ahead(event.timestamp, self.made, event)));
            }
        }
    }
}

impl Iterator for DemoEvents {
    type Item = DemoEvent;

    fn next(&mut self) -> Option<DemoEvent> {
        while let Some(visit) = self.visits.peek() {
            if self.ahead.peek().is_some_and(|Reverse(Ahead(at, ..))| *at < visit.starts_at) {
                break;
            }
            if let Some(visit) = self.visits.next() {
                self.begin(visit);
            }
        }
        self.ahead.pop().map(|Reverse(Ahead(_, _, event))| event)
    }
}
