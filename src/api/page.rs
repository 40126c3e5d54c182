//! Lists, a part at a time: PROTOCOL §7.1.

use serde::Serialize;

/// A part of a list, and where its neighbours are.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    count: i64,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<T>,
}

impl<T> Page<T> {
    /// The items from `offset` on of a list of `count`; `url` is the list's own address.
    #[must_use]
    pub fn new(url: &str, count: i64, limit: i64, offset: i64, results: Vec<T>) -> Self {
        let at = |offset: i64| format!("{url}?limit={limit}&offset={offset}");
        let after = offset.saturating_add(limit);
        let next = (after < count).then(|| at(after));
        let previous = (offset > 0).then(|| at((offset - limit).max(0)));
        Self { count, next, previous, results }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_list_have_one_neighbour() {
        let page = |offset| Page::new("u", 5, 2, offset, vec![()]);
        assert_eq!((page(0).previous, page(0).next.as_deref()), (None, Some("u?limit=2&offset=2")));
        assert_eq!(page(2).previous.as_deref(), Some("u?limit=2&offset=0"));
        assert_eq!(page(1).previous.as_deref(), Some("u?limit=2&offset=0"));
        assert_eq!((page(4).next, page(i64::MAX).next), (None, None));
    }
}
