//! Lists by cursor: PROTOCOL §7.1. The addresses in `next` and `previous` are made to be called as they are; what stands in
//! their `cursor` is ours.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use crate::http::Cause;
use crate::model::query::PropertyGroup;
use crate::storage::pg::{PgError, askers_mistake};

/// Items of a page without a wish, and the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// A part of a list, and where its neighbours are.
#[derive(Debug, Serialize)]
pub struct CursorPage<T> {
    next: Option<String>,
    previous: Option<String>,
    results: Vec<T>,
}

/// What is asked of a list.
#[derive(Debug)]
pub struct Asked<'a> {
    params: &'a HashMap<String, String>,
    pub limit: usize,
}

/// Why a list cannot be made: for what is wrong with the asker's conditions, if anything is, else for the store.
pub fn refused(error: PgError) -> Cause {
    match askers_mistake(&error) {
        Some(mistake) => Cause::invalid("properties", mistake),
        None => error.into(),
    }
}

impl<'a> Asked<'a> {
    /// Reads a query string's parameters. A limit beyond the most is the most.
    ///
    /// # Errors
    /// If the limit is no number of at least one; or an offset is asked for: who counts on it would read the same items again
    /// and again.
    pub fn new(params: &'a HashMap<String, String>) -> Result<Self, Cause> {
        if params.get("offset").is_some_and(|offset| !matches!(offset.as_str(), "" | "0")) {
            return Err(Cause::invalid("offset", "This list has no offset: go on with the address in \"next\"."));
        }
        let limit = match params.get("limit").map(String::as_str) {
            None | Some("") => DEFAULT_LIMIT,
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().unwrap_or(usize::MAX).min(MAX_LIMIT)
            }
            Some(_) => 0,
        };
        match limit {
            0 => Err(Cause::invalid("limit", "This must be a whole number of at least 1.")),
            limit => Ok(Self { params, limit }),
        }
    }

    /// The conditions in `properties`, JSON in the shape of the query API. They are about the item's own properties, whatever
    /// their `type` says.
    ///
    /// # Errors
    /// If that is no JSON, or a condition makes no sense.
    pub fn filters(&self) -> Result<PropertyGroup, Cause> {
        let Some(text) = self.params.get("properties").filter(|text| !text.is_empty()) else {
            return Ok(PropertyGroup::default());
        };
        let wrong = |detail: String| Cause::invalid("properties", detail);
        let json: Value = serde_json::from_str(text).map_err(|e| wrong(format!("This is no JSON: {e}.")))?;
        PropertyGroup::from_json(&json).map_err(|e| wrong(format!("{e}.")))
    }

    /// The place to go on from, and whether backwards.
    #[must_use]
    pub fn cursor(&self) -> Option<(bool, &'a str)> {
        let text = self.params.get("cursor").filter(|text| !text.is_empty())?;
        match text.strip_prefix('<') {
            Some(text) => Some((true, text)),
            None => Some((false, text)),
        }
    }

    /// The answer: `edges` are the places of the first and last item, `has_more` whether more follow in the direction that
    /// was read.
    #[must_use]
    pub fn page<T>(
        &self,
        url: &str,
        edges: Option<(String, String)>,
        has_more: bool,
        results: Vec<T>,
    ) -> CursorPage<T> {
        let (has_next, has_previous) = match self.cursor() {
            None => (has_more, false),
            Some((true, _)) => (true, has_more),
            Some((false, _)) => (has_more, true),
        };
        let (first, last) = edges.unzip();
        CursorPage {
            next: last.filter(|_| has_next).map(|place| self.url(url, &place)),
            previous: first.filter(|_| has_previous).map(|place| self.url(url, &format!("<{place}"))),
            results,
        }
    }

    /// The same list from a place on. A key that was sent in the address stays out of it.
    fn url(&self, url: &str, cursor: &str) -> String {
        let mut params: Vec<(&str, &str)> = self
            .params
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "cursor" | "personal_api_key" | "offset"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        params.sort_unstable();
        params.push(("cursor", cursor));
        format!("{url}?{}", serde_urlencoded::to_string(params).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> HashMap<String, String> {
        serde_urlencoded::from_str(query).expect("a query string")
    }

    #[test]
    fn a_limit_is_bounded_or_refused() {
        for (text, limit) in
            [("", 100), ("limit=7", 7), ("limit=100000", 1000), ("limit=99999999999999999999999", 1000)]
        {
            assert_eq!(Asked::new(&params(text)).map(|asked| asked.limit).ok(), Some(limit), "{text}");
        }
        assert!(Asked::new(&params("offset=0")).is_ok());
        for text in ["limit=0", "limit=-1", "limit=x", "limit=1.5", "offset=100"] {
            assert!(Asked::new(&params(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn neighbours_keep_what_is_asked_and_never_the_key() {
        let params = params("search=a%26b&personal_api_key=phx_x&cursor=7");
        let asked = Asked::new(&params).expect("it can be read");
        let page = asked.page("u", Some(("1".to_owned(), "2".to_owned())), true, vec![()]);
        assert_eq!(page.next.as_deref(), Some("u?search=a%26b&cursor=2"));
        assert_eq!(page.previous.as_deref(), Some("u?search=a%26b&cursor=%3C1"));
    }
}
