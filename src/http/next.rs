//! Where to go on after signing in.

/// The path in a `next=`, if it stays on this site: it starts with one slash, and holds nothing that a browser would read
/// as the start of another address. Anything else is the start page.
#[must_use]
pub fn safe_next(next: Option<&str>) -> &str {
    match next {
        Some(next) if stays_here(next) => next,
        _ => "/",
    }
}

fn stays_here(next: &str) -> bool {
    // Browsers take a backslash for a slash and drop tabs and line breaks: "/\evil", "/\t/evil" leave the site.
    next.len() <= 2000
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_site_is_followed() {
        for good in ["/", "/project/1/events?event=%24pageview&x=//y", "/a#b"] {
            assert_eq!(safe_next(Some(good)), good);
        }
        for bad in [
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            "///evil.example",
            " //evil.example",
            "evil.example",
            "",
            "/ä",
        ] {
            assert_eq!(safe_next(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(safe_next(None), "/");
    }
}
