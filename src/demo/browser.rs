//! A browser with the SDK in it: turns what a visitor does into the events that posthog-js would send.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::catalogue::{HOST, SHOP, Source};
use super::people::{OwnDevice, Person};
use super::rng::Rng;

/// An event in the form of the capture API, with its time beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoEvent {
    /// When it happened.
    pub timestamp: Timestamp,
    /// One entry of a `/batch/` body.
    pub wire: Value,
}

/// The page that is open.
#[derive(Debug)]
struct Page {
    path: String,
    title: String,
    id: String,
    opened_at: Timestamp,
}

/// What holds for a whole visit.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    pub person: &'a Person,
    pub device: &'a OwnDevice,
    pub source: &'a Source,
    pub starts_at: Timestamp,
    /// The id given on sign-up, if this browser already knows it.
    pub user_id: Option<&'a str>,
}

/// One session in one browser window. Its clock only moves forward.
#[derive(Debug)]
pub(super) struct Browser<'a> {
    arrival: Arrival<'a>,
    user_id: Option<&'a str>,
    now: Timestamp,
    session_id: String,
    window_id: String,
    page: Option<Page>,
    previous_url: Option<String>,
    /// Campaign parameters of the landing page, as the SDK repeats them on every event.
    campaign: Map<String, Value>,
    pub(super) rng: Rng,
    events: Vec<DemoEvent>,
}

