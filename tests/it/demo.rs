//! The demo's events through the door, on the real stores.

use std::collections::{HashMap, HashSet};

use jiff::tz::TimeZone;
use tenrec::demo::{DemoEvent, DemoOptions, Sender};

use crate::support::TestApp;

fn text<'a>(event: &'a DemoEvent, key: &str) -> &'a str {
    event.wire["properties"][key].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_demo_is_stored_once_and_its_people_are_who_they_are() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let options = DemoOptions { people: 60, events: 1_500, ..DemoOptions::new(app.clock.now(), TimeZone::UTC) };
    let events: Vec<_> = options.events().collect();
    let sender = Sender::new(&app.url(""), owner.api_key.parse().unwrap()).unwrap();

    let mut acknowledged = 0;
    let last = sender.send(events.iter().cloned(), |sent| acknowledged += sent).await.unwrap();
    assert_eq!(acknowledged, events.len());
    assert_eq!(last.unwrap().to, events.last().unwrap().timestamp);
    app.flush().await;
    let rows = app.ch_count("SELECT count() FROM events").await;
    assert_eq!(usize::try_from(rows).unwrap(), events.len());

    sender.send(options.events(), |_| {}).await.unwrap();
    app.flush().await;
    assert_eq!(app.ch_count("SELECT count() FROM events").await, rows, "the same seed adds nothing");

    // Naively: an id that was identified is the user; everybody else is an id.
    let named = events.iter().filter(|event| event.wire["event"] == "$identify");
    let users: HashMap<_, _> =
        named.map(|event| (text(event, "$anon_distinct_id"), text(event, "distinct_id"))).collect();
    let ids: HashSet<_> = events.iter().map(|event| text(event, "distinct_id")).collect();
    let people: HashSet<_> = ids.iter().map(|id| users.get(id).unwrap_or(id)).collect();
    let persons = app.pg_value::<i64>("SELECT count(*) FROM persons").await;
    assert_eq!(usize::try_from(persons).unwrap(), people.len());

    let orders = events.iter().filter(|event| event.wire["event"] == "order completed");
    let revenue: f64 = orders.filter_map(|event| event.wire["properties"]["revenue"].as_f64()).sum();
    let cents = app
        .ch_count("SELECT toUInt64(round(100 * sum(properties.revenue::Float64))) FROM events WHERE event = 'order completed'")
        .await;
    assert!(revenue > 0.0);
    assert!((revenue * 100.0 - cents as f64).abs() < 1.0, "{revenue} was sent, {cents} cents are stored");
}
