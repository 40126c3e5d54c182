//! What Tenrec adds to an event: where its sender is, with what, by which channel, and whether it is a program.
//!
//! The client's address must not reach the disk, so [`Enricher::locate`] turns it into a place at the door, before the spool;
//! the rest needs nothing that the spool does not hold. All of it is pure: no store is asked. A property that the sender
//! gave, even as null, is never changed; the one exception is `$ip`, which is taken out after the look-up unless
//! `TENREC_STORE_IP` is set.
//!
//! | property | from | in |
//! |---|---|---|
//! | `$channel_type` | referrer, campaign, click ids | [`channel`], [`hosts`] |
//! | `$bot_class`, `$bot_rule`, `$bot_score` | user agent, and weak signs | [`bots`] |
//! | `$browser`, `$browser_version`, `$os`, `$os_version`, `$device_type` | user agent | [`user_agent`] |
//! | `$geoip_…` | `$ip` of the event, else the client's address | [`geo`] |
//!
//! - An event of a server (`$is_server`, or a `$lib` that runs on servers) has neither the address nor the browser of a
//!   person: only an `$ip` that it gives itself is looked up.
//! - The user agent is the event's `$raw_user_agent`. The header stands in for it if it is a browser's or the event comes from
//!   the browser SDK: a script that reports what people do is not judged by its own name.
//! - An event without referrer, campaign and click id has no channel; nor has one whose referrer is its own host, because
//!   nobody came from anywhere.
//! - `$geoip_disable: true` leaves out the look-up, `?ip=0` the client's address.

pub mod bots;
mod geo;
pub mod user_agent;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AcceptedEvent;
use crate::model::Properties;
use crate::model::channel::{AD_CLICK_IDS, Acquisition, channel_type};
use bots::{BotRule, Verdict};
use user_agent::UserAgent;

pub use geo::GeoIp;

/// Longest user agent that is read.
const MAX_AGENT_BYTES: usize = 1024;
/// User agents that are remembered; then all are forgotten.
const MAX_AGENTS: usize = 4096;

/// `$lib` of SDKs that run on servers.
const SERVER_LIBS: &[&str] = &[
    "posthog-python",
    "posthog-node",
    "posthog-go",
    "posthog-ruby",
    "posthog-php",
    "posthog-java",
    "posthog-server",
    "posthog-rs",
    "posthog-dotnet",
    "posthog-elixir",
    "posthog-edge",
];

/// Who sent a request, as far as the request shows.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address, behind trusted proxies only.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
}

/// What is kept of an [`Origin`] until its events are completed: the place instead of the address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Properties of the place.
    place: Vec<(Cow<'static, str>, String)>,
    /// Only if addresses are stored.
    ip: Option<IpAddr>,
    user_agent: Option<String>,
}

/// Adds to events. Clones share the database and what is known of user agents.
#[derive(Debug, Clone, Default)]
pub struct Enricher {
    geo: Option<GeoIp>,
    store_ip: bool,
    agents: Arc<RwLock<HashMap<String, Arc<Agent>>>>,
}

/// What a user agent is.
#[derive(Debug)]
struct Agent {
    bot: Option<BotRule>,
    read: UserAgent,
}

impl Enricher {
    /// With a database of addresses or without one; `store_ip` leaves `$ip` on the events.
    #[must_use]
    pub fn new(geo: Option<GeoIp>, store_ip: bool) -> Self {
        Self { geo, store_ip, agents: Arc::default() }
    }

    /// Looks up where a request comes from.
    #[must_use]
    pub fn locate(&self, origin: &Origin) -> Sender {
        let place = match (&self.geo, origin.ip) {
            (Some(geo), Some(ip)) => geo.find(ip).into_iter().map(|(key, value)| (key.into(), value)).collect(),
            _ => Vec::new(),
        };
        Sender { place, ip: origin.ip.filter(|_| self.store_ip), user_agent: origin.user_agent.clone() }
    }

    /// Completes the events of a request.
    pub fn enrich(&self, events: &mut [AcceptedEvent], origin: &Origin) {
        let sender = self.locate(origin);
        for event in events {
            self.complete(&mut event.properties, &sender);
        }
    }

    /// Completes the properties of one event.
    pub fn complete(&self, properties: &mut Properties, sender: &Sender) {
        let is_server = is_server(properties);
        self.place(properties, sender, is_server);
        if is_server {
            return;
        }
        let agent = agent_text(properties, sender).map(|text| self.agent(text));
        let by_name = agent.as_ref().and_then(|agent| agent.bot);
        if let Some(verdict) = bots::judge(by_name, agent_text(properties, sender), properties) {
            say_verdict(properties, &verdict);
        }
        if let Some(agent) = agent {
            describe(properties, &agent);
        }
        if let Some(channel) = channel_of(properties) {
            say(properties, "$channel_type", channel);
        }
    }

