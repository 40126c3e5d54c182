//! When people visit: growth over the month, a weekly rhythm, evenings, and fewer returns as time goes by.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::people::Person;
use super::rng::{Purpose, Rng};

/// What an average visit leaves behind, a little less because the last day has not gone by; held by a test.
const EVENTS_PER_VISIT: f64 = 14.4;

/// The share of people who knew the shop before the demo begins, so that it does not begin with an empty shop.
const KNEW_IT_BEFORE: f64 = 0.45;
/// Interest fades with the age of an acquaintance by this power.
const FADES: f64 = 0.55;

/// How many of a day's visits fall into each hour, on working days and at weekends.
const WORKDAY: [f64; 24] = [
    1.2, 0.6, 0.4, 0.3, 0.3, 0.6, 1.6, 3.0, 3.8, 3.8, 4.0, 4.6, 6.2, 5.6, 4.4, 4.2, 4.6, 5.6, 7.2, 9.2, 10.4, 9.4, 6.0,
    3.0,
];
const WEEKEND: [f64; 24] = [
    2.0, 1.2, 0.8, 0.5, 0.4, 0.5, 0.9, 1.8, 3.4, 5.4, 6.8, 7.2, 6.8, 6.4, 6.2, 6.0, 5.8, 5.8, 6.2, 7.0, 7.4, 6.6, 4.8,
    3.0,
];

/// Somebody comes to the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visit {
    pub starts_at: Timestamp,
    /// Number of the person.
    pub person: u32,
    /// Which of the person's visits this is, the first being 0. A visit's number makes its events' uuids.
    pub number: u32,
}

/// The days a demo covers: so many whole ones and then the day of its end, in the project's zone.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    first: Date,
    days: u16,
    zone: TimeZone,
}

impl Calendar {
    pub(super) fn new(end: Timestamp, days: u16, zone: TimeZone) -> Self {
        let last = end.to_zoned(zone.clone()).date();
        let first = last.saturating_sub(Span::new().days(i64::from(days)));
        // The last day is not over: it comes on top.
        Self { first, days: days + 1, zone }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Whether the day is one of the four on which the shop's payments are broken in Safari, eleven to eight days before
    /// the end.
    pub(super) fn payments_are_broken(&self, at: Timestamp) -> bool {
        let date = at.to_zoned(self.zone.clone()).date();
        self.days > 14 && (self.date(self.days - 12)..=self.date(self.days - 9)).contains(&date)
    }

    fn date(&self, day: u16) -> Date {
        self.first.saturating_add(Span::new().days(i64::from(day)))
    }

    /// How busy a day is, against the first day's average.
    fn weight(&self, day: u16) -> f64 {
        let rhythm = match self.date(day).weekday() {
            Weekday::Monday => 1.05,
            Weekday::Tuesday => 1.18,
            Weekday::Wednesday => 1.12,
            Weekday::Thursday => 1.06,
            Weekday::Friday => 0.92,
            Weekday::Saturday => 0.72,
            Weekday::Sunday => 0.84,
        };
        rhythm * (1.0 + 0.5 * f64::from(day) / f64::from(self.days.max(1)))
    }

    fn moment(&self, day: u16, rng: &mut Rng) -> Timestamp {
        let date = self.date(day);
        let hours = if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) { &WEEKEND } else { &WORKDAY };
        let all: [usize; 24] = std::array::from_fn(|hour| hour);
        let hour = *rng.weighted(&all, |hour| hours[*hour]);
        let pick = |n: usize, rng: &mut Rng| i8::try_from(rng.below(n)).expect("below 60");
        let (minute, second) = (pick(60, rng), pick(60, rng));
        let hour = i8::try_from(hour).expect("below 24");
        // An hour that a clock change leaves out becomes the next one.
        date.at(hour, minute, second, 0)
            .to_zoned(self.zone.clone())
            .map_or(Timestamp::UNIX_EPOCH, |moment| moment.timestamp())
    }

    /// When somebody came to know the shop, and when the first visit is that the demo sees.
    fn acquaintance(&self, seed: u64, number: u64, days: &[u16]) -> Acquaintance {
        let mut rng = Rng::new(seed, Purpose::Calendar, number);
        if rng.chance(KNEW_IT_BEFORE) {
            let since = -rng.between(0.0, 60.0).floor();
            let seen = *rng.weighted(days, |day| self.weight(*day) * (f64::from(*day) - since + 1.0).powf(-FADES));
            return Acquaintance { since, seen };
        }
        let seen = *rng.weighted(days, |day| self.weight(*day));
        Acquaintance { since: f64::from(seen), seen }
    }

    /// Every visit of these people, in time order, as many as make about `events` events.
    pub(super) fn visits(&self, seed: u64, people: &[Person], events: u32) -> Vec<Visit> {
        let days: Vec<u16> = (0..self.days).collect();
        let known: Vec<_> = (0_u64..).zip(people).map(|(n, _)| self.acquaintance(seed, n, &days)).collect();
        // How likely a further visit is on a day, before all are scaled to the number of events.
        let returns = |person: &Person, known: &Acquaintance, day: u16| {
            let age = f64::from(day) - known.since;
            if day == known.seen || age < 1.0 { 0.0 } else { person.loyalty * age.powf(-FADES) * self.weight(day) }
        };
        let expected: f64 = people
            .iter()
            .zip(&known)
            .flat_map(|(person, known)| days.iter().map(move |day| returns(person, known, *day)))
            .sum();
        let wanted = f64::from(events) / EVENTS_PER_VISIT - f64::from(u32::try_from(people.len()).unwrap_or(u32::MAX));
        let scale = if expected > 0.0 { (wanted / expected).max(0.0) } else { 0.0 };

        let mut visits = Vec::new();
        for ((index, person), known) in (0_u32..).zip(people).zip(&known) {
            // A stream apart from the one that chose the first day.
            let mut rng = Rng::new(seed.wrapping_add(1), Purpose::Calendar, u64::from(index));
            let mut own = vec![self.moment(known.seen, &mut rng)];
            for day in &days {
                let expected = returns(person, known, *day) * scale;
                for chance in [expected, expected - 0.7, expected - 1.4] {
                    if rng.chance(chance) {
                        own.push(self.moment(*day, &mut rng));
                    }
                }
            }
            own.sort_unstable();
            visits.extend((0_u32..).zip(own).map(|(number, starts_at)| Visit { starts_at, person: index, number }));
        }
        visits.sort_unstable();
        visits
    }
}

/// How somebody stands to the shop, in days from the demo's first.
struct Acquaintance {
    /// The first visit ever; before the demo for those who knew the shop already.
    since: f64,
    /// The day of a visit that is sure.
    seen: u16,
}
