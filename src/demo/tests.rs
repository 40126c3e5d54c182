//! What the made-up month must look like.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use super::{DemoEvent, DemoOptions};

fn options() -> DemoOptions {
    let zone = TimeZone::get("Europe/Berlin").expect("a zone");
    // The evening of a day, so that the last day has mostly gone by.
    DemoOptions::new("2026-11-20T22:30:00Z".parse().expect("a timestamp"), zone)
}

/// A third of the usual people and events, made once for all tests that only look.
static MONTH: LazyLock<Vec<DemoEvent>> =
    LazyLock::new(|| DemoOptions { people: 1_000, events: 33_000, ..options() }.events().collect());

fn text<'a>(event: &'a DemoEvent, key: &str) -> &'a str {
    event.wire["properties"][key].as_str().unwrap_or_default()
}

fn name(event: &DemoEvent) -> &str {
    event.wire["event"].as_str().expect("an event has a name")
}

#[test]
fn a_month_has_the_size_it_promises() {
    let (mut events, mut ids, mut uuids, mut users) = (0_u32, HashSet::new(), HashSet::new(), HashMap::new());
    for event in options().events() {
        events += 1;
        uuids.insert(event.wire["uuid"].as_str().expect("a uuid").to_owned());
        ids.insert(text(&event, "distinct_id").to_owned());
        if name(&event) == "$identify" {
            users.insert(text(&event, "$anon_distinct_id").to_owned(), text(&event, "distinct_id").to_owned());
        }
    }
    assert!((95_000..=105_000).contains(&events), "{events} events instead of about 100,000");
    assert_eq!(uuids.len(), usize::try_from(events).expect("few"), "every event has a uuid of its own");
    // An anonymous id that was identified counts as the user.
    let people: HashSet<_> = ids.iter().map(|id| users.get(id).unwrap_or(id)).collect();
    assert!((2_900..=3_300).contains(&people.len()), "{} people instead of about 3,000", people.len());
}

