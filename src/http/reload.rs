//! Whether somebody pressed their browser's reload button.

use axum::http::{HeaderMap, header};

/// Whether a page is asked for anew by somebody who has it: they want what is true now, not what was a few seconds ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    Yes,
    No,
}

impl Reload {
    /// By what browsers send with a reload, and with none of their other requests for a page: `Cache-Control: max-age=0`, or
    /// `no-cache` from a forced one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let says = |part: &str| matches!(part.trim().to_ascii_lowercase().as_str(), "max-age=0" | "no-cache");
        let wishes = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        if wishes.flat_map(|value| value.split(',')).any(says) { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_reload_says_that_it_wants_nothing_old() {
        for (value, expected) in [
            ("max-age=0", Reload::Yes),
            ("no-cache", Reload::Yes),
            ("No-Cache, no-store", Reload::Yes),
            ("max-age=01", Reload::No),
            ("max-stale", Reload::No),
        ] {
            let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(Reload::of(&headers), expected, "{value}");
        }
        assert_eq!(Reload::of(&HeaderMap::new()), Reload::No);
    }
}
