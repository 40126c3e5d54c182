//! A date range as instants, cut into buckets on the project's calendar.
//!
//! Buckets are made here once, by the rules of the zone, and the store's rows are laid over them: no day is doubled or
//! missing where clocks change. An hour is so many seconds after the day's first moment, as the store counts it too.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::date_range::day_start;
use super::{DateBound, DateRange, Interval, InvalidQuery, RangeUnit, WeekStart};
use crate::model::TimeZoneName;

/// Most points of a series: what a page can still draw and a person still read.
const MAX_BUCKETS: usize = 5_000;

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// One point of the time axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// What the store calls it: days since 1970 for days and longer, seconds since 1970 for parts of a day.
    pub key: i64,
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
    /// As the query API writes it: `2026-11-01`, or `2026-11-01 10:00:00`.
    pub day: String,
    /// As people read it: `1-Nov-2026`, `1–7 Nov`, `Nov 2026`, `1-Nov-2026 10:00`.
    pub label: String,
}

/// A date range with its instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRange {
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    pub zone: TimeZoneName,
    pub interval: Interval,
    pub week_start: WeekStart,
    pub buckets: Vec<Bucket>,
    /// Whether the last bucket is still running.
    pub is_last_incomplete: bool,
}

impl DateRange {
    /// Whether [`DateRange::resolve`] needs to know when the first event was.
    #[must_use]
    pub fn starts_with_first_event(&self) -> bool {
        self.from == Some(DateBound::All)
    }

    /// Gives the range its instants and buckets.
    ///
    /// # Errors
    /// If it ends before it starts, or has more buckets than can be shown.
    pub fn resolve(
        &self,
        interval: Interval,
        zone: &TimeZoneName,
        now: Timestamp,
        week_start: WeekStart,
        first_event: Option<Timestamp>,
    ) -> Result<ResolvedRange, InvalidQuery> {
        let rules = zone.rules();
        let now_there = now.to_zoned(rules.clone());
        let week = DateBound::Relative { back: 7, unit: RangeUnit::Day, edge: None };
        let start = self.from.as_ref().unwrap_or(&week).start(&now_there, week_start);
        let mut from = match start {
            Some(start) => start,
            None => day_start(first_event.unwrap_or(now).to_zoned(rules.clone()).date(), &rules),
        };
        let to = match &self.to {
            Some(to) => to.end(&now_there, week_start, !self.is_explicit && !interval.is_within_day()),
            None if interval.is_within_day() => bucket_end(now, interval, &rules),
            None => DateBound::Day(now_there.date()).end(&now_there, week_start, true),
        };
        if interval == Interval::Month {
            from = day_start(from.to_zoned(rules.clone()).date().first_of_month(), &rules);
        }
        if to <= from {
            return Err(InvalidQuery::new("dateRange.date_to", "the range ends before it starts"));
        }
        cut(from, to, interval, zone, now, week_start)
    }

    /// The range of the same length before this one, for comparing: `range` is this one, resolved.
    ///
    /// # Errors
    /// If it lies before all time.
    pub fn resolve_previous(&self, range: &ResolvedRange, now: Timestamp) -> Result<ResolvedRange, InvalidQuery> {
        let rules = range.zone.rules();
        let first = range.from.to_zoned(rules.clone());
        let last = range.to.to_zoned(rules.clone());
        let days = match (&self.from, &self.to) {
            // "The last seven days" reach back to the same time of day: the next such range shares one day with them.
            (None, None) => 7,
            (Some(DateBound::Relative { back, unit: RangeUnit::Day, edge: None }), None) if *back > 0 => *back,
            (Some(DateBound::Relative { back, unit: RangeUnit::Week, edge: None }), None) if *back > 0 => *back * 7,
            _ => (last.date() - first.date()).get_days(),
        };
        let before = |at: &jiff::Zoned| {
            let moved =
                if days > 0 { at.checked_sub(days.days()) } else { at.checked_sub(last.duration_since(&first)) };
            moved.map(|z| z.timestamp()).map_err(|_| InvalidQuery::new("compareFilter", "there is no time before that"))
        };
        cut(before(&first)?, before(&last)?, range.interval, &range.zone, now, range.week_start)
    }
}