#[test]
fn events_come_in_order_and_end_in_time() {
    let options = options();
    let events = &*MONTH;
    assert!(events.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
    assert!(events.iter().all(|event| event.timestamp <= options.end));
    let first = events.first().expect("there are events").timestamp.to_zoned(options.zone.clone()).date();
    assert_eq!(first, jiff::civil::date(2026, 10, 21));
    assert!(events.iter().all(|event| event.wire["timestamp"] == event.timestamp.to_string()));
}

#[test]
fn the_same_seed_repeats_and_another_differs() {
    let small = |seed| DemoOptions { seed, people: 60, events: 2_000, ..options() };
    let one: Vec<_> = small(1).events().collect();
    assert_eq!(one, small(1).events().collect::<Vec<_>>());
    let uuids: HashSet<_> = one.iter().map(|event| event.wire["uuid"].to_string()).collect();
    assert!(small(2).events().all(|event| !uuids.contains(&event.wire["uuid"].to_string())));
}

#[test]
fn a_later_hour_of_the_same_day_only_adds_events() {
    let noon: Timestamp = "2026-11-20T11:00:00Z".parse().expect("a timestamp");
    let small = || DemoOptions { people: 200, events: 6_000, ..options() };
    let early: Vec<_> = DemoOptions { end: noon, ..small() }.events().collect();
    let late: Vec<_> = small().events().take_while(|event| event.timestamp <= noon).collect();
    assert_eq!(early, late);
}

#[test]
fn the_funnel_loses_people_at_every_step_and_nobody_skips_one() {
    let events = &*MONTH;
    let steps = ["product viewed", "added to cart", "checkout started", "payment entered", "order completed"];
    let mut sessions: HashMap<&str, Vec<Option<Timestamp>>> = HashMap::new();
    for event in events {
        if let Some(step) = steps.iter().position(|step| *step == name(event)) {
            let seen = sessions.entry(text(event, "$session_id")).or_insert_with(|| vec![None; steps.len()]);
            seen[step].get_or_insert(event.timestamp);
        }
    }
    let count = |step: usize| sessions.values().filter(|seen| seen[step].is_some()).count();
    let counts: Vec<_> = (0..steps.len()).map(count).collect();
    assert!(counts.windows(2).all(|pair| pair[1] < pair[0]), "{counts:?}");
    assert!(counts[4] > 80, "enough orders for a chart: {counts:?}");
    for seen in sessions.values() {
        for pair in seen.windows(2) {
            assert!(pair[1].is_none() || pair[0] < pair[1], "a step without the one before: {seen:?}");
        }
    }
}

#[test]
fn sessions_are_short_and_never_silent_for_half_an_hour() {
    let events = &*MONTH;
    let mut sessions: HashMap<&str, Vec<&DemoEvent>> = HashMap::new();
    for event in events {
        sessions.entry(text(event, "$session_id")).or_default().push(event);
    }
    assert!((2_000..=3_000).contains(&sessions.len()), "{} sessions", sessions.len());
    for session in sessions.values() {
        let length = session[session.len() - 1].timestamp.duration_since(session[0].timestamp);
        assert!(length.as_hours() < 24, "a session of {length}");
        assert!(session.windows(2).all(|pair| pair[1].timestamp.duration_since(pair[0].timestamp).as_mins() < 30));
        assert_eq!(name(session[0]), "$pageview", "a session starts with a page");
        let devices: HashSet<_> = session.iter().map(|event| text(event, "$device_id")).collect();
        assert_eq!(devices.len(), 1);
    }
}

#[test]
fn weeks_have_a_rhythm_days_an_evening_and_the_month_grows() {
    let zone = options().zone;
    let mut days: BTreeMap<jiff::civil::Date, u32> = BTreeMap::new();
    let mut hours = [0_u32; 24];
    for event in MONTH.iter().filter(|event| name(event) == "$pageview") {
        let at = event.timestamp.to_zoned(zone.clone());
        *days.entry(at.date()).or_default() += 1;
        hours[usize::try_from(at.hour()).expect("an hour")] += 1;
    }
    assert_eq!(days.len(), 31);
    let mean = |wanted: &[Weekday]| {
        let counts: Vec<_> = days.iter().filter(|(day, _)| wanted.contains(&day.weekday())).map(|(_, n)| n).collect();
        f64::from(counts.iter().copied().sum::<u32>()) / f64::from(u32::try_from(counts.len()).expect("few"))
    };
    let (midweek, weekend) =
        (mean(&[Weekday::Tuesday, Weekday::Wednesday]), mean(&[Weekday::Saturday, Weekday::Sunday]));
    assert!(midweek > 1.25 * weekend, "midweek {midweek}, weekend {weekend}");
    let (evening, night) = (hours[19] + hours[20] + hours[21], hours[2] + hours[3] + hours[4]);
    assert!(evening > 5 * night, "evening {evening}, night {night}");
    let week = |from: usize| days.values().skip(from).take(7).sum::<u32>();
    assert!(week(22) > week(1), "the last whole week has {}, the first {}", week(22), week(1));
}

#[test]
fn people_sign_up_come_back_and_bring_a_second_device() {
    let events = &*MONTH;
    let identified = || events.iter().filter(|event| name(event) == "$identify");
    let users: HashSet<_> = identified().map(|event| text(event, "distinct_id")).collect();
    let devices: HashSet<_> = identified().map(|event| text(event, "$anon_distinct_id")).collect();
    assert!((200..=500).contains(&users.len()), "{} of 1,000 signed up", users.len());
    assert!(devices.len() > users.len() + 10, "some users have two devices");
    let mut sessions: HashMap<&str, HashSet<&str>> = HashMap::new();
    for event in events {
        sessions.entry(text(event, "$device_id")).or_default().insert(text(event, "$session_id"));
    }
    let back = sessions.values().filter(|sessions| sessions.len() > 1).count();
    assert!(back * 10 > sessions.len() * 3 && back * 10 < sessions.len() * 8, "{back} of {} came back", sessions.len());
    for event in events.iter().filter(|event| name(event) == "signed up") {
        assert_eq!(event.wire["properties"]["$is_identified"], true);
    }
}

#[test]
fn the_hidden_stories_can_be_found() {
    let events = &*MONTH;
    let share = |arm: &str| {
        let with = |step: &str| events.iter().filter(|e| name(e) == step && text(e, "checkout") == arm).count();
        f64::from(u32::try_from(with("order completed")).expect("few"))
            / f64::from(u32::try_from(with("checkout started")).expect("few"))
    };
    assert!(share("test") > share("control") + 0.04, "test {}, control {}", share("test"), share("control"));
    let broken: Vec<_> = events.iter().filter(|e| text(e, "reason") == "script error").collect();
    assert!(broken.len() > 2, "{} broken payments", broken.len());
    assert!(broken.iter().all(|event| text(event, "$browser").contains("Safari")));
    for source in ["newsletter", "google", "chatgpt.com"] {
        assert!(events.iter().filter(|event| text(event, "utm_source") == source).count() > 200, "{source}");
    }
}
