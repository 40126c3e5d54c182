//! Time zones by their IANA name.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// The name of a zone that exists in the bundled IANA database; never free text, so it may stand in a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZoneName(String);

/// A zone that the IANA database does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone of the IANA database, such as Europe/Berlin")]
pub struct InvalidTimeZone(String);

impl TimeZoneName {
    /// `UTC`.
    #[must_use]
    pub fn utc() -> Self {
        Self("UTC".to_owned())
    }

    /// The name as both stores know it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rules of the zone.
    #[must_use]
    pub fn rules(&self) -> TimeZone {
        TimeZone::get(&self.0).expect("a zone's name was looked up when it was made")
    }

    /// Every zone, sorted by name.
    #[must_use]
    pub fn all() -> Vec<String> {
        jiff::tz::db().available().map(|name| name.to_string()).collect()
    }
}

impl FromStr for TimeZoneName {
    type Err = InvalidTimeZone;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let zone = TimeZone::get(s.trim()).map_err(|_| InvalidTimeZone(s.to_owned()))?;
        let name = zone.iana_name().ok_or_else(|| InvalidTimeZone(s.to_owned()))?;
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for TimeZoneName {
    type Error = InvalidTimeZone;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<TimeZoneName> for String {
    fn from(zone: TimeZoneName) -> Self {
        zone.0
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zones_that_exist_are_names() {
        assert_eq!("europe/berlin".parse::<TimeZoneName>().map(String::from), Ok("Europe/Berlin".to_owned()));
        assert!("UTC') OR 1=1 --".parse::<TimeZoneName>().is_err());
        assert!("".parse::<TimeZoneName>().is_err());
        assert!(TimeZoneName::all().len() > 400);
    }
}
