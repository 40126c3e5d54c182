//! When an event happened, by a sender's clock that may be wrong (PROTOCOL §1.6).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::config::EventLimits;

/// What a sender said about the time of one event.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// When the request came in, by our clock.
    pub now: Timestamp,
    /// When the request left, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// When the event happened, by the sender's clock.
    pub timestamp: Option<&'a Value>,
    /// How many milliseconds before it was sent the event happened; needs no clock.
    pub offset: Option<&'a Value>,
    /// The sender asks not to correct its clock.
    pub ignore_sent_at: bool,
}

/// What came of a [`Claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// In whole microseconds, between 1970 (or the greatest age) and the furthest ahead.
    pub at: Timestamp,
    /// The sender's clock was corrected by its `sent_at`.
    pub is_corrected: bool,
    /// What the sender claimed was out of all bounds, and replaced.
    pub is_replaced: bool,
}

/// Decides when an event happened.
///
/// `offset` goes before `timestamp`; a `timestamp` is corrected by how far the sender's clock was off when it sent the request,
/// so that a wrong clock gives the same answer as a right one. Times too far ahead or too long ago become *now*, times before
/// 1970 become 1970-01-01 if no age is too great, an unreadable time is *now*.
#[must_use]
pub fn event_time(claim: &Claim<'_>, limits: &EventLimits) -> EventTime {
    let Claim { now, sent_at, .. } = *claim;
    let offset = claim.offset.and_then(milliseconds);
    let timestamp = claim.timestamp.and_then(parse_value);
    let sent_at = sent_at.filter(|_| !claim.ignore_sent_at);
    let (at, is_corrected) = match (offset, timestamp, sent_at) {
        (Some(offset), _, _) => (now.checked_sub(offset).ok(), false),
        (None, Some(at), Some(sent_at)) => (now.checked_add(at.duration_since(sent_at)).ok(), true),
        (None, Some(at), None) => (Some(at), false),
        (None, None, _) => (Some(now), false),
    };
    let max_ahead = SignedDuration::from_hours(limits.max_event_ahead_hours.into());
    let max_age = match limits.max_event_age_days {
        0 => SignedDuration::MAX,
        days => SignedDuration::from_hours(24 * i64::from(days)),
    };
    let (at, is_replaced) = match at {
        Some(at) if at.duration_since(now) > max_ahead || now.duration_since(at) > max_age => (now, true),
        Some(at) if at >= Timestamp::UNIX_EPOCH => (at, false),
        _ if limits.max_event_age_days > 0 => (now, true),
        _ => (Timestamp::UNIX_EPOCH, true),
    };
    let at = Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(now);
    EventTime { at, is_corrected, is_replaced }
}

/// Reads a time as SDKs and people write it: ISO 8601 in its many forms (without a zone it is UTC), RFC 2822, or a number of
/// seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by its size.
#[must_use]
pub fn parse_value(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => parse_text(text.trim()),
        Value::Number(number) => from_number(number.as_f64()?),
        _ => None,
    }
}

/// Reads the `_` parameter: Unix milliseconds by the sender's clock, unless that clock shows 2020 or earlier.
#[must_use]
pub fn parse_query_clock(text: &str) -> Option<Timestamp> {
    let sent_at = Timestamp::from_millisecond(text.parse().ok()?).ok()?;
    (sent_at.to_zoned(TimeZone::UTC).year() > 2020).then_some(sent_at)
}

fn parse_text(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(local) = text.parse::<DateTime>() {
        return local.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp());
    }
    if let Ok(number) = text.parse::<f64>() {
        return from_number(number);
    }
    jiff::fmt::rfc2822::parse(text).ok().map(|z| z.timestamp())
}

fn from_number(number: f64) -> Option<Timestamp> {
    // Seconds reach 1e11 in the year 5138, milliseconds had 1e11 in 1973: between them lies every clock there is.
    let seconds = match number.abs() {
        n if n < 1e11 => number,
        n if n < 1e14 => number / 1e3,
        n if n < 1e17 => number / 1e6,
        _ => number / 1e9,
    };
    let duration = SignedDuration::try_from_secs_f64(seconds).ok()?;
    // A float of this size is exact to a quarter of a microsecond; what was sent had whole ones.
    let micros = duration.as_micros();
    let rounded = if duration.subsec_nanos() % 1000 >= 500 { micros + 1 } else { micros };
    Timestamp::from_microsecond(i64::try_from(rounded).ok()?).ok()
}

fn milliseconds(value: &Value) -> Option<SignedDuration> {
    let millis = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    SignedDuration::try_from_secs_f64(millis / 1000.0).ok()
}

#[cfg(test)]
mod tests;
