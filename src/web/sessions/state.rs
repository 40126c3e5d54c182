//! What the URL of a list of sessions says, and URLs that say something else.

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::query::Traffic;
use crate::storage::ch::{SessionCursor, SessionPage, Visitors};
use crate::web::events::Range;

/// The query string as it comes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SessionsQuery {
    person: String,
    entry: String,
    traffic: String,
    date_from: String,
    date_to: String,
    before: String,
    after: String,
}

/// All that the URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsState {
    pub person: Option<String>,
    /// The path of the entry.
    pub entry: Option<String>,
    pub traffic: Traffic,
    pub range: Range,
    pub page: SessionPage,
}

impl Default for SessionsState {
    fn default() -> Self {
        Self {
            person: None,
            entry: None,
            traffic: Traffic::Humans,
            range: Range::default(),
            page: SessionPage::default(),
        }
    }
}

impl From<&SessionsQuery> for SessionsState {
    /// What makes no sense is left out, so that an old link still opens.
    fn from(query: &SessionsQuery) -> Self {
        let filled = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            person: filled(&query.person),
            entry: filled(&query.entry),
            traffic: Traffic::of_word(&query.traffic).unwrap_or(Traffic::Humans),
            range: Range::parse(&query.date_from, &query.date_to),
            page: match (read_cursor(&query.before), read_cursor(&query.after)) {
                (Some(cursor), _) => SessionPage::OlderThan(cursor),
                (None, Some(cursor)) => SessionPage::NewerThan(cursor),
                (None, None) => SessionPage::Newest,
            },
        }
    }
}

impl SessionsState {
    /// Whether anything is asked for but the sessions of humans, bots or all.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.person.is_some() || self.entry.is_some() || self.range != Range::All
    }

    /// Whose sessions are shown.
    #[must_use]
    pub fn visitors(&self) -> Visitors {
        match self.traffic {
            Traffic::Humans => Visitors::Humans,
            Traffic::Bots => Visitors::Bots,
            Traffic::All => Visitors::All,
        }
    }

    /// The same sessions from the newest on.
    #[must_use]
    pub fn without_page(&self) -> Self {
        Self { page: SessionPage::Newest, ..self.clone() }
    }

    /// The query string with its `?`; empty for the state of a bare URL.
    #[must_use]
    pub fn query(&self) -> String {
        let mut params: Vec<(&str, String)> = Vec::new();
        params.extend(self.person.iter().map(|person| ("person", person.clone())));
        params.extend(self.entry.iter().map(|entry| ("entry", entry.clone())));
        if self.traffic != Traffic::Humans {
            params.push(("traffic", self.traffic.word().to_owned()));
        }
        params.extend(self.range.params());
        match &self.page {
            SessionPage::Newest => {}
            SessionPage::OlderThan(cursor) => params.push(("before", cursor_text(cursor))),
            SessionPage::NewerThan(cursor) => params.push(("after", cursor_text(cursor))),
        }
        match serde_urlencoded::to_string(params) {
            Ok(text) if !text.is_empty() => format!("?{text}"),
            _ => String::new(),
        }
    }
}

fn cursor_text(cursor: &SessionCursor) -> String {
    format!("{}.{}", cursor.start.as_microsecond(), cursor.session_id)
}

fn read_cursor(text: &str) -> Option<SessionCursor> {
    let (start, id) = text.split_once('.')?;
    Some(SessionCursor { start: Timestamp::from_microsecond(start.parse().ok()?).ok()?, session_id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_as_it_is_written() {
        let cursor = SessionCursor { start: Timestamp::UNIX_EPOCH, session_id: "a.b & c".to_owned() };
        for page in [SessionPage::OlderThan(cursor.clone()), SessionPage::NewerThan(cursor), SessionPage::Newest] {
            let state = SessionsState {
                person: Some("ada@example.com".to_owned()),
                entry: Some("/a?b".to_owned()),
                traffic: Traffic::Bots,
                range: Range::parse("-7d", ""),
                page,
            };
            let query: SessionsQuery =
                serde_urlencoded::from_str(state.query().trim_start_matches('?')).expect("a query string");
            assert_eq!(SessionsState::from(&query), state);
        }
        assert_eq!(SessionsState::default().query(), "");
    }

    #[test]
    fn nonsense_is_left_out() {
        let query = SessionsQuery {
            traffic: "ghosts".to_owned(),
            before: "x.y".to_owned(),
            date_from: "yesterday".to_owned(),
            ..SessionsQuery::default()
        };
        assert_eq!(SessionsState::from(&query), SessionsState::default());
    }
}
