//! How wide a bucket of time is.

use jiff::civil::{Date, Weekday};

/// The width of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interval {
    Minute,
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

/// On which day a week begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeekStart {
    #[default]
    Sunday,
    Monday,
}

impl Interval {
    /// Every interval by its word in the query API.
    pub const WORDS: &[(&str, Self)] = &[
        ("minute", Self::Minute),
        ("hour", Self::Hour),
        ("day", Self::Day),
        ("week", Self::Week),
        ("month", Self::Month),
    ];

    /// The word in the query API.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, i)| *i == self).expect("every interval has its word").0
    }

    /// Whether its buckets are parts of a day.
    #[must_use]
    pub fn is_within_day(self) -> bool {
        matches!(self, Self::Minute | Self::Hour)
    }

    /// The first day of the bucket that holds a day; the day itself for parts of a day.
    #[must_use]
    pub fn first_day(self, day: Date, week_start: WeekStart) -> Date {
        match self {
            Self::Minute | Self::Hour | Self::Day => day,
            Self::Week => week_start.first_day(day),
            Self::Month => day.first_of_month(),
        }
    }
}

impl WeekStart {
    /// The day as the public API counts: 0 is Sunday, 1 Monday.
    #[must_use]
    pub fn day(self) -> u8 {
        match self {
            Self::Sunday => 0,
            Self::Monday => 1,
        }
    }

    /// The first day of the week that holds a day.
    #[must_use]
    pub fn first_day(self, day: Date) -> Date {
        let first = match self {
            Self::Sunday => Weekday::Sunday,
            Self::Monday => Weekday::Monday,
        };
        let back = day.weekday().since(first);
        day.checked_sub(jiff::Span::new().days(back)).unwrap_or(day)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_week_begins_where_it_is_told_to() {
        let thursday = date(2026, 1, 1);
        assert_eq!(WeekStart::Sunday.first_day(thursday), date(2025, 12, 28));
        assert_eq!(WeekStart::Monday.first_day(thursday), date(2025, 12, 29));
        assert_eq!(WeekStart::Sunday.first_day(date(2026, 1, 4)), date(2026, 1, 4));
        assert_eq!(WeekStart::Monday.first_day(date(2026, 1, 4)), date(2025, 12, 29));
    }
}
