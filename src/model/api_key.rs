//! Project API keys (public, `phc_…`) and personal API keys (private, `phx_…`).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Why a text is no API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKey {
    /// Nothing but white space.
    #[error("the API key is empty")]
    Empty,
    /// Longer than 64 characters, or not plain printable ASCII.
    #[error("an API key has 1 to 64 printable ASCII characters")]
    Malformed,
    /// A personal key where a project key belongs: it must never be put into a page.
    #[error("this is a personal API key (phx_…); capture takes the project API key (phc_…)")]
    Personal,
    /// Not a personal key.
    #[error("a personal API key starts with phx_")]
    NotPersonal,
}

/// The public key of a project, as it stands in a snippet: well-formed, not necessarily known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProjectApiKey(String);

/// The private key of a user. Shown once; only [`secret_hash`] of it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonalApiKey(String);

impl ProjectApiKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("phc_{}", random_secret()))
    }

    /// The key as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectApiKey {
    type Err = InvalidApiKey;

    /// Trims, then accepts 1 to 64 printable ASCII characters that do not start with `phx_` (PROTOCOL §1.5).
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match well_formed(s)? {
            s if s.starts_with("phx_") => Err(InvalidApiKey::Personal),
            s => Ok(Self(s.to_owned())),
        }
    }
}

impl fmt::Display for ProjectApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PersonalApiKey {
    /// Makes a new key.
    #[must_use]
    pub fn generate() -> Self {
        Self(format!("phx_{}", random_secret()))
    }

    /// The key itself: to show once, or to hash.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the store keeps.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        secret_hash(&self.0)
    }

    /// The last four characters, by which its owner recognises it in a list.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.0[self.0.len().saturating_sub(4)..]
    }
}

impl FromStr for PersonalApiKey {
    type Err = InvalidApiKey;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match well_formed(s)? {
            s if s.starts_with("phx_") && s.len() > 12 => Ok(Self(s.to_owned())),
            _ => Err(InvalidApiKey::NotPersonal),
        }
    }
}

impl fmt::Debug for PersonalApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonalApiKey(…)")
    }
}

fn well_formed(s: &str) -> Result<&str, InvalidApiKey> {
    match s.trim() {
        "" => Err(InvalidApiKey::Empty),
        s if s.len() > 64 || !s.bytes().all(|b| b.is_ascii_graphic()) => Err(InvalidApiKey::Malformed),
        s => Ok(s),
    }
}

/// 256 random bits as 43 letters and digits (base 62): keys, session ids, invitation and setup tokens.
#[must_use]
pub fn random_secret() -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut secret = String::with_capacity(43);
    let mut bytes = [0_u8; 64];
    while secret.len() < 43 {
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        // 248 is the largest multiple of 62 in a byte; what lies above would favour some letters.
        let letters = bytes.iter().filter(|b| **b < 248).map(|b| char::from(ALPHABET[usize::from(b % 62)]));
        secret.extend(letters.take(43 - secret.len()));
    }
    secret
}

/// SHA-256 of a secret with 256 bits of its own: what the store keeps. Not for passwords, which are guessable.
#[must_use]
pub fn secret_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_key_is_refused_where_a_project_key_belongs() {
        assert_eq!("phx_secret".parse::<ProjectApiKey>(), Err(InvalidApiKey::Personal));
        assert_eq!(" ".parse::<ProjectApiKey>(), Err(InvalidApiKey::Empty));
        assert_eq!("a\0b".parse::<ProjectApiKey>(), Err(InvalidApiKey::Malformed));
        assert_eq!("x".repeat(65).parse::<ProjectApiKey>(), Err(InvalidApiKey::Malformed));
        assert_eq!(" phc_1 ".parse::<ProjectApiKey>().map(|k| k.to_string()), Ok("phc_1".to_owned()));
    }

    #[test]
    fn generated_keys_are_accepted_and_never_shown_by_debug() {
        let key = PersonalApiKey::generate();
        assert_eq!(key.expose().parse::<PersonalApiKey>().as_ref(), Ok(&key));
        assert_eq!(format!("{key:?}"), "PersonalApiKey(…)");
        assert!(ProjectApiKey::generate().as_str().parse::<ProjectApiKey>().is_ok());
    }
}
