//! Date ranges as people and tools write them: `-7d`, `mStart`, `all`, `2026-11-01`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};
use serde_json::{Map, Value};

use super::{InvalidQuery, Reader, WeekStart};

/// From when to when, as written. Without a start it is the last seven days; without an end, until now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DateRange {
    pub from: Option<DateBound>,
    pub to: Option<DateBound>,
    /// Whether an end with a time of day means that moment; otherwise it means that whole day.
    pub is_explicit: bool,
}

/// One end of a date range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateBound {
    /// The first event there is.
    All,
    /// So long ago, moved to the start or end of that unit of time if `edge` says so.
    Relative { back: i32, unit: RangeUnit, edge: Option<Edge> },
    /// A day of the project's calendar.
    Day(Date),
    /// A time on the project's wall clock.
    Wall(DateTime),
    /// A moment.
    Instant(Timestamp),
}

/// A unit of relative ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeUnit {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Which end of a unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    Start,
    End,
}

const UNITS: &[(char, RangeUnit)] = &[
    ('M', RangeUnit::Minute),
    ('h', RangeUnit::Hour),
    ('d', RangeUnit::Day),
    ('w', RangeUnit::Week),
    ('m', RangeUnit::Month),
    ('q', RangeUnit::Quarter),
    ('y', RangeUnit::Year),
];

impl RangeUnit {
    /// Whether it is a part of a day.
    #[must_use]
    pub fn is_within_day(self) -> bool {
        matches!(self, Self::Minute | Self::Hour)
    }

    /// So many of it.
    #[must_use]
    pub fn span(self, count: i32) -> Span {
        match self {
            Self::Minute => i64::from(count).minutes(),
            Self::Hour => count.hours(),
            Self::Day => count.days(),
            Self::Week => count.weeks(),
            Self::Month => count.months(),
            Self::Quarter => (count * 3).months(),
            Self::Year => count.years(),
        }
    }

    /// The first day of the unit that holds a day.
    fn first_day(self, day: Date, week_start: WeekStart) -> Date {
        match self {
            Self::Minute | Self::Hour | Self::Day => day,
            Self::Week => week_start.first_day(day),
            Self::Month => day.first_of_month(),
            Self::Quarter => {
                let month = (day.month() - 1) / 3 * 3 + 1;
                Date::new(day.year(), month, 1).unwrap_or_else(|_| day.first_of_month())
            }
            Self::Year => day.first_of_year(),
        }
    }
}

/// A text that names no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no date; 2026-11-01, 2026-11-01T10:00:00Z, -7d, mStart and all are")]
pub struct InvalidDate(String);

impl FromStr for DateBound {
    type Err = InvalidDate;

    fn from_str(s: &str) -> Result<Self, InvalidDate> {
        let s = s.trim();
        if s == "all" {
            return Ok(Self::All);
        }
        if let Some(relative) = parse_relative(s) {
            return Ok(relative);
        }
        let wrong = || InvalidDate(s.chars().take(60).collect());
        let bound = if s.len() <= 10 {
            Self::Day(s.parse().map_err(|_| wrong())?)
        } else if let Ok(instant) = s.parse::<Timestamp>() {
            Self::Instant(instant)
        } else {
            Self::Wall(s.parse().map_err(|_| wrong())?)
        };
        let year = match &bound {
            Self::Day(day) => day.year(),
            Self::Wall(time) => time.year(),
            Self::Instant(at) => at.to_zoned(TimeZone::UTC).year(),
            Self::All | Self::Relative { .. } => return Ok(bound),
        };
        // What the store's time column can hold.
        if (1900..=2299).contains(&year) { Ok(bound) } else { Err(wrong()) }
    }
}

/// Reads `-7d`, `7d` (the same, as tools write it), `mStart`, `-1mEnd`.
fn parse_relative(s: &str) -> Option<DateBound> {
    let (rest, edge) = match (s.strip_suffix("Start"), s.strip_suffix("End")) {
        (Some(rest), _) => (rest, Some(Edge::Start)),
        (_, Some(rest)) => (rest, Some(Edge::End)),
        _ => (s, None),
    };
    let unit = rest.chars().next_back()?;
    let (_, unit) = *UNITS.iter().find(|(letter, _)| *letter == unit)?;
    let digits = rest[..rest.len() - 1].trim_start_matches('-');
    if digits.is_empty() {
        return edge.map(|edge| DateBound::Relative { back: 0, unit, edge: Some(edge) });
    }
    let back = digits.parse::<u16>().ok().filter(|n| *n < 10_000)?;
    Some(DateBound::Relative { back: back.into(), unit, edge })
}

