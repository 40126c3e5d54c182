use proptest::prelude::*;
use serde_json::json;

use super::*;

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

fn completed(properties: Value, user_agent: &str) -> Value {
    let mut properties: Properties = serde_json::from_value(properties).expect("an object");
    let origin = Origin { ip: Some([203, 0, 113, 9].into()), user_agent: Some(user_agent.to_owned()) };
    let enricher = Enricher::default();
    enricher.complete(&mut properties, &enricher.locate(&origin));
    Value::from(properties)
}

#[test]
fn a_browser_that_sends_no_sdk_properties_is_described_by_its_header() {
    assert_eq!(
        completed(json!({}), CHROME),
        json!({"$browser": "Chrome", "$browser_version": "140.0", "$os": "Windows", "$os_version": "10", "$device_type": "Desktop"})
    );
    assert_eq!(
        completed(json!({"$browser": "Mine", "$os": null, "$device_type": "TV"}), CHROME),
        json!({"$browser": "Mine", "$os": null, "$device_type": "TV"})
    );
}

#[test]
fn servers_and_scripts_that_report_are_not_judged_by_their_own_name() {
    for properties in [json!({"$is_server": true}), json!({"$lib": "posthog-python"}), json!({"$lib": "mine"})] {
        assert_eq!(completed(properties.clone(), "python-requests/2.32"), properties);
    }
    let bot = completed(json!({"$lib": "web", "$raw_user_agent": "HeadlessChrome/140.0"}), CHROME);
    let found = (&bot["$bot_class"], &bot["$bot_rule"], &bot["$bot_score"]);
    assert_eq!(found, (&json!("headless"), &json!("headlesschrome"), &json!(95)));
    let own = json!({"$lib": "web", "$bot_class": "mine"});
    assert_eq!(completed(own.clone(), "curl/8.5.0"), own, "a sender's own judgement stands");
    // Tools that people send their own events with are no browser, so nobody says that they were.
    for agent in ["curl/8.5.0", "posthog-python/7.91.1", "node", ""] {
        assert_eq!(completed(json!({"$lib": "mine"}), agent), json!({"$lib": "mine"}), "{agent}");
    }
}

#[test]
fn a_channel_needs_an_arrival() {
    let channel = |properties| completed(properties, "").get("$channel_type").cloned();
    assert_eq!(channel(json!({"plan": "pro"})), None);
    assert_eq!(channel(json!({"$referring_domain": "a.example", "$host": "a.example"})), None);
    assert_eq!(channel(json!({"$referring_domain": "$direct"})), Some(json!("Direct")));
    assert_eq!(channel(json!({"$referrer": "https://www.google.com/search?q=x"})), Some(json!("Organic Search")));
    assert_eq!(channel(json!({"$referring_domain": "$direct", "gclid": "x"})), Some(json!("Paid Search")));
    assert_eq!(channel(json!({"$channel_type": "Mine", "gclid": "x"})), Some(json!("Mine")));
}

#[test]
fn an_address_is_dropped_unless_it_shall_be_kept() {
    assert_eq!(completed(json!({"$ip": "203.0.113.1"}), ""), json!({}));
    let keep = Enricher::new(None, true);
    let origin = Origin { ip: Some([203, 0, 113, 9].into()), user_agent: None };
    for (given, kept) in [
        (json!({}), json!({"$ip": "203.0.113.9"})),
        (json!({"$ip": "203.0.113.1"}), json!({"$ip": "203.0.113.1"})),
        (json!({"$is_server": true}), json!({"$is_server": true})),
    ] {
        let mut properties: Properties = serde_json::from_value(given).expect("an object");
        keep.complete(&mut properties, &keep.locate(&origin));
        assert_eq!(Value::from(properties), kept);
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[a-z0-9./:?#-]{0,30}".prop_map(Value::from),
        Just(json!(["x"])),
    ]
}

fn key() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "$ip",
        "$is_server",
        "$lib",
        "$raw_user_agent",
        "$browser",
        "$browser_version",
        "$os",
        "$os_version",
        "$device_type",
        "$channel_type",
        "$bot_class",
        "$bot_rule",
        "$bot_score",
        "$screen_width",
        "$screen_height",
        "$webdriver",
        "$referrer",
        "$referring_domain",
        "$host",
        "$current_url",
        "utm_source",
        "utm_medium",
        "utm_campaign",
        "gclid",
        "$geoip_disable",
        "$geoip_country_code",
    ];
    proptest::sample::select(KNOWN).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn nothing_that_was_sent_is_changed(
        sent in proptest::collection::btree_map(key(), value(), 0..12),
        user_agent in ".{0,80}",
    ) {
        let sent: Properties = sent.into_iter().collect();
        let mut properties = sent.clone();
        let origin = Origin { ip: Some([203, 0, 113, 9].into()), user_agent: Some(user_agent) };
        let enricher = Enricher::new(None, true);
        let sender = enricher.locate(&origin);
        enricher.complete(&mut properties, &sender);
        for (key, value) in sent.iter() {
            prop_assert_eq!(properties.get(key), Some(value));
        }
        let once = properties.clone();
        enricher.complete(&mut properties, &sender);
        prop_assert_eq!(once, properties);
    }
}
