//! Who may ask: anybody on the Unix socket, user `default` with the password on TCP.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::error::EngineError;

/// Guards one listener.
#[derive(Clone)]
pub enum Access {
    /// The file system already decided who can connect.
    Open,
    /// The SHA-256 of the password of user `default`.
    Password([u8; 32]),
}

impl Access {
    pub fn password(password: &str) -> Self {
        Self::Password(Sha256::digest(password).into())
    }

    /// Looks for a user and password where the clients put them: own headers, basic authorization, or
    /// the URL's parameters.
    pub fn check(&self, headers: &HeaderMap, user: Option<&str>, password: Option<&str>) -> Result<(), EngineError> {
        let Self::Password(expected) = self else {
            return Ok(());
        };
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (given_user, given_password) = if headers.contains_key("x-clickhouse-user")
            || headers.contains_key("x-clickhouse-key")
        {
            (header("x-clickhouse-user"), header("x-clickhouse-key"))
        } else if let Some((user, password)) = headers.get(AUTHORIZATION).and_then(|value| basic(value.as_bytes())) {
            (Some(user), Some(password))
        } else {
            (user.map(str::to_owned), password.map(str::to_owned))
        };
        let user = given_user.filter(|user| !user.is_empty()).unwrap_or_else(|| "default".to_owned());
        let given: [u8; 32] = Sha256::digest(given_password.unwrap_or_default()).into();
        // Both are always compared, and hashes are of one length: the time tells nothing.
        let is_password_right: bool = given.ct_eq(expected).into();
        if is_password_right && user == "default" {
            return Ok(());
        }
        Err(EngineError::new(
            516,
            "AUTHENTICATION_FAILED",
            &format!("{user}: Authentication failed: password is incorrect, or there is no user with such name"),
        ))
    }
}

fn basic(value: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(encoded.trim()).ok())??;
    let (user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_password_is_found_in_every_place_and_only_the_right_one_passes() {
        let access = Access::password("secret");
        let basic = format!("Basic {}", BASE64_STANDARD.encode("default:secret"));
        let wrong = format!("Basic {}", BASE64_STANDARD.encode("default:wrong"));
        let none = HeaderMap::new();
        assert!(
            access
                .check(&headers(&[("x-clickhouse-user", "default"), ("x-clickhouse-key", "secret")]), None, None)
                .is_ok()
        );
        assert!(access.check(&headers(&[("authorization", &basic)]), None, None).is_ok());
        assert!(access.check(&none, Some("default"), Some("secret")).is_ok());
        assert!(access.check(&none, None, Some("secret")).is_ok());
        assert!(access.check(&none, None, None).is_err());
        assert!(access.check(&none, Some("other"), Some("secret")).is_err());
        assert!(access.check(&headers(&[("authorization", &wrong)]), Some("default"), Some("secret")).is_err());
        assert!(Access::Open.check(&none, None, None).is_ok());
    }
}
