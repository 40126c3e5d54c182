//! What the address of the people list says, and addresses that say something else.

use crate::model::query::PropertyScope;
use crate::storage::pg::{PersonOrder, PersonPage, PersonQuery, PersonSort};
use crate::web::events::{FilterLine, conditions, filters};

/// Longer than any distinct id.
const MOST_SEARCH_CHARS: usize = 400;

/// All that the list's address says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeopleState {
    pub search: String,
    pub filters: Vec<FilterLine>,
    pub order: PersonOrder,
    pub page: PersonPage,
}

/// Orders by their words; a minus before one turns it round.
const SORTS: [(&str, PersonSort); 3] =
    [("created", PersonSort::Created), ("seen", PersonSort::LastSeen), ("name", PersonSort::Label)];

impl PeopleState {
    /// Reads a query string's pairs. What makes no sense is left out, so that an old link still opens.
    #[must_use]
    pub fn parse(pairs: &[(String, String)]) -> Self {
        let one = |name| pairs.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
        let order = read_order(one("sort")).unwrap_or_default();
        let place =
            |name| one(name).parse().ok().filter(|cursor: &crate::storage::pg::PersonCursor| cursor.fits(order));
        Self {
            search: one("search").trim().chars().filter(|c| *c != '\0').take(MOST_SEARCH_CHARS).collect(),
            filters: filters(pairs),
            order,
            page: match (place("after"), place("before")) {
                (Some(cursor), _) => PersonPage::After(cursor),
                (None, Some(cursor)) => PersonPage::Before(cursor),
                (None, None) => PersonPage::First,
            },
        }
    }

    /// The question behind it; and what is wrong with its filters.
    #[must_use]
    pub fn question(&self) -> (PersonQuery, Vec<String>) {
        let (filters, mistakes) = conditions(&self.filters, PropertyScope::Person);
        let search = Some(self.search.clone()).filter(|search| !search.is_empty());
        (PersonQuery { search, filters, order: self.order, ..PersonQuery::default() }, mistakes)
    }

    /// Whether only some people are asked for.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.search.is_empty() || !self.filters.is_empty()
    }

    /// The query string that [`PeopleState::parse`] reads, with its `?`; empty for the state of a bare address.
    #[must_use]
    pub fn query(&self) -> String {
        let mut params = self.kept();
        if !self.search.is_empty() {
            params.insert(0, ("search", self.search.clone()));
        }
        match &self.page {
            PersonPage::First => {}
            PersonPage::After(cursor) => params.push(("after", cursor.to_string())),
            PersonPage::Before(cursor) => params.push(("before", cursor.to_string())),
        }
        match serde_urlencoded::to_string(params) {
            Ok(text) if !text.is_empty() => format!("?{text}"),
            _ => String::new(),
        }
    }

    /// What a new search keeps: filters and order.
    #[must_use]
    pub fn kept(&self) -> Vec<(&'static str, String)> {
        let mut params: Vec<_> = self.filters.iter().flat_map(FilterLine::params).collect();
        if self.order != PersonOrder::default() {
            params.push(("sort", order_text(self.order)));
        }
        params
    }

    /// The first page in another order.
    #[must_use]
    pub fn sorted(&self, order: PersonOrder) -> Self {
        Self { order, page: PersonPage::First, ..self.clone() }
    }
}

fn read_order(text: &str) -> Option<PersonOrder> {
    let (word, is_descending) = match text.strip_prefix('-') {
        Some(word) => (word, true),
        None => (text, false),
    };
    let by = SORTS.iter().find(|(known, _)| *known == word)?.1;
    Some(PersonOrder { by, is_descending })
}

fn order_text(order: PersonOrder) -> String {
    let word = SORTS.iter().find(|(_, by)| *by == order.by).map_or("", |(word, _)| word);
    if order.is_descending { format!("-{word}") } else { word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> PeopleState {
        PeopleState::parse(&serde_urlencoded::from_str::<Vec<(String, String)>>(query).expect("a query string"))
    }

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for by in [PersonSort::Created, PersonSort::LastSeen, PersonSort::Label] {
            for is_descending in [true, false] {
                let order = PersonOrder { by, is_descending };
                let place = if by == PersonSort::Label { "7.~ada & bob" } else { "7.1700000000000000" };
                let state = PeopleState {
                    search: "a&b=c".to_owned(),
                    filters: vec![FilterLine { key: "plan".into(), operator: "is_set".into(), value: String::new() }],
                    order,
                    page: PersonPage::Before(place.parse().expect("a place")),
                };
                assert_eq!(parse(state.query().trim_start_matches('?')), state);
            }
        }
        assert_eq!(PeopleState::default().query(), "");
    }

    #[test]
    fn nonsense_is_left_out() {
        assert_eq!(parse("sort=height&after=x&before=7.~ada&search=%00+"), PeopleState::default());
    }
}
