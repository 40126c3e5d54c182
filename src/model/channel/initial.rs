//! Where a person first came from, by the properties that keep it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::hosts::{HostKind, kind_of_host};
use super::{AD_CLICK_IDS, Acquisition, channel_type};

/// The referring domain of somebody who typed the address.
const DIRECT: &str = "$direct";

/// The channel that a person first came by. Without anything that says, it is *Other*: that nobody came from anywhere is
/// known only where `$direct` says so.
#[must_use]
pub fn initial_channel_type(properties: &Map<String, Value>) -> &'static str {
    let text = |key: &str| text_of(properties.get(&format!("$initial_{key}")));
    let (domain, source) = (text("referring_domain"), text("utm_source"));
    let (medium, campaign) = (text("utm_medium"), text("utm_campaign"));
    let is_ad_click = AD_CLICK_IDS.iter().any(|key| text(key).is_some());
    if domain.is_none() && source.is_none() && medium.is_none() && campaign.is_none() && !is_ad_click {
        return "Other";
    }
    channel_type(&Acquisition {
        referring_domain: domain.as_deref(),
        source: source.as_deref(),
        medium: medium.as_deref(),
        campaign: campaign.as_deref(),
        is_ad_click,
    })
}

/// What kind of site a person first came from; empty for one that no list knows.
#[must_use]
pub fn initial_referring_domain_type(properties: &Map<String, Value>) -> &'static str {
    let Some(domain) = text_of(properties.get("$initial_referring_domain")) else { return "" };
    if domain == DIRECT {
        return "Direct";
    }
    match kind_of_host(&domain) {
        Some(HostKind::Search) => "Search",
        Some(HostKind::Social) => "Social",
        Some(HostKind::Video) => "Video",
        Some(HostKind::Shopping) => "Shopping",
        Some(HostKind::Ai) => "AI",
        Some(HostKind::Email) => "Email",
        Some(HostKind::Display) => "Display",
        None => "",
    }
}

fn text_of(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value? {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
    .filter(|text: &Cow<'_, str>| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn where_somebody_came_from_is_told_by_the_initial_properties() {
        let channel = |value: Value| initial_channel_type(value.as_object().expect("an object"));
        assert_eq!(channel(json!({})), "Other");
        assert_eq!(channel(json!({ "$initial_referring_domain": "$direct" })), "Direct");
        assert_eq!(channel(json!({ "$initial_referring_domain": "www.google.com" })), "Organic Search");
        assert_eq!(
            channel(json!({ "$initial_gclid": "x", "$initial_referring_domain": "www.google.com" })),
            "Paid Search"
        );
        let kind = |domain: &str| {
            initial_referring_domain_type(
                json!({ "$initial_referring_domain": domain }).as_object().expect("an object"),
            )
        };
        assert_eq!((kind("old.reddit.com"), kind("$direct"), kind("nobody.example")), ("Social", "Direct", ""));
    }
}
