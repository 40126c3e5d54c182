//! A page of a list of events: where an address stands in the list, what is read there, and the ways to other pages.

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::state::{cursor_text, read_cursor};
use crate::http::AppState;
use crate::insights::explore::{self, EventLine, EventList, EventQuery, ExploreError};
use crate::model::ProjectId;
use crate::storage::ch::{EventCursor, EventPage};

/// Events on a page.
pub const PAGE_SIZE: usize = 50;

/// Where an address stands in a list of events. The default is its newest page, with nothing open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "PlaceText")]
pub struct EventsPlace {
    pub page: EventPage,
    /// The event whose row is open.
    pub open: Option<Uuid>,
}

/// A place as an address says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PlaceText {
    before: String,
    after: String,
    open: String,
}

impl From<PlaceText> for EventsPlace {
    fn from(text: PlaceText) -> Self {
        Self::parse(&text.before, &text.after, &text.open)
    }
}

impl EventsPlace {
    /// The newest page.
    pub const NEWEST: Self = Self { page: EventPage::Newest, open: None };

    /// Reads the values of `before`, `after` and `open`. What makes no sense is left out, so that an old link still opens.
    #[must_use]
    pub fn parse(before: &str, after: &str, open: &str) -> Self {
        let page = match (read_cursor(before), read_cursor(after)) {
            (Some(cursor), _) => EventPage::OlderThan(cursor),
            (None, Some(cursor)) => EventPage::NewerThan(cursor),
            (None, None) => EventPage::Newest,
        };
        Self { page, open: open.parse().ok() }
    }

    /// The pairs that say it.
    #[must_use]
    pub fn params(&self) -> Vec<(&'static str, String)> {
        let page = match self.page {
            EventPage::Newest => None,
            EventPage::OlderThan(cursor) => Some(("before", cursor_text(cursor))),
            EventPage::NewerThan(cursor) => Some(("after", cursor_text(cursor))),
        };
        page.into_iter().chain(self.open.map(|uuid| ("open", uuid.to_string()))).collect()
    }

    /// The same page with this row open, or closed if it is open.
    #[must_use]
    pub fn toggled(&self, uuid: Uuid) -> Self {
        Self { open: Some(uuid).filter(|uuid| self.open != Some(*uuid)), ..*self }
    }

    /// A page's address with this place.
    #[must_use]
    pub fn href(&self, base: &str) -> String {
        match serde_urlencoded::to_string(self.params()) {
            Ok(query) if !query.is_empty() => format!("{base}?{query}"),
            _ => base.to_owned(),
        }
    }
}

/// A page of events as it was found.
#[derive(Debug, Clone, Default)]
pub struct EventsPage {
    /// Where it is: the newest page if the way up from the place that was asked for ends.
    pub place: EventsPlace,
    pub list: EventList,
    /// The event of the open row with all its properties, if it is on the page.
    pub open: Option<EventLine>,
}

/// The ways to the pages around one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsPager {
    pub newest: Option<String>,
    pub newer: Option<String>,
    pub older: Option<String>,
}

impl EventsPage {
    /// Reads the page at a place; when the way up from it ends, the newest page, full.
    ///
    /// # Errors
    /// If a store does not answer.
    pub async fn read(
        state: &AppState,
        project: ProjectId,
        query: &EventQuery,
        place: EventsPlace,
        now: Timestamp,
    ) -> Result<Self, ExploreError> {
        let read = |page| explore::list_events(&state.pg, &state.ch, project, query, page, PAGE_SIZE, now);
        let (mut place, mut list) = (place, read(place.page).await?);
        if matches!(place.page, EventPage::NewerThan(_)) && !list.has_more {
            place.page = EventPage::Newest;
            list = read(place.page).await?;
        }
        let opened = list.lines.iter().find(|line| Some(line.event.uuid) == place.open);
        let open = match opened.map(|line| (line.event.uuid, line.event.at)) {
            Some((uuid, at)) => explore::find_event(&state.pg, &state.ch, project, uuid, Some(at)).await?,
            None => None,
        };
        Ok(Self { place, list, open })
    }

    /// Whether it is the newest page, and empty: there is no event at all then.
    #[must_use]
    pub fn is_without_events(&self) -> bool {
        self.list.lines.is_empty() && self.place.page == EventPage::Newest
    }

    /// Whether every event there is stands on it.
    #[must_use]
    pub fn has_all(&self) -> bool {
        self.place.page == EventPage::Newest && !self.list.has_more
    }

    /// When the newest event of all happened, if that is on the page.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        let first = self.list.lines.first().filter(|_| self.place.page == EventPage::Newest)?;
        Some(first.event.at)
    }

    /// The ways to the pages around it, by the address of each.
    pub fn pager(&self, href: impl Fn(EventsPlace) -> String) -> EventsPager {
        let to = |page| href(EventsPlace { page, open: None });
        let cursor = |line: &EventLine| EventCursor { at: line.event.at, uuid: line.event.uuid };
        let is_first = self.place.page == EventPage::Newest;
        let has_older = self.list.has_more || matches!(self.place.page, EventPage::NewerThan(_));
        let (first, last) = (self.list.lines.first(), self.list.lines.last());
        EventsPager {
            newest: (!is_first).then(|| to(EventPage::Newest)),
            newer: first.filter(|_| !is_first).map(|line| to(EventPage::NewerThan(cursor(line)))),
            older: last.filter(|_| has_older).map(|line| to(EventPage::OlderThan(cursor(line)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let cursor = EventCursor { at: Timestamp::UNIX_EPOCH, uuid: Uuid::from_u128(7) };
        for page in [EventPage::Newest, EventPage::OlderThan(cursor), EventPage::NewerThan(cursor)] {
            for open in [None, Some(Uuid::from_u128(9))] {
                let place = EventsPlace { page, open };
                let query = place.href("").trim_start_matches('?').to_owned();
                assert_eq!(serde_urlencoded::from_str::<EventsPlace>(&query).expect("a place"), place);
            }
        }
        assert_eq!(EventsPlace::NEWEST.href("/here"), "/here");
    }

    #[test]
    fn a_row_that_is_open_closes() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let place = EventsPlace { open: Some(one), ..EventsPlace::NEWEST };
        assert_eq!(place.toggled(one).open, None);
        assert_eq!(place.toggled(other).open, Some(other));
    }

    #[test]
    fn an_empty_list_leads_nowhere() {
        assert_eq!(EventsPage::default().pager(|place| place.href("/here")), EventsPager::default());
        assert!(EventsPage::default().is_without_events());
    }
}