/// Takes the named values of a `json!` object.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl<'a> Browser<'a> {
    pub(super) fn new(arrival: Arrival<'a>, mut rng: Rng) -> Self {
        let now = arrival.starts_at;
        let mut campaign = Map::new();
        if let Some((source, medium, name)) = arrival.source.utm {
            campaign.extend(object(json!({ "utm_source": source, "utm_medium": medium })));
            if !name.is_empty() {
                campaign.insert("utm_campaign".to_owned(), name.into());
            }
            if let Some(content) = arrival.source.utm_content {
                campaign.insert("utm_content".to_owned(), content.into());
            }
        }
        if let Some(click_id) = arrival.source.click_id {
            campaign.insert(click_id.to_owned(), rng.uuid().simple().to_string().into());
        }
        Self {
            session_id: rng.uuid_at(now).to_string(),
            window_id: rng.uuid_at(now).to_string(),
            user_id: arrival.user_id,
            now,
            page: None,
            previous_url: None,
            campaign,
            rng,
            events: Vec::new(),
            arrival,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn is_known(&self) -> bool {
        self.user_id.is_some()
    }

    /// Lets the visitor look at the page for a while, some seconds on average.
    pub(super) fn dwell(&mut self, mean_seconds: f64) {
        let pause = self.rng.pause_ms(mean_seconds, 480.0);
        self.now += SignedDuration::from_millis(pause);
    }

    /// Follows a link: the page before is left, the new one viewed. The address carries the campaign on landing.
    pub(super) fn open(&mut self, path: &str, title: &str) {
        let landing = self.page.is_none() && self.previous_url.is_none();
        self.leave();
        self.now += SignedDuration::from_millis(self.rng.pause_ms(0.6, 3.0));
        let mut url = format!("https://{HOST}{path}");
        if landing && !self.campaign.is_empty() {
            let query = serde_urlencoded::to_string(&self.campaign).unwrap_or_default();
            url = format!("{url}?{query}");
        }
        let id = self.rng.uuid_at(self.now).to_string();
        self.page = Some(Page {
            path: path.to_owned(),
            title: format!("{title} · {SHOP}"),
            id: id.clone(),
            opened_at: self.now,
        });
        let properties = object(json!({ "$current_url": url }));
        self.push("$pageview", Some(id), properties, None);
        self.previous_url = Some(format!("https://{HOST}{path}"));
    }

    /// Leaves the open page, if one is.
    pub(super) fn leave(&mut self) {
        let Some(page) = &self.page else { return };
        let duration = self.now.duration_since(page.opened_at).as_secs_f64();
        let scrolled = (0.25 + 0.75 * self.rng.unit()).min(1.0);
        let properties = object(json!({
            "$prev_pageview_id": page.id,
            "$prev_pageview_pathname": page.path,
            "$prev_pageview_duration": duration,
            "$prev_pageview_max_scroll_percentage": (scrolled * 1000.0).round() / 1000.0,
        }));
        self.push("$pageleave", None, properties, None);
        self.page = None;
    }

    /// Clicks something that autocapture sees. `tag` is `button` or `a`.
    pub(super) fn click(&mut self, tag: &str, class: &str, text: &str) {
        let chain = format!(
            r#"{tag}.{class}:attr__class="{class}"nth-child="2"nth-of-type="1"text="{text}";main:nth-child="2"nth-of-type="1";body:nth-child="2"nth-of-type="1""#
        );
        let properties =
            object(json!({ "$event_type": "click", "$ce_version": 1, "$el_text": text, "$elements_chain": chain }));
        self.push("$autocapture", None, properties, None);
    }

    /// Calls `posthog.capture`.
    pub(super) fn track(&mut self, event: &str, properties: Value) {
        self.push(event, None, object(properties), None);
    }

    /// Calls `posthog.capture` with `$set` beside the properties.
    pub(super) fn track_and_set(&mut self, event: &str, properties: Value, set: Value) {
        self.push(event, None, object(properties), Some(set));
    }

    /// Calls `posthog.identify`: from here on the browser knows who this is.
    pub(super) fn identify(&mut self, set: Value) {
        let user_id = self.arrival.person.user_id.as_str();
        self.user_id = Some(user_id);
        let properties = object(json!({ "$anon_distinct_id": self.arrival.device.id }));
        self.push("$identify", None, properties, Some(set));
    }

    /// Ends the visit; gives its events in the order they happened.
    pub(super) fn close(mut self) -> Vec<DemoEvent> {
        self.leave();
        self.events
    }

    fn push(&mut self, event: &str, uuid: Option<String>, own: Map<String, Value>, set: Option<Value>) {
        let uuid = uuid.unwrap_or_else(|| self.rng.uuid_at(self.now).to_string());
        let mut properties = self.standing();
        properties.extend(own);
        let mut wire = object(json!({ "uuid": uuid, "event": event, "timestamp": self.now.to_string() }));
        wire.insert("properties".to_owned(), properties.into());
        if let Some(set) = set {
            wire.insert("$set".to_owned(), set);
        }
        self.events.push(DemoEvent { timestamp: self.now, wire: wire.into() });
        // Two events of one page never share a moment.
        self.now += SignedDuration::from_millis(1 + i64::try_from(self.rng.below(40)).unwrap_or(0));
    }

    /// What the SDK puts on every event.
    fn standing(&self) -> Map<String, Value> {
        let Arrival { person, device: own, source, .. } = &self.arrival;
        let (device, place) = (own.device, person.place);
        let (width, height) = own.screen;
        let referrer = source.referrer.unwrap_or("$direct");
        let domain = referrer.split('/').nth(2).unwrap_or("$direct");
        let mut properties = object(json!({
            "distinct_id": self.user_id.unwrap_or(&own.id),
            "$os": device.os,
            "$browser": device.browser,
            "$browser_version": device.browser_version,
            "$browser_language": place.language,
            "$device_type": device.kind,
            "$raw_user_agent": device.user_agent,
            "$timezone": place.time_zone,
            "$host": HOST,
            "$screen_width": width,
            "$screen_height": height,
            "$viewport_width": width,
            "$viewport_height": height - if device.kind == "Desktop" { 140 } else { 96 },
            "$lib": "web",
            "$lib_version": "1.449.2",
            "$device_id": own.id,
            "$session_id": self.session_id,
            "$window_id": self.window_id,
            "$referrer": referrer,
            "$referring_domain": domain,
            "$is_identified": self.is_known(),
            "$process_person_profile": true,
            "$geoip_country_code": place.code,
            "$geoip_country_name": place.country,
            "$geoip_subdivision_1_name": place.region,
            "$geoip_city_name": place.city,
        }));
        let mut add = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                properties.insert(key.to_owned(), value);
            }
        };
        add("$os_version", Some(device.os_version).filter(|v| !v.is_empty()).map(Value::from));
        add("$device", Some(device.model).filter(|v| !v.is_empty()).map(Value::from));
        add("$user_id", self.user_id.map(Value::from));
        if let Some(page) = &self.page {
            add("$current_url", Some(format!("https://{HOST}{}", page.path).into()));
            add("$pathname", Some(page.path.clone().into()));
            add("title", Some(page.title.clone().into()));
            add("$pageview_id", Some(page.id.clone().into()));
        }
        properties.extend(self.campaign.clone());
        properties
    }
}
