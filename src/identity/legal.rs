//! Distinct ids that must never join two persons, because every anonymous visitor of some site has them.

const ANY_CASE: &[&str] = &[
    "anonymous",
    "guest",
    "distinctid",
    "distinct_id",
    "id",
    "not_authenticated",
    "email",
    "undefined",
    "true",
    "false",
];
const EXACT: &[&str] = &["[object Object]", "NaN", "None", "none", "null", "0", "undefined"];

/// Whether an id may take part in a merge. Blank ones and the words above may not, quoted or not.
pub(super) fn may_merge(id: &str) -> bool {
    let bare = unquoted(id, '"').or_else(|| unquoted(id, '\'')).unwrap_or(id);
    !bare.trim().is_empty() && !EXACT.contains(&bare) && !ANY_CASE.iter().any(|word| bare.eq_ignore_ascii_case(word))
}

fn unquoted(id: &str, quote: char) -> Option<&str> {
    id.strip_prefix(quote)?.strip_suffix(quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_never_merge() {
        for id in ["", "  ", "\"\"", "Anonymous", "GUEST", "'email'", "\"null\"", "[object Object]", "NaN", "0", "TRUE"]
        {
            assert!(!may_merge(id), "{id:?}");
        }
        for id in ["ada", "nan", "NULL", "00", "'", "\"ada\"", "anonymous-1", "user@example.com"] {
            assert!(may_merge(id), "{id:?}");
        }
    }
}
