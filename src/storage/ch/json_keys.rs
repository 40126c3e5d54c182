//! Keys of ClickHouse's `JSON` type: what is sent comes back, and no two keys meet.
//!
//! The type holds paths, whose parts dots divide; the dot of a key stands there as `%2E`.

use std::borrow::Cow;

/// A key as a part of a path.
pub(super) fn path_of(key: &str) -> Cow<'_, str> {
    // Most keys have neither.
    if key.bytes().all(|byte| byte != b'.' && byte != b'%') {
        return key.into();
    }
    let stored = stored_key(key);
    if stored.contains('.') { stored.replace('.', "%2E").into() } else { stored }
}

/// The key as it is written where the server itself takes care of dots. It keeps one as `%2E`, so a key that holds that very
/// text would come back as another key, or meet it: `%2E`, `%252E`, … each get one more `25`. [`original_key`] takes it off
/// again.
pub(super) fn stored_key(key: &str) -> Cow<'_, str> {
    if !key.contains("2E") {
        return key.into();
    }
    let mut stored = String::with_capacity(key.len() + 2);
    let mut rest = key;
    while let Some((before, after)) = rest.split_once('%') {
        stored.extend([before, if is_escaped_dot(after) { "%25" } else { "%" }]);
        rest = after;
    }
    stored.push_str(rest);
    stored.into()
}

/// The key that was sent, from one that was read out of a `JSON` column.
#[must_use]
pub fn original_key(stored: &str) -> Cow<'_, str> {
    if !stored.contains("%25") {
        return stored.into();
    }
    let mut original = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some((before, after)) = rest.split_once('%') {
        original.extend([before, "%"]);
        rest = after.strip_prefix("25").filter(|inner| is_escaped_dot(inner)).unwrap_or(after);
    }
    original.push_str(rest);
    original.into()
}

/// What follows a `%`: any number of `25`, then `2E`.
fn is_escaped_dot(mut after: &str) -> bool {
    while let Some(inner) = after.strip_prefix("25") {
        after = inner;
    }
    after.starts_with("2E")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_come_back_and_none_meet(a in "[%2E5.x]{0,8}", b in "[%2E5.x]{0,8}") {
            let kept = |key: &str| path_of(key).into_owned();
            // What the server does on the way out.
            let back = |kept: &str| original_key(&kept.replace("%2E", ".")).into_owned();
            prop_assert_eq!(back(&kept(&a)), a.clone());
            prop_assert!(a == b || kept(&a) != kept(&b));
        }
    }
}
