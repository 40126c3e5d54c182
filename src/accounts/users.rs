//! Who a password belongs to, and how it changes.

use super::{AccountsError, NewPassword, password};
use crate::model::{User, UserId};
use crate::storage::pg::Pg;

/// The user with this address and this password; nothing if there is none, which takes as long to find out.
///
/// # Errors
/// If Postgres does not answer or no core is free in time.
pub async fn find_by_password(pg: &Pg, email: &str, attempt: &str) -> Result<Option<User>, AccountsError> {
    let found = pg.find_user_by_email(email.trim()).await?;
    let (user, hash) = found.map(|found| (found.user, found.password_hash)).unzip();
    let is_right = password::verify(hash, attempt.to_owned()).await?;
    Ok(user.filter(|_| is_right))
}

/// Changes a password, if `current` is the one so far, and signs every browser of the user out. Returns whether it did;
/// the caller signs its own browser in again, with a new token.
///
/// # Errors
/// If Postgres does not answer or no core is free in time.
pub async fn change_password(pg: &Pg, user: &User, current: &str, new: NewPassword) -> Result<bool, AccountsError> {
    if find_by_password(pg, &user.email, current).await?.is_none() {
        return Ok(false);
    }
    set_password(pg, user.id, new).await?;
    Ok(true)
}

/// Sets a password and signs every browser of the user out.
///
/// # Errors
/// If Postgres does not answer or no core is free in time.
pub async fn set_password(pg: &Pg, user: UserId, new: NewPassword) -> Result<(), AccountsError> {
    let hash = password::hash(new).await?;
    Ok(pg.update_password(user, &hash).await?)
}