    fn place(&self, properties: &mut Properties, sender: &Sender, is_server: bool) {
        let given = properties.get("$ip").and_then(Value::as_str).and_then(|text| text.trim().parse().ok());
        let is_seen = !is_server && !properties.contains_key("$ip");
        let is_wanted = properties.get("$geoip_disable") != Some(&Value::Bool(true))
            && !properties.keys().any(|key| key.starts_with("$geoip_") && key != "$geoip_disable");
        match (&self.geo, given) {
            (Some(geo), Some(ip)) if is_wanted => {
                for (key, value) in geo.find(ip) {
                    say(properties, key, &value);
                }
            }
            (_, None) if is_wanted && is_seen => {
                for (key, value) in &sender.place {
                    say(properties, key, value);
                }
            }
            _ => {}
        }
        match (self.store_ip, sender.ip) {
            (true, Some(ip)) if is_seen => say(properties, "$ip", &ip.to_string()),
            (true, _) => {}
            (false, _) => drop(properties.remove("$ip")),
        }
    }

    fn agent(&self, text: &str) -> Arc<Agent> {
        let text = &text[..text.floor_char_boundary(MAX_AGENT_BYTES)];
        // What a panic elsewhere left behind is still a map of right answers.
        if let Some(agent) = self.agents.read().unwrap_or_else(PoisonError::into_inner).get(text) {
            return Arc::clone(agent);
        }
        let agent = Arc::new(Agent { bot: bots::classify(text), read: user_agent::parse(text) });
        let mut agents = self.agents.write().unwrap_or_else(PoisonError::into_inner);
        if agents.len() >= MAX_AGENTS {
            agents.clear();
        }
        agents.insert(text.to_owned(), Arc::clone(&agent));
        agent
    }
}

fn is_server(properties: &Properties) -> bool {
    let lib = properties.get("$lib").and_then(Value::as_str);
    properties.get("$is_server") == Some(&Value::Bool(true)) || lib.is_some_and(|lib| SERVER_LIBS.contains(&lib))
}

fn agent_text<'a>(properties: &'a Properties, sender: &'a Sender) -> Option<&'a str> {
    if let Some(said) = properties.get("$raw_user_agent") {
        return said.as_str();
    }
    let is_browser_sdk = matches!(properties.get("$lib").and_then(Value::as_str), Some("web" | "js"));
    sender.user_agent.as_deref().filter(|agent| is_browser_sdk || agent.starts_with("Mozilla/"))
}

/// All of it or nothing: a sender's own judgement stands.
fn say_verdict(properties: &mut Properties, verdict: &Verdict) {
    if ["$bot_class", "$bot_rule", "$bot_score"].iter().any(|key| properties.contains_key(key)) {
        return;
    }
    if let Some(class) = verdict.class {
        say(properties, "$bot_class", class);
    }
    say(properties, "$bot_rule", &verdict.rule);
    properties.insert("$bot_score", verdict.score.into());
}

fn describe(properties: &mut Properties, agent: &Agent) {
    let UserAgent { browser, browser_version, os, os_version, device_type } = &agent.read;
    // A version belongs to a name: neither is put beside the other's from elsewhere.
    for (key, name, version_key, version) in
        [("$browser", browser, "$browser_version", browser_version), ("$os", os, "$os_version", os_version)]
    {
        if properties.contains_key(key) || properties.contains_key(version_key) {
            continue;
        }
        if let Some(name) = name {
            say(properties, key, name);
        }
        if let Some(version) = version {
            say(properties, version_key, version);
        }
    }
    if let Some(device_type) = device_type {
        say(properties, "$device_type", device_type);
    }
}

fn channel_of(properties: &Properties) -> Option<&'static str> {
    let text = |key: &str| properties.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let is_ad_click = AD_CLICK_IDS.iter().any(|key| text(key).is_some());
    let (source, medium, campaign) = (text("utm_source"), text("utm_medium"), text("utm_campaign"));
    let referring_domain = text("$referring_domain").or_else(|| text("$referrer").map(host_of));
    let is_campaign = is_ad_click || source.or(medium).or(campaign).is_some();
    let own = text("$host").or_else(|| text("$current_url").map(host_of));
    if !is_campaign && (referring_domain.is_none() || own == referring_domain) {
        return None;
    }
    Some(channel_type(&Acquisition { referring_domain, source, medium, campaign, is_ad_click }))
}

/// The host in an address, or the text itself if there is none.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Sets a property that the sender did not.
fn say(properties: &mut Properties, key: &str, value: &str) {
    if !properties.contains_key(key) {
        properties.insert(key, Value::String(value.to_owned()));
    }
}

#[cfg(test)]
mod tests;