impl fmt::Display for DateBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Relative { back, unit, edge } => {
                let (letter, _) = UNITS.iter().find(|(_, u)| u == unit).expect("every unit has its letter");
                match (back, edge) {
                    (0, Some(_)) => {}
                    (back, _) => write!(f, "-{back}")?,
                }
                write!(f, "{letter}")?;
                match edge {
                    Some(Edge::Start) => f.write_str("Start"),
                    Some(Edge::End) => f.write_str("End"),
                    None => Ok(()),
                }
            }
            Self::Day(day) => day.fmt(f),
            Self::Wall(time) => time.fmt(f),
            Self::Instant(at) => at.fmt(f),
        }
    }
}

impl DateBound {
    /// When a range that starts here starts; `None` for the first event there is.
    #[must_use]
    pub fn start(&self, now: &Zoned, week_start: WeekStart) -> Option<Timestamp> {
        let zone = now.time_zone();
        Some(match self {
            Self::All => return None,
            Self::Day(day) => day_start(*day, zone),
            Self::Wall(time) => instant(*time, zone),
            Self::Instant(at) => *at,
            Self::Relative { back, unit, edge } => {
                let at = moved(now, *back, *unit);
                match edge {
                    None if unit.is_within_day() => at.timestamp(),
                    None => day_start(at.date(), zone),
                    Some(Edge::Start) => day_start(unit.first_day(at.date(), week_start), zone),
                    Some(Edge::End) => unit_end(&at, *unit, week_start),
                }
            }
        })
    }

    /// When a range that ends here ends: the first moment that no longer belongs to it.
    #[must_use]
    pub fn end(&self, now: &Zoned, week_start: WeekStart, whole_days: bool) -> Timestamp {
        let zone = now.time_zone();
        let end_of_day = |day: Date| day_start(day.tomorrow().unwrap_or(day), zone);
        match self {
            Self::All => end_of_day(now.date()),
            Self::Day(day) => end_of_day(*day),
            Self::Wall(time) if whole_days => end_of_day(time.date()),
            Self::Wall(time) => just_after(instant(*time, zone)),
            Self::Instant(at) if whole_days => end_of_day(at.to_zoned(zone.clone()).date()),
            Self::Instant(at) => just_after(*at),
            Self::Relative { back, unit, edge } => {
                let at = moved(now, *back, *unit);
                match edge {
                    None if unit.is_within_day() => just_after(at.timestamp()),
                    None => end_of_day(at.date()),
                    Some(Edge::Start) => day_start(unit.first_day(at.date(), week_start), zone),
                    Some(Edge::End) => unit_end(&at, *unit, week_start),
                }
            }
        }
    }
}

fn moved(now: &Zoned, back: i32, unit: RangeUnit) -> Zoned {
    now.checked_sub(unit.span(back)).unwrap_or_else(|_| now.clone())
}

fn unit_end(at: &Zoned, unit: RangeUnit, week_start: WeekStart) -> Timestamp {
    let first = unit.first_day(at.date(), week_start);
    let unit = if unit.is_within_day() { RangeUnit::Day } else { unit };
    day_start(first.checked_add(unit.span(1)).unwrap_or(first), at.time_zone())
}

/// The end of a range that was written with a time is in it; 23:59:59 means that whole second.
fn just_after(at: Timestamp) -> Timestamp {
    let is_last_second = at.as_second().rem_euclid(60) == 59 && at.subsec_nanosecond() == 0;
    let step = if is_last_second { 1.second() } else { 1.microsecond() };
    at.checked_add(step).unwrap_or(at)
}

/// The first moment of a day: midnight, or what the clocks jump to where midnight is skipped.
pub(super) fn day_start(day: Date, zone: &TimeZone) -> Timestamp {
    // A day that a zone skipped whole starts where the next one does.
    let start = day.to_zoned(zone.clone()).and_then(|z| z.start_of_day());
    start.map_or(Timestamp::MIN, |z| z.timestamp())
}

