//! Passwords: what one must be, and how it is kept.
//!
//! Argon2id with 19 MiB, two passes and one lane takes about 20 ms of a core, so no more run at once than there are
//! cores; who waits too long is told so. An unknown user costs the same work as a known one.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use super::AccountsError;
use super::common_passwords::is_common;

/// Shortest password, in characters.
const MIN_CHARS: usize = 8;

/// Longest, so that nobody sends a book to be hashed.
const MAX_CHARS: usize = 256;

/// How long a password waits for a core before its owner is told to try again.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Of the whole process: hashing is bounded by cores and memory, which all parts share.
static HASHERS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));

/// A password that may be set.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(String);

/// Why a password may not be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("a password has at least {MIN_CHARS} characters")]
    TooShort,
    #[error("a password has at most {MAX_CHARS} characters")]
    TooLong,
    #[error("this is one of the passwords that are tried first; take another")]
    Common,
}

impl FromStr for NewPassword {
    type Err = InvalidPassword;

    /// Takes it as it is, spaces and all: eight characters or more, and not one that everybody tries.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s.chars().take(MAX_CHARS + 1).count() {
            ..MIN_CHARS => Err(InvalidPassword::TooShort),
            chars if chars > MAX_CHARS => Err(InvalidPassword::TooLong),
            _ if is_common(s) => Err(InvalidPassword::Common),
            _ => Ok(Self(s.to_owned())),
        }
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("19 MiB, two passes and one lane are valid");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Hashes a password for the store, as a PHC string with a salt of its own.
///
/// # Errors
/// If no core is free in time or the system gives no random salt.
pub(super) async fn hash(password: NewPassword) -> Result<String, AccountsError> {
    on_a_core(move || {
        let hash = argon2().hash_password(password.0.as_bytes()).map_err(|e| AccountsError::Hash(e.to_string()))?;
        Ok(hash.to_string())
    })
    .await
}

/// Whether `attempt` is the password of `hash`. Without a hash (nobody has that name) the answer is no, after the same work.
///
/// # Errors
/// If no core is free in time or the stored hash is none.
pub(super) async fn verify(hash: Option<String>, attempt: String) -> Result<bool, AccountsError> {
    on_a_core(move || {
        let broken = |e: &dyn fmt::Display| AccountsError::Hash(e.to_string());
        let Some(hash) = hash else {
            argon2().hash_password(attempt.as_bytes()).map_err(|e| broken(&e))?;
            return Ok(false);
        };
        let hash = PasswordHash::new(&hash).map_err(|e| broken(&e))?;
        match argon2().verify_password(attempt.as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(e) => Err(broken(&e)),
        }
    })
    .await
}

async fn on_a_core<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AccountsError> + Send + 'static,
) -> Result<T, AccountsError> {
    let permit = tokio::time::timeout(MAX_WAIT, HASHERS.acquire()).await.map_err(|_| AccountsError::Busy)?;
    let permit = permit.expect("the semaphore is never closed");
    // The permit goes along: when the request is dropped, the work goes on and still holds its core.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|e| AccountsError::Hash(e.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_enough_and_not_everybodys() {
        assert_eq!("short".parse::<NewPassword>(), Err(InvalidPassword::TooShort));
        assert_eq!("PassWord1".parse::<NewPassword>(), Err(InvalidPassword::Common));
        assert_eq!("x".repeat(257).parse::<NewPassword>(), Err(InvalidPassword::TooLong));
        assert!("ünïcödé ".parse::<NewPassword>().is_ok());
        assert_eq!(format!("{:?}", "correct horse".parse::<NewPassword>()), "Ok(NewPassword(…))");
    }

    #[tokio::test]
    async fn only_the_password_itself_is_accepted() {
        let hash = hash("correct horse".parse().expect("long enough")).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify(Some(hash.clone()), "correct horse".to_owned()).await.expect("checked"));
        assert!(!verify(Some(hash), "correct horse ".to_owned()).await.expect("checked"));
        assert!(!verify(None, "correct horse".to_owned()).await.expect("checked"));
        assert!(verify(Some("nonsense".to_owned()), "correct horse".to_owned()).await.is_err());
    }
}
