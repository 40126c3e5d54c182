//! Signed-in browsers: how long one lasts and what stands for it.
//!
//! The browser holds a token of 256 random bits, the store its SHA-256. A token is made at every sign-in and never taken
//! from a request, so nobody can be given one that somebody else knows.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Clock, SignInId, User, UserId, random_secret, secret_hash};
use crate::storage::pg::{NewSignIn, Pg, PgError, SignIn, SignedInUser};

/// A sign-in ends after this long without a request.
pub const MAX_IDLE: SignedDuration = SignedDuration::from_hours(14 * 24);

/// A sign-in ends after this long however much it is used.
pub const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How old the note of the last request may get before it is written anew.
const TOUCH_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Longest user agent that is kept, in characters.
const MAX_USER_AGENT_CHARS: usize = 300;

/// What the browser's cookie holds.
#[derive(Clone, PartialEq, Eq)]
pub struct SignInToken(String);

impl SignInToken {
    /// Takes what a cookie held; unknown ones are found to be unknown later.
    #[must_use]
    pub fn from_cookie(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// The token itself, for a cookie.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn hash(&self) -> [u8; 32] {
        secret_hash(&self.0)
    }
}

impl fmt::Debug for SignInToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInToken(…)")
    }
}

/// Signs a browser in and returns its new token.
///
/// # Errors
/// If Postgres does not answer.
pub async fn start(pg: &Pg, clock: &Clock, user: UserId, user_agent: &str) -> Result<SignInToken, PgError> {
    let token = SignInToken(random_secret());
    let now = clock.now();
    pg.create_sign_in(&NewSignIn {
        id: SignInId::new(clock.new_uuid()),
        token_hash: token.hash(),
        user_id: user,
        created_at: now,
        expires_at: now + MAX_AGE,
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CHARS).collect(),
    })
    .await?;
    Ok(token)
}

/// Whose browser holds this token, and by which sign-in; nothing if it is unknown, was ended or has run out.
///
/// # Errors
/// If Postgres does not answer.
pub async fn find(pg: &Pg, clock: &Clock, token: &SignInToken) -> Result<Option<(User, SignInId)>, PgError> {
    let Some(found) = pg.find_sign_in(&token.hash()).await? else { return Ok(None) };
    let now = clock.now();
    if !is_alive(&found, now) {
        return Ok(None);
    }
    if now.duration_since(found.last_seen_at) >= TOUCH_AFTER {
        pg.touch_sign_in(found.id, now).await?;
    }
    Ok(Some((found.user, found.id)))
}

fn is_alive(found: &SignedInUser, now: Timestamp) -> bool {
    now < found.expires_at && now.duration_since(found.last_seen_at) < MAX_IDLE
}

/// Signs a browser out; its token is worth nothing from here on.
///
/// # Errors
/// If Postgres does not answer.
pub async fn end(pg: &Pg, token: &SignInToken) -> Result<(), PgError> {
    pg.delete_sign_in_by_token(&token.hash()).await
}

/// A user's signed-in browsers, the most recently seen first.
///
/// # Errors
/// If Postgres does not answer.
pub async fn list(pg: &Pg, clock: &Clock, user: UserId) -> Result<Vec<SignIn>, PgError> {
    let now = clock.now();
    pg.list_sign_ins(user, now, now - MAX_IDLE).await
}

/// Removes what has run out. Returns how many went.
///
/// # Errors
/// If Postgres does not answer.
pub async fn sweep(pg: &Pg, clock: &Clock) -> Result<u64, PgError> {
    let now = clock.now();
    pg.delete_expired_sign_ins(now, now - MAX_IDLE).await
}
