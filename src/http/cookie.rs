//! The one cookie: the token of a signed-in browser.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use super::{AppState, Site};
use crate::accounts::sign_ins::{MAX_AGE, SignInToken};

/// Over https: a browser takes a cookie of this name only from this host itself, and only with `Secure` and `Path=/`.
const SECURE_NAME: &str = "__Host-tenrec";

/// Over plain http, where the prefix is not to be had.
const PLAIN_NAME: &str = "tenrec";

/// What the request's cookie holds, and how to change it.
#[derive(Debug, Clone)]
pub struct SignInCookie {
    /// The token, if the browser sent one; not necessarily a valid one.
    pub token: Option<SignInToken>,
    is_https: bool,
}

impl SignInCookie {
    /// The `Set-Cookie` that keeps a token.
    ///
    /// # Panics
    /// Never: a token is made of letters and digits.
    #[must_use]
    pub fn keep(&self, token: &SignInToken) -> HeaderValue {
        self.value(token.expose(), MAX_AGE.as_secs())
    }

    /// The `Set-Cookie` that forgets it.
    #[must_use]
    pub fn forget(&self) -> HeaderValue {
        self.value("", 0)
    }

    fn value(&self, token: &str, max_age: i64) -> HeaderValue {
        let (name, secure) = if self.is_https { (SECURE_NAME, "; Secure") } else { (PLAIN_NAME, "") };
        HeaderValue::try_from(format!("{name}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"))
            .expect("a token is made of letters and digits")
    }
}

impl FromRequestParts<AppState> for SignInCookie {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let Ok(site) = Site::from_request_parts(parts, state).await;
        Ok(read(&parts.headers, site.is_https))
    }
}

/// Over https the plain name is not read: somebody on the network could have set it.
fn read(headers: &HeaderMap, is_https: bool) -> SignInCookie {
    let wanted = if is_https { SECURE_NAME } else { PLAIN_NAME };
    let token = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("").split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == wanted && (20..=64).contains(&value.len()))
        .map(|(_, value)| SignInToken::from_cookie(value));
    SignInCookie { token, is_https }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

    #[test]
    fn flags_follow_the_scheme() {
        let secure = SignInCookie { token: None, is_https: true }.keep(&SignInToken::from_cookie(TOKEN));
        assert_eq!(
            secure.to_str().ok(),
            Some(&*format!("__Host-tenrec={TOKEN}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax; Secure"))
        );
        let plain = SignInCookie { token: None, is_https: false }.forget();
        assert_eq!(plain.to_str().ok(), Some("tenrec=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"));
    }

    #[test]
    fn over_https_the_plain_cookie_counts_for_nothing() {
        let headers: HeaderMap =
            [(header::COOKIE, format!("a=b; tenrec={TOKEN}").parse().expect("a value"))].into_iter().collect();
        assert!(read(&headers, false).token.is_some());
        assert!(read(&headers, true).token.is_none());
    }
}
