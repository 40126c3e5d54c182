//! Names and addresses that people type.

use std::fmt;
use std::str::FromStr;

/// A name of a user, an organization, a project or a key: something to read, on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    #[error("a name is needed")]
    Empty,
    #[error("a name has at most {} characters", DisplayName::MAX_CHARS)]
    TooLong,
    #[error("a name stands on one line, without control characters")]
    Malformed,
}

impl DisplayName {
    const MAX_CHARS: usize = 100;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DisplayName {
    type Err = InvalidName;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.trim() {
            "" => Err(InvalidName::Empty),
            s if s.chars().count() > Self::MAX_CHARS => Err(InvalidName::TooLong),
            s if s.chars().any(char::is_control) => Err(InvalidName::Malformed),
            s => Ok(Self(s.to_owned())),
        }
    }
}

impl From<DisplayName> for String {
    fn from(name: DisplayName) -> Self {
        name.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An e-mail address, by which a user signs in. Nothing is ever sent to it, so it need only look like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

/// A text that is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address looks like ada@example.com")]
pub struct InvalidEmailAddress;

impl EmailAddress {
    const MAX_BYTES: usize = 254;

    /// The address as it was typed; compare without regard to case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let s = s.trim();
        let is_plain = s.len() <= Self::MAX_BYTES && !s.chars().any(|c| c.is_whitespace() || c.is_control());
        match s.rsplit_once('@') {
            Some((name, host)) if is_plain && !name.is_empty() && !host.is_empty() && !name.contains('@') => {
                Ok(Self(s.to_owned()))
            }
            _ => Err(InvalidEmailAddress),
        }
    }
}

impl From<EmailAddress> for String {
    fn from(email: EmailAddress) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_something_on_one_line() {
        assert_eq!("  Shop ".parse::<DisplayName>().map(String::from), Ok("Shop".to_owned()));
        assert_eq!(" \t".parse::<DisplayName>(), Err(InvalidName::Empty));
        assert_eq!("a\nb".parse::<DisplayName>(), Err(InvalidName::Malformed));
        assert_eq!("ä".repeat(101).parse::<DisplayName>(), Err(InvalidName::TooLong));
    }

    #[test]
    fn an_address_has_a_name_and_a_host() {
        for good in ["ada@example.com", " owner@localhost ", "ä@ö.example"] {
            assert!(good.parse::<EmailAddress>().is_ok(), "{good}");
        }
        for bad in ["", "@", "a@", "@b", "a b@c", "a@b@c", "a@b\nX"] {
            assert!(bad.parse::<EmailAddress>().is_err(), "{bad}");
        }
    }
}
