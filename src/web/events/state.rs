//! What an explorer's URL says, and URLs that say something else.

use jiff::Timestamp;

use super::columns::Column;
use super::pages::EventsPlace;
use super::range::Range;
use crate::model::query::{Operator, PropertyFilter, PropertyGroup, PropertyScope, Traffic};
use crate::storage::ch::EventCursor;

/// One condition on a property, as it stands in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterLine {
    pub key: String,
    pub operator: String,
    pub value: String,
}

impl FilterLine {
    /// The operator, if there is one of this word.
    #[must_use]
    pub fn operator(&self) -> Option<Operator> {
        Operator::WORDS.iter().find(|(word, _)| *word == self.operator).map(|(_, operator)| *operator)
    }

    /// As [`filters`] reads it.
    pub fn params(&self) -> [(&'static str, String); 3] {
        [("property", self.key.clone()), ("operator", self.operator.clone()), ("value", self.value.clone())]
    }

    /// As a page says it.
    #[must_use]
    pub fn text(&self) -> String {
        match self.operator() {
            None => format!("{} {} {}", self.key, self.operator, self.value),
            Some(operator) if operator.takes_value() => format!("{} {} {}", self.key, operator.label(), self.value),
            Some(operator) => format!("{} {}", self.key, operator.label()),
        }
    }

    /// The condition, or what is wrong with it as a sentence.
    fn condition(&self, scope: PropertyScope) -> Result<PropertyFilter, String> {
        let operator = self.operator().ok_or_else(|| format!("There is no condition {:?}.", self.operator))?;
        let values = if operator.takes_value() { vec![self.value.clone()] } else { Vec::new() };
        let filter = PropertyFilter { scope, key: self.key.clone(), operator, values };
        filter.check("filter").map_err(|wrong| format!("{} {}: {}.", self.key, operator.label(), wrong.reason))
    }
}

/// All that an explorer's URL says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExplorerState {
    pub events: Vec<String>,
    pub person: Option<String>,
    pub filters: Vec<FilterLine>,
    pub range: Range,
    /// Whose events; everybody's unless told otherwise: who looks for an event must find it.
    pub traffic: Traffic,
    /// Chosen columns; none for the defaults.
    pub columns: Vec<Column>,
    pub place: EventsPlace,
}

/// More columns than fit no screen.
const MOST_COLUMNS: usize = 20;
const MOST_FILTERS: usize = 20;

impl ExplorerState {
    /// Reads a query string's pairs. What makes no sense is left out, so that an old link still opens.
    #[must_use]
    pub fn parse(pairs: &[(String, String)]) -> Self {
        let all = |name: &'static str| {
            pairs
                .iter()
                .filter(move |(n, _)| n == name)
                .map(|(_, value)| value.trim())
                .filter(|value| !value.is_empty())
        };
        let one = |name| all(name).next();
        let mut events: Vec<String> = Vec::new();
        for name in all("event").take(MOST_FILTERS) {
            if !events.iter().any(|known| known == name) {
                events.push(name.to_owned());
            }
        }
        let mut columns: Vec<Column> = Vec::new();
        for column in all("columns").filter_map(Column::parse).take(MOST_COLUMNS) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        let text = |name| one(name).unwrap_or_default();
        Self {
            events,
            person: one("person").map(str::to_owned),
            filters: filters(pairs),
            range: Range::parse(text("date_from"), text("date_to")),
            traffic: one("traffic").and_then(Traffic::of_word).unwrap_or_default(),
            columns: if columns == Column::defaults() { Vec::new() } else { columns },
            place: EventsPlace::parse(text("before"), text("after"), text("open")),
        }
    }

    /// The columns to show.
    #[must_use]
    pub fn shown_columns(&self) -> Vec<Column> {
        if self.columns.is_empty() { Column::defaults() } else { self.columns.clone() }
    }

    /// The conditions on properties; and what is wrong with those that make no sense.
    #[must_use]
    pub fn properties(&self) -> (PropertyGroup, Vec<String>) {
        conditions(&self.filters, PropertyScope::Event)
    }

    /// Whether anything is asked for but all events.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.events.is_empty()
            || self.person.is_some()
            || !self.filters.is_empty()
            || self.range != Range::All
            || self.traffic != Traffic::All
    }

    /// The same events from the newest on.
    #[must_use]
    pub fn without_page(&self) -> Self {
        Self { place: EventsPlace::NEWEST, ..self.clone() }
    }

    /// What a form carries along in hidden fields: events, person, filters and whose events.
    #[must_use]
    pub fn filter_params(&self) -> Vec<(&'static str, String)> {
        let mut params: Vec<(&'static str, String)> = Vec::new();
        params.extend(self.events.iter().map(|name| ("event", name.clone())));
        params.extend(self.person.iter().map(|person| ("person", person.clone())));
        params.extend(self.filters.iter().flat_map(FilterLine::params));
        if self.traffic != Traffic::All {
            params.push(("traffic", self.traffic.word().to_owned()));
        }
        params
    }

    /// The query string that [`ExplorerState::parse`] reads, with its `?`; empty for the state of a bare URL.
    #[must_use]
    pub fn query(&self) -> String {
        let mut params = self.filter_params();
        params.extend(self.range.params());
        params.extend(self.columns.iter().map(|column| ("columns", column.to_string())));
        params.extend(self.place.params());
        match serde_urlencoded::to_string(params) {
            Ok(text) if !text.is_empty() => format!("?{text}"),
            _ => String::new(),
        }
    }
}