impl ResolvedRange {
    /// The range in whole buckets, from the bucket before its first one on.
    ///
    /// # Errors
    /// If that has more buckets than can be shown.
    pub fn with_bucket_before(&self, now: Timestamp) -> Result<Self, InvalidQuery> {
        let first = self.buckets.first().map_or(self.from, |bucket| bucket.start);
        let to = self.buckets.last().map_or(self.to, |bucket| bucket.end);
        let from = first.checked_sub(1.microsecond()).unwrap_or(first);
        let mut range = cut(from, to, self.interval, &self.zone, now, self.week_start)?;
        range.from = range.buckets.first().map_or(from, |bucket| bucket.start);
        Ok(range)
    }

    /// The same range so long before, for comparing.
    ///
    /// # Errors
    /// If there is no such time.
    pub fn moved_back(&self, back: i32, unit: RangeUnit, now: Timestamp) -> Result<Self, InvalidQuery> {
        let rules = self.zone.rules();
        let before = |at: Timestamp| {
            let moved = at.to_zoned(rules.clone()).checked_sub(unit.span(back));
            moved
                .map(|at| at.timestamp())
                .map_err(|_| InvalidQuery::new("compareFilter", "there is no time before that"))
        };
        let (from, to) = (before(self.from)?, before(self.to)?);
        if to <= from {
            return Err(InvalidQuery::new("compareFilter", "there is no time before that"));
        }
        cut(from, to, self.interval, &self.zone, now, self.week_start)
    }

    /// The moment so many days (hours, minutes) before the end.
    ///
    /// # Errors
    /// If there is no such time.
    pub fn before_end(&self, count: u32, unit: Interval) -> Result<Timestamp, InvalidQuery> {
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        let span = match unit {
            Interval::Minute => RangeUnit::Minute,
            Interval::Hour => RangeUnit::Hour,
            Interval::Day | Interval::Week | Interval::Month => RangeUnit::Day,
        };
        let end = self.to.to_zoned(self.zone.rules()).checked_sub(span.span(count));
        end.map(|at| at.timestamp()).map_err(|_| InvalidQuery::new("dateRange", "there is no time before that"))
    }

    /// The first day of the range; of parts of a day, its first part.
    ///
    /// # Errors
    /// If that has no bucket.
    pub fn first_part(&self, now: Timestamp) -> Result<Self, InvalidQuery> {
        let unit = if self.interval.is_within_day() { self.interval } else { Interval::Day };
        let first = self.buckets.first().map_or(self.from, |bucket| bucket.start);
        let days = cut(first, self.to, unit, &self.zone, now, self.week_start)?;
        let end = days.buckets.first().map_or(self.to, |bucket| bucket.end);
        cut(first, end, unit, &self.zone, now, self.week_start)
    }

    /// Days (hours, minutes) from so many before the first of the first bucket on, to the first of the last one: what is
    /// needed to say who was there in so many up to the first of each bucket.
    ///
    /// # Errors
    /// If that has more buckets than can be counted.
    pub fn with_window(&self, count: u32, now: Timestamp) -> Result<Self, InvalidQuery> {
        let unit = if self.interval.is_within_day() { self.interval } else { Interval::Day };
        let (first, last) = match (self.buckets.first(), self.buckets.last()) {
            (Some(first), Some(last)) => (first, last),
            _ => return Ok(self.clone()),
        };
        let of_last = cut(last.start, last.end, unit, &self.zone, now, self.week_start)?;
        let to = of_last.buckets.first().map_or(last.end, |bucket| bucket.end).min(self.to.max(last.start));
        let of_first = cut(first.start, first.end, unit, &self.zone, now, self.week_start)?;
        let end = of_first.buckets.first().map_or(first.end, |bucket| bucket.end);
        let end = Self { to: end, ..self.clone() };
        cut(end.before_end(count, unit)?, to, unit, &self.zone, now, self.week_start)
    }

