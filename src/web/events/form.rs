//! The bar above the explorer's table: what is asked for, and how to ask for something else.

use super::columns::Column;
use super::range::{PRESETS, Range};
use super::state::ExplorerState;
use crate::model::query::Traffic;
use crate::web::traffic::{TrafficLink, traffic_links, with_traffic};

/// The bar above the table.
#[derive(Debug)]
pub struct FilterForm {
    pub action: String,
    pub hidden: Vec<(&'static str, String)>,
    pub person: String,
    pub chips: Vec<Chip>,
    pub event_names: Vec<String>,
    pub property_names: Vec<String>,
    pub range_label: String,
    pub presets: Vec<Preset>,
    /// The chosen preset, which a search keeps.
    pub range_word: Option<&'static str>,
    pub date_from: String,
    pub date_to: String,
    pub traffic: Vec<TrafficLink>,
    /// The live page of the same traffic.
    pub live_href: String,
    pub columns: Vec<ColumnChoice>,
    pub reset_columns: String,
}

/// Something asked for, and the address of the page without it.
#[derive(Debug)]
pub struct Chip {
    pub text: String,
    pub without: String,
}

#[derive(Debug)]
pub struct Preset {
    pub label: &'static str,
    pub href: String,
    pub is_current: bool,
}

#[derive(Debug)]
pub struct ColumnChoice {
    pub word: String,
    pub title: String,
    pub is_chosen: bool,
}

impl FilterForm {
    /// Whether events are asked for by name.
    pub fn has_events(&self) -> bool {
        self.hidden.iter().any(|(name, _)| *name == "event")
    }

    /// The bar for what is asked.
    pub fn new(asked: &ExplorerState, action: String, event_names: Vec<String>, property_names: Vec<String>) -> Self {
        let state = asked.without_page();
        let href = |state: &ExplorerState| format!("{action}{}", state.query());
        let chosen = state.shown_columns();
        let mut columns: Vec<Column> = chosen.clone();
        columns.extend(Column::offered().into_iter().filter(|column| !chosen.contains(column)));
        let (date_from, date_to) = match state.range {
            Range::Days { from, to } => {
                (from.map_or_else(String::new, |d| d.to_string()), to.map_or_else(String::new, |d| d.to_string()))
            }
            Range::All | Range::Last(_) => Default::default(),
        };
        let ranges = std::iter::once(("All time", Range::All))
            .chain(PRESETS.iter().enumerate().map(|(at, (_, label, _))| (*label, Range::Last(at))));
        Self {
            hidden: state.filter_params().into_iter().filter(|(name, _)| *name != "person").collect(),
            person: state.person.clone().unwrap_or_default(),
            chips: chips(&state).into_iter().map(|(text, without)| Chip { text, without: href(&without) }).collect(),
            event_names,
            property_names,
            range_label: state.range.label(),
            presets: ranges
                .map(|(label, range)| Preset {
                    label,
                    href: href(&ExplorerState { range, ..state.clone() }),
                    is_current: range == state.range,
                })
                .collect(),
            range_word: match state.range {
                Range::Last(at) => Some(PRESETS[at].0),
                Range::All | Range::Days { .. } => None,
            },
            date_from,
            date_to,
            live_href: with_traffic(format!("{action}/live"), state.traffic),
            traffic: traffic_links(state.traffic, |traffic| href(&ExplorerState { traffic, ..state.clone() })),
            columns: columns
                .iter()
                .map(|column| ColumnChoice {
                    word: column.to_string(),
                    title: column.title().to_owned(),
                    is_chosen: chosen.contains(column),
                })
                .collect(),
            reset_columns: href(&ExplorerState { columns: Vec::new(), ..state.clone() }),
            action,
        }
    }
}

/// Each thing asked for, in words, and the state without it.
fn chips(state: &ExplorerState) -> Vec<(String, ExplorerState)> {
    let mut chips = Vec::new();
    for (at, name) in state.events.iter().enumerate() {
        let mut without = state.clone();
        without.events.remove(at);
        chips.push((name.clone(), without));
    }
    if let Some(person) = &state.person {
        chips.push((format!("Person: {person}"), ExplorerState { person: None, ..state.clone() }));
    }
    if state.traffic != Traffic::All {
        let without = ExplorerState { traffic: Traffic::All, ..state.clone() };
        chips.push((state.traffic.note().to_owned(), without));
    }
    for (at, filter) in state.filters.iter().enumerate() {
        let mut without = state.clone();
        without.filters.remove(at);
        chips.push((filter.text(), without));
    }
    chips
}