/// The conditions of these lines, all of which must hold; and what is wrong with those that make no sense.
#[must_use]
pub fn conditions(lines: &[FilterLine], scope: PropertyScope) -> (PropertyGroup, Vec<String>) {
    let mut mistakes = Vec::new();
    let filters = lines.iter().filter_map(|line| line.condition(scope).map_err(|wrong| mistakes.push(wrong)).ok());
    let group = PropertyGroup::all(filters.collect());
    (group, mistakes)
}

/// The conditions of a query string: property, operator and value repeat, each the same number of times.
#[must_use]
pub fn filters(pairs: &[(String, String)]) -> Vec<FilterLine> {
    let all = |name: &'static str| pairs.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.trim());
    let values = all("value").chain(std::iter::repeat(""));
    let operators = all("operator").chain(std::iter::repeat("exact"));
    all("property")
        .zip(operators)
        .zip(values)
        .filter(|((key, _), _)| !key.is_empty())
        .take(MOST_FILTERS)
        .map(|((key, operator), value)| FilterLine {
            key: key.to_owned(),
            operator: operator.to_owned(),
            value: value.to_owned(),
        })
        .collect()
}

/// A place in the list, for a URL: microseconds and uuid.
#[must_use]
pub fn cursor_text(cursor: EventCursor) -> String {
    format!("{}.{}", cursor.at.as_microsecond(), cursor.uuid.simple())
}

/// Reads what [`cursor_text`] wrote.
#[must_use]
pub fn read_cursor(text: &str) -> Option<EventCursor> {
    let (at, uuid) = text.split_once('.')?;
    Some(EventCursor { at: Timestamp::from_microsecond(at.parse().ok()?).ok()?, uuid: uuid.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::ch::EventPage;

    fn parse(query: &str) -> ExplorerState {
        ExplorerState::parse(&serde_urlencoded::from_str::<Vec<(String, String)>>(query).expect("a query string"))
    }

    #[test]
    fn a_url_is_read_as_it_is_written() {
        let state = ExplorerState {
            events: vec!["$pageview".to_owned(), "a&b=c".to_owned()],
            person: Some("ada@example.com".to_owned()),
            filters: vec![FilterLine { key: "plan".into(), operator: "is_set".into(), value: String::new() }],
            traffic: Traffic::Bots,
            range: Range::parse("-7d", ""),
            columns: vec![Column::Event, Column::Property("plan".to_owned())],
            place: EventsPlace {
                page: EventPage::OlderThan(EventCursor { at: Timestamp::UNIX_EPOCH, uuid: Uuid::from_u128(7) }),
                open: Some(Uuid::from_u128(9)),
            },
        };
        assert_eq!(parse(state.query().trim_start_matches('?')), state);
        assert_eq!(ExplorerState::default().query(), "");
    }

    #[test]
    fn blank_rows_of_the_form_are_no_filters() {
        let state =
            parse("event=&person=+&property=plan&operator=exact&value=pro&property=&operator=exact&value=&columns=");
        assert_eq!(state.filters.len(), 1);
        assert_eq!((state.events.len(), state.person, state.columns.len()), (0, None, 0));
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(parse("before=x.y&open=1&date_from=yesterday"), ExplorerState::default());
        assert_eq!(parse("before=99999999999999999999.0"), ExplorerState::default());
    }
}