    /// The place of the bucket that a chart calls so: `2026-11-01`, or with a time of day.
    #[must_use]
    pub fn find_bucket(&self, day: &str) -> Option<u32> {
        let said = day.trim().trim_end_matches('Z').replace('T', " ");
        let day_alone = said.split(' ').next().unwrap_or_default();
        let is_it = |name: &str| name == said || (!self.interval.is_within_day() && name == day_alone);
        self.buckets.iter().position(|bucket| is_it(&bucket.day)).and_then(|at| u32::try_from(at).ok())
    }
}

fn cut(
    from: Timestamp,
    to: Timestamp,
    interval: Interval,
    zone: &TimeZoneName,
    now: Timestamp,
    week_start: WeekStart,
) -> Result<ResolvedRange, InvalidQuery> {
    let rules = zone.rules();
    let too_many = || InvalidQuery::new("interval", "this range has too many points; take a longer interval");
    let mut buckets = Vec::new();
    let mut day = interval.first_day(from.to_zoned(rules.clone()).date(), week_start);
    loop {
        let start = day_start(day, &rules);
        if start >= to {
            break;
        }
        let next = next_day(day, interval).ok_or_else(too_many)?;
        let end = day_start(next, &rules);
        if interval.is_within_day() {
            push_parts(&mut buckets, day, (start, end), (from, to), interval, &rules);
        } else if end > start {
            let label = label(day, next, from, to, interval, &rules);
            buckets.push(Bucket { key: days_since_epoch(day), start, end, day: day.to_string(), label });
        }
        if buckets.len() > MAX_BUCKETS {
            return Err(too_many());
        }
        day = next;
    }
    let is_last_incomplete = buckets.last().is_some_and(|last| last.start <= now && now < last.end);
    let zone = zone.clone();
    Ok(ResolvedRange { from, to, zone, interval, week_start, buckets, is_last_incomplete })
}

fn next_day(day: Date, interval: Interval) -> Option<Date> {
    let step = match interval {
        Interval::Minute | Interval::Hour | Interval::Day => 1.day(),
        Interval::Week => 1.week(),
        Interval::Month => 1.month(),
    };
    day.checked_add(step).ok()
}

fn seconds(interval: Interval) -> i64 {
    if interval == Interval::Minute { 60 } else { 3_600 }
}

/// The minutes or hours of one day that touch the range.
fn push_parts(
    into: &mut Vec<Bucket>,
    day: Date,
    (day_from, day_to): (Timestamp, Timestamp),
    (from, to): (Timestamp, Timestamp),
    interval: Interval,
    rules: &TimeZone,
) {
    let step = seconds(interval);
    let (first, last) = (day_from.as_second(), day_to.as_second().min(to.as_second() + 1));
    let skip = (from.as_second() - first).max(0) / step;
    let mut at = first + skip * step;
    while at < last && into.len() <= MAX_BUCKETS {
        let (Ok(start), Ok(end)) =
            (Timestamp::from_second(at), Timestamp::from_second((at + step).min(day_to.as_second())))
        else {
            return;
        };
        if start >= to {
            return;
        }
        let time = start.to_zoned(rules.clone()).datetime();
        let label = format!("{} {:02}:{:02}", day_label(day), time.hour(), time.minute());
        into.push(Bucket { key: at, start, end, day: time.strftime("%Y-%m-%d %H:%M:%S").to_string(), label });
        at += step;
    }
}

/// The end of the running hour or minute.
fn bucket_end(now: Timestamp, interval: Interval, rules: &TimeZone) -> Timestamp {
    let first = day_start(now.to_zoned(rules.clone()).date(), rules).as_second();
    let step = seconds(interval);
    let end = first + ((now.as_second() - first) / step + 1) * step;
    Timestamp::from_second(end).unwrap_or(now)
}

fn days_since_epoch(day: Date) -> i64 {
    i64::from((day - EPOCH).get_days())
}