fn instant(time: DateTime, zone: &TimeZone) -> Timestamp {
    time.to_zoned(zone.clone()).map_or(Timestamp::MIN, |z| z.timestamp())
}

impl DateRange {
    /// From this bound until now.
    #[must_use]
    pub fn since(from: DateBound) -> Self {
        Self { from: Some(from), to: None, is_explicit: false }
    }

    /// The last so many days, and today.
    #[must_use]
    pub fn last_days(days: u16) -> Self {
        Self::since(DateBound::Relative { back: days.into(), unit: RangeUnit::Day, edge: None })
    }

    /// Reads the `dateRange` of a query.
    ///
    /// # Errors
    /// If a bound is no date.
    pub fn read(reader: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let bound = |key: &str| {
            let place = reader.get(key)?;
            let text = place.text()?.filter(|text| !text.is_empty());
            text.map(|text| text.parse().map_err(|e: InvalidDate| place.wrong(e.to_string()))).transpose()
        };
        let range =
            Self { from: bound("date_from")?, to: bound("date_to")?, is_explicit: reader.get("explicitDate")?.flag()? };
        if range.to == Some(DateBound::All) {
            return Err(reader.get("date_to")?.wrong("\"all\" is a start, not an end"));
        }
        Ok(range)
    }

    pub(super) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.extend(self.from.iter().map(|from| ("date_from".to_owned(), from.to_string().into())));
        fields.extend(self.to.iter().map(|to| ("date_to".to_owned(), to.to_string().into())));
        if self.is_explicit {
            fields.insert("explicitDate".to_owned(), true.into());
        }
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(bound: &str, now: &str) -> String {
        let now: Zoned = now.parse().expect("a zoned time");
        let bound: DateBound = bound.parse().expect("a date");
        let at = bound.start(&now, WeekStart::Sunday).expect("not all");
        at.to_zoned(now.time_zone().clone()).datetime().to_string()
    }

    #[test]
    fn relative_dates_start_with_their_day_in_the_project_zone() {
        let now = "2026-03-29T13:30:00[Europe/Berlin]";
        assert_eq!(start("-7d", now), "2026-03-22T00:00:00");
        assert_eq!(start("-24h", now), "2026-03-28T12:30:00");
        assert_eq!(start("dStart", now), "2026-03-29T00:00:00");
        assert_eq!(start("mStart", now), "2026-03-01T00:00:00");
        assert_eq!(start("-1mStart", now), "2026-02-01T00:00:00");
        assert_eq!(start("wStart", now), "2026-03-29T00:00:00");
        assert_eq!(start("qStart", now), "2026-01-01T00:00:00");
        assert_eq!(start("-1yStart", now), "2025-01-01T00:00:00");
        assert_eq!(start("-1m", "2026-03-31T12:00:00[UTC]"), "2026-02-28T00:00:00");
    }

    #[test]
    fn an_end_takes_in_its_day_its_second_or_its_moment() {
        let now: Zoned = "2026-11-21T12:00:00[UTC]".parse().expect("a zoned time");
        let end = |text: &str, whole| {
            let bound: DateBound = text.parse().expect("a date");
            bound.end(&now, WeekStart::Sunday, whole).to_string()
        };
        assert_eq!(end("2026-11-20", false), "2026-11-21T00:00:00Z");
        assert_eq!(end("2026-11-20T10:00:00Z", true), "2026-11-21T00:00:00Z");
        assert_eq!(end("2026-11-20T10:00:00Z", false), "2026-11-20T10:00:00.000001Z");
        assert_eq!(end("2026-11-20 23:59:59", false), "2026-11-21T00:00:00Z");
        assert_eq!(end("-1dEnd", false), "2026-11-21T00:00:00Z");
        assert_eq!(end("-1mEnd", false), "2026-11-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_date_is_refused_and_what_is_comes_back_as_written() {
        for text in
            ["", "d", "-d", "7x", "-99999d", "tomorrow", "2026-13-01", "9999-01-01", "-7dMiddle", "💥d", "Start"]
        {
            assert!(text.parse::<DateBound>().is_err(), "{text}");
        }
        for text in ["-7d", "mStart", "-1mEnd", "all", "2026-11-01", "2026-11-01T10:00:00Z", "-90M", "-0d"] {
            assert_eq!(text.parse::<DateBound>().map(|b| b.to_string()), Ok(text.to_owned()));
        }
    }
}
