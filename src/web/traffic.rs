//! The switch between humans, bots and all that pages have.

use serde::Deserialize;

use crate::model::query::Traffic;

/// `?traffic=bots`, as every page with the switch has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TrafficQuery {
    traffic: String,
}

impl TrafficQuery {
    /// What was chosen; none for the page's own choice, and for a word that nobody knows.
    pub fn chosen(&self) -> Option<Traffic> {
        Traffic::of_word(&self.traffic)
    }
}

/// One choice of the switch, as a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrafficLink {
    pub label: &'static str,
    pub href: String,
    pub is_current: bool,
}

/// The address of a page of events about this traffic; such pages show all unless told otherwise.
pub fn with_traffic(path: String, traffic: Traffic) -> String {
    if traffic == Traffic::All { path } else { format!("{path}?traffic={}", traffic.word()) }
}

/// The switch: a link for each choice.
pub fn traffic_links(current: Traffic, href: impl Fn(Traffic) -> String) -> Vec<TrafficLink> {
    let link = |(_, traffic): &(&str, Traffic)| TrafficLink {
        label: traffic.label(),
        href: href(*traffic),
        is_current: *traffic == current,
    };
    Traffic::WORDS.iter().map(link).collect()
}