fn day_label(day: Date) -> String {
    day.strftime("%-d-%b-%Y").to_string()
}

fn label(day: Date, next: Date, from: Timestamp, to: Timestamp, interval: Interval, rules: &TimeZone) -> String {
    match interval {
        Interval::Month => day.strftime("%b %Y").to_string(),
        Interval::Week => {
            // Only the days of the week that lie in the range.
            let first = day.max(from.to_zoned(rules.clone()).date());
            let last_moment = to.checked_sub(1.nanosecond()).unwrap_or(to);
            let last = next.yesterday().unwrap_or(next).min(last_moment.to_zoned(rules.clone()).date());
            if first >= last {
                day_label(first)
            } else if first.month() == last.month() {
                format!("{}–{}", first.day(), last.strftime("%-d %b"))
            } else {
                format!("{} – {}", first.strftime("%-d %b"), last.strftime("%-d %b"))
            }
        }
        _ => day_label(day),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolve(from: &str, to: &str, interval: Interval, zone: &str, now: &str) -> ResolvedRange {
        let bound = |s: &str| (!s.is_empty()).then(|| s.parse().expect("a date"));
        let range = DateRange { from: bound(from), to: bound(to), is_explicit: false };
        let zone = zone.parse().expect("a zone");
        range.resolve(interval, &zone, now.parse().expect("a time"), WeekStart::Sunday, None).expect("a range")
    }

    fn days(range: &ResolvedRange) -> Vec<&str> {
        range.buckets.iter().map(|b| b.day.as_str()).collect()
    }

    const NOW: &str = "2026-11-21T12:00:00Z";

    #[test]
    fn seven_days_back_are_eight_days_with_today_running() {
        let range = resolve("-7d", "", Interval::Day, "UTC", NOW);
        assert_eq!(range.buckets.len(), 8);
        assert_eq!((days(&range)[0], days(&range)[7]), ("2026-11-14", "2026-11-21"));
        assert!(range.is_last_incomplete);
        assert_eq!(range.buckets[7].label, "21-Nov-2026");
        assert!(!resolve("-7d", "-1d", Interval::Day, "UTC", NOW).is_last_incomplete);
    }

    #[test]
    fn days_with_a_clock_change_stay_one_day_and_hours_are_neither_doubled_nor_lost() {
        let autumn = resolve("2026-10-24", "2026-10-26", Interval::Day, "Europe/Berlin", NOW);
        assert_eq!(days(&autumn), ["2026-10-24", "2026-10-25", "2026-10-26"]);
        assert_eq!(autumn.buckets[1].end.as_second() - autumn.buckets[1].start.as_second(), 25 * 3600);
        let hours = resolve("2026-10-25", "2026-10-25", Interval::Hour, "Europe/Berlin", NOW);
        assert_eq!(hours.buckets.len(), 25);
        assert_eq!(days(&hours)[2..5], ["2026-10-25 02:00:00", "2026-10-25 02:00:00", "2026-10-25 03:00:00"]);
        let spring = resolve("2026-03-29", "2026-03-29", Interval::Hour, "Europe/Berlin", NOW);
        assert_eq!(days(&spring)[1..3], ["2026-03-29 01:00:00", "2026-03-29 03:00:00"]);
        // Clocks change at midnight here: the day starts at one.
        let cairo = resolve("2026-04-24", "2026-04-24", Interval::Hour, "Africa/Cairo", NOW);
        assert_eq!((cairo.buckets.len(), days(&cairo)[0]), (23, "2026-04-24 01:00:00"));
        // A day that never was.
        let apia = resolve("2011-12-29", "2011-12-31", Interval::Day, "Pacific/Apia", NOW);
        assert_eq!(days(&apia), ["2011-12-29", "2011-12-31"]);
    }

    #[test]
    fn weeks_keep_to_the_range_and_months_take_their_whole_first_month() {
        let weeks = resolve("2020-10-31", "2020-11-30", Interval::Week, "UTC", NOW);
        assert_eq!(days(&weeks)[..2], ["2020-10-25", "2020-11-01"]);
        let labels: Vec<_> = weeks.buckets.iter().map(|b| b.label.as_str()).collect();
        assert_eq!(labels, ["31-Oct-2020", "1–7 Nov", "8–14 Nov", "15–21 Nov", "22–28 Nov", "29–30 Nov"]);
        assert_eq!(weeks.from.to_string(), "2020-10-31T00:00:00Z");
        let months = resolve("2020-06-07", "2020-07-30", Interval::Month, "UTC", NOW);
        assert_eq!(days(&months), ["2020-06-01", "2020-07-01"]);
        assert_eq!(months.from.to_string(), "2020-06-01T00:00:00Z");
        assert_eq!(months.buckets[0].label, "Jun 2020");
    }

    #[test]
    fn an_end_with_a_time_of_day_is_in_its_hour() {
        let hours = resolve("2019-12-21T00:00:00Z", "2020-01-20T00:00:00Z", Interval::Hour, "UTC", NOW);
        assert_eq!(hours.buckets.len(), 721);
        let minutes = resolve("2020-01-11T11:30:00Z", "2020-01-11T12:30:00Z", Interval::Minute, "UTC", NOW);
        assert_eq!(minutes.buckets.len(), 61);
    }

    #[test]
    fn the_previous_range_is_as_long() {
        let previous = |from: &str, to: &str| {
            let bound = |s: &str| (!s.is_empty()).then(|| s.parse().expect("a date"));
            let range = DateRange { from: bound(from), to: bound(to), is_explicit: false };
            let now = "2020-01-04T12:00:00Z".parse().expect("a time");
            let resolved =
                range.resolve(Interval::Day, &TimeZoneName::utc(), now, WeekStart::Sunday, None).expect("a range");
            let previous = range.resolve_previous(&resolved, now).expect("a range");
            (days(&previous)[0].to_owned(), days(&previous).last().expect("days").to_string())
        };
        assert_eq!(previous("-7d", ""), ("2019-12-21".to_owned(), "2019-12-28".to_owned()));
        assert_eq!(previous("2020-01-15", "2020-01-19"), ("2020-01-10".to_owned(), "2020-01-14".to_owned()));
    }

    #[test]
    fn reversed_and_endless_ranges_are_refused_by_field() {
        let now = NOW.parse().expect("a time");
        let refused = |from: &str, to: &str, interval| {
            let range = DateRange { from: from.parse().ok(), to: to.parse().ok(), is_explicit: false };
            range.resolve(interval, &TimeZoneName::utc(), now, WeekStart::Sunday, None).map_err(|e| e.field)
        };
        assert_eq!(refused("2026-11-10", "2026-11-01", Interval::Day), Err("dateRange.date_to".to_owned()));
        assert_eq!(refused("-1y", "-0d", Interval::Minute), Err("interval".to_owned()));
    }

    proptest! {
        /// Side by side, without gap or overlap, and they hold the whole range.
        #[test]
        fn buckets_tile_the_range(day in 0_i32..9000, length in 0_i32..40, zone in 0_usize..400, interval in 0_usize..5) {
            let zones = TimeZoneName::all();
            let zone: TimeZoneName = zones[zone % zones.len()].parse().expect("a zone");
            let (_, interval) = Interval::WORDS[interval];
            let length = if interval == Interval::Minute { length % 2 } else { length };
            let first = EPOCH.checked_add((10_000 + day).days()).expect("a day");
            let last = first.checked_add(length.days()).expect("a day");
            let range = DateRange { from: Some(DateBound::Day(first)), to: Some(DateBound::Day(last)), is_explicit: false };
            let now = NOW.parse().expect("a time");
            // A day that a zone skipped may leave nothing of the range.
            if let Ok(range) = range.resolve(interval, &zone, now, WeekStart::Monday, None) {
                prop_assert!(range.buckets.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].key < pair[1].key));
                prop_assert!(range.buckets[0].start <= range.from);
                prop_assert!(range.buckets.last().expect("a bucket").end >= range.to);
            }
        }
    }
}
