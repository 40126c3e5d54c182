//! `/project/{project}/events`: the explorer, one event, the live page.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tenrec::storage::ch::{EventCursor, EventFilter, EventPage, Wanted};
use uuid::Uuid;

use crate::explorer_support::{Explorer, Page, Seed};

#[tokio::test]
async fn an_event_shows_every_property_as_it_was_sent() {
    let explorer = Explorer::start().await;
    let sent = json!({
        "$browser": "Firefox", "$screen_width": 1920, "$prev_pageview_duration": 2.5, "$is_identified": true,
        "$current_url": "https://shop.example/a?b=\"c\"", "title": "Ünïcode \u{1F9A1} & <b>",
        "plan": "pro", "seats": 7, "ratio": 0.25, "big": 9_007_199_254_740_993_i64, "negative": -3, "is_new": false,
        "a.b": 1, "a": { "b": 2, "list": [1, "x", [true]] }, "items": [{ "sku": "A-1", "price": 9.5 }],
        "date": "2026-01-01", "number as text": "42", "quote": "'\\\"\n\t`", "empty": "", "none": [],
        // What does not fit its column, and keys that the store has words of its own for.
        "$screen_height": "tall", "$lib": ["web"], "$session_id": 5, "a%2Eb": "percent", "": "no key",
        "event": "not ours", "row_uuid": "nor this", "timestamp": 3, "é.ü": { "x.y": [{ "z.%2E": 1 }] },
    });
    let mut seed = explorer.seed("checkout", "ada", sent.clone());
    seed.person_properties = json!({ "email": "ada@example.com", "a.b": { "c": 1.5 } });
    explorer.store(std::slice::from_ref(&seed)).await;
    let found = explorer.app.state().ch.find_event(explorer.project, seed.uuid, None).await.unwrap().unwrap();
    assert_eq!(Value::from(found.properties), sent);
    assert_eq!(Value::from(found.person_properties), seed.person_properties);
    assert_eq!((found.at, found.received_at, found.person), (seed.at, seed.received_at, seed.person));

    // The same from the page: the JSON that it offers to copy.
    let page = explorer.page(&format!("/events/{}", seed.uuid)).await;
    let shown: Value = serde_json::from_str(&raw(&page, "pre[id^=json-]")).unwrap();
    assert_eq!(shown["properties"], sent);
    assert_eq!(shown["event"], "checkout");
    assert_eq!(page.count("[data-tab=Properties] .prop"), sent.as_object().unwrap().len());
    assert_eq!(
        page.attributes("a[href*='insights/new']", "href"),
        [format!("/project/{}/insights/new?event=checkout", explorer.project)]
    );
}

/// The text of one element with its white space.
fn raw(page: &Page, selector: &str) -> String {
    let texts = page.raw_texts(selector);
    assert_eq!(texts.len(), 1);
    texts.into_iter().next().unwrap()
}

#[tokio::test]
async fn pages_visit_every_event_once_even_where_times_are_equal() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    let mut seeds = Vec::new();
    // Ninety at one moment, the others hours, days and months before and two in the future: over every stretch.
    let ages =
        [-26 * 60, -60, 0, 1, 59, 60, 61, 23 * 60, 25 * 60, 6 * 24 * 60, 8 * 24 * 60, 40 * 24 * 60, 400 * 24 * 60];
    for at in 0..130_usize {
        let minutes = if at < 90 { 0 } else { ages[at % ages.len()] };
        let name = if at % 3 == 0 { "a" } else { "b" };
        let mut seed = explorer.seed(name, &format!("p{}", at % 7), json!({ "n": at }));
        seed.at = now - SignedDuration::from_mins(minutes);
        seeds.push(seed);
    }
    explorer.store(&seeds).await;
    let ch = &explorer.app.state().ch;
    let all = EventFilter::default();
    for limit in [1, 7, 50, 200] {
        let mut downwards = Vec::new();
        let mut page = EventPage::Newest;
        loop {
            let slice = ch.list_events(explorer.project, &all, &Wanted::Everything, page, limit, now).await.unwrap();
            assert!(slice.events.len() <= limit);
            downwards.extend(slice.events.iter().map(|event| (event.at, event.uuid)));
            let Some(last) = slice.events.last().filter(|_| slice.has_more) else { break };
            page = EventPage::OlderThan(EventCursor { at: last.at, uuid: last.uuid });
        }
        let mut uuids: Vec<Uuid> = downwards.iter().map(|(_, uuid)| *uuid).collect();
        assert!(downwards.windows(2).all(|pair| pair[0].0 >= pair[1].0), "newest first, by {limit}");
        uuids.sort_unstable();
        let mut wanted: Vec<Uuid> = seeds.iter().map(|seed| seed.uuid).collect();
        wanted.sort_unstable();
        assert_eq!(uuids, wanted, "each once, by {limit}");

        // And back up from the last: all but the last itself, in the same order.
        let (at, uuid) = downwards[downwards.len() - 1];
        let mut upwards = Vec::new();
        let mut page = EventPage::NewerThan(EventCursor { at, uuid });
        loop {
            let slice = ch.list_events(explorer.project, &all, &Wanted::Everything, page, limit, now).await.unwrap();
            upwards.splice(0..0, slice.events.iter().map(|event| (event.at, event.uuid)));
            let Some(first) = slice.events.first().filter(|_| slice.has_more) else { break };
            page = EventPage::NewerThan(EventCursor { at: first.at, uuid: first.uuid });
        }
        assert_eq!(upwards, downwards[..downwards.len() - 1], "upwards, by {limit}");
    }
}

#[tokio::test]
async fn the_links_of_the_explorer_lead_through_all_pages() {
    let explorer = Explorer::start().await;
    let seeds: Vec<Seed> = (0..120).map(|at| explorer.seed("visit", "ada", json!({ "n": at }))).collect();
    explorer.store(&seeds).await;
    let first = explorer.page("/events").await;
    assert_eq!((first.events().len(), first.count("a[rel=prev]")), (50, 0));
    let second = explorer.follow(&first.attributes("a[rel=next]", "href")[0]).await;
    let third = explorer.follow(&second.attributes("a[rel=next]", "href")[0]).await;
    assert_eq!((second.events().len(), third.events().len(), third.count("a[rel=next]")), (50, 20, 0));
    let back = explorer.follow(&third.attributes("a[rel=prev]", "href")[0]).await;
    assert_eq!(back.events(), second.events());
    let top = explorer.follow(&back.attributes("a[rel=prev]", "href")[0]).await;
    assert_eq!(top.events(), first.events());
}

/// A query string, and which events it asks for.
type Asked<'a> = (&'a str, &'a dyn Fn(&Seed) -> bool);

#[tokio::test]
async fn filters_find_what_a_plain_reading_finds() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    let (ada, _) = explorer.person(&["ada", "ada-phone"], json!({ "email": "Ada@example.com" })).await;
    let mut seeds = Vec::new();
    for at in 0..60_i64 {
        let id = ["ada", "ada-phone", "bob", "before-ada"][usize::try_from(at).unwrap() % 4];
        let name = ["visit", "buy", "leave"][usize::try_from(at).unwrap() % 3];
        let mut seed = explorer.seed(name, id, json!({ "n": at }));
        seed.at = now - SignedDuration::from_hours(at * 10);
        if id == "ada" {
            seed.person = ada;
        }
        seeds.push(seed);
    }
    // An id that became Ada's: its earlier events have another number.
    let hash = tenrec::model::PersonId::without_profile(explorer.project, "before-ada");
    explorer
        .app
        .pg_execute(&format!(
            "INSERT INTO person_overrides (project_id, from_id, into_id) VALUES ({}, {}, {})",
            explorer.project,
            hash.as_row(),
            ada.as_row()
        ))
        .await;
    explorer.store(&seeds).await;
    let asked: [Asked<'_>; 8] = [
        ("event=buy", &|seed| seed.event == "buy"),
        ("event=buy&event=leave", &|seed| seed.event != "visit"),
        ("person=ada", &|seed| seed.distinct_id != "bob"),
        ("person=ada%40EXAMPLE.com", &|seed| seed.distinct_id != "bob"),
        ("person=bob", &|seed| seed.distinct_id == "bob"),
        ("person=nobody", &|_| false),
        ("date_from=-24h", &|seed| seed.at >= now - SignedDuration::from_hours(24)),
        ("date_from=2026-10-30&date_to=2026-10-30&event=visit", &|seed| {
            let day: (Timestamp, Timestamp) =
                ("2026-10-29T23:00:00Z".parse().unwrap(), "2026-10-30T23:00:00Z".parse().unwrap());
            seed.event == "visit" && seed.at >= day.0 && seed.at < day.1
        }),
    ];
    for (query, holds) in asked {
        let mut wanted: Vec<&Seed> = seeds.iter().filter(|seed| holds(seed)).collect();
        wanted.sort_by_key(|seed| std::cmp::Reverse(seed.at));
        let wanted: Vec<Uuid> = wanted.iter().map(|seed| seed.uuid).take(50).collect();
        assert_eq!(explorer.page(&format!("/events?{query}")).await.events(), wanted, "{query}");
    }
}

#[tokio::test]
async fn property_filters_find_what_a_plain_reading_finds() {
    let explorer = Explorer::start().await;
    let seeds: Vec<Seed> = (0..40_i64)
        .map(|at| {
            let mut properties = json!({ "n": at, "plan": if at % 2 == 0 { "pro" } else { "free" } });
            if at % 5 == 0 {
                properties["$browser"] = "Firefox".into();
            }
            explorer.seed("visit", "ada", properties)
        })
        .collect();
    explorer.store(&seeds).await;
    let n = |seed: &Seed| seed.properties["n"].as_i64().unwrap();
    let asked: [Asked<'_>; 6] = [
        ("property=plan&operator=exact&value=pro", &|seed| seed.properties["plan"] == "pro"),
        ("property=plan&operator=is_not&value=pro", &|seed| seed.properties["plan"] != "pro"),
        ("property=%24browser&operator=is_set&value=", &|seed| seed.properties.get("$browser").is_some()),
        ("property=%24browser&operator=is_not_set&value=", &|seed| seed.properties.get("$browser").is_none()),
        ("property=n&operator=gt&value=30", &|seed| n(seed) > 30),
        ("property=plan&operator=exact&value=pro&property=n&operator=lt&value=9", &|seed| {
            seed.properties["plan"] == "pro" && n(seed) < 9
        }),
    ];
    for (query, holds) in asked {
        let mut wanted: Vec<Uuid> = seeds.iter().filter(|seed| holds(seed)).map(|seed| seed.uuid).collect();
        let mut found = explorer.page(&format!("/events?{query}")).await.events();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted, "{query}");
    }
    // What makes no sense is said, and is no server error.
    for query in ["operator=gt&value=many", "operator=regex&value=(", "operator=between&value=1"] {
        let page = explorer.page(&format!("/events?property=n&{query}")).await;
        assert_eq!((page.count(".notice.is-error"), page.count("tr[data-event]")), (1, 0), "{query}");
    }
}

#[tokio::test]
async fn columns_are_chosen_in_the_url() {
    let explorer = Explorer::start().await;
    let sent =
        json!({ "plan": "pro", "$lib": "web", "$lib_version": "1.449.2", "$current_url": "https://shop.example/" });
    explorer.store(&[explorer.seed("visit", "ada", sent)]).await;
    let page = explorer.page("/events").await;
    assert_eq!(page.texts(".event-table thead th"), ["Open", "Event", "Person", "URL / screen", "Library", "Time"]);
    assert_eq!(page.texts(".event-row .event-text"), ["https://shop.example/", "web 1.449.2"]);
    let page = explorer.page("/events?columns=event&columns=plan&columns=").await;
    assert_eq!(page.texts(".event-table thead th"), ["Open", "Event", "plan"]);
    assert_eq!(page.texts(".event-row .event-text"), ["pro"]);
    let checked = page.attributes("input[name=columns][checked]", "value");
    assert_eq!(checked, ["event", "properties.plan"]);
}

#[tokio::test]
async fn a_row_opens_without_script_and_as_a_fragment() {
    let explorer = Explorer::start().await;
    let seeds = [explorer.seed("visit", "ada", json!({ "plan": "pro" })), explorer.seed("visit", "bob", json!({}))];
    explorer.store(&seeds).await;
    let closed = explorer.page("/events").await;
    assert_eq!((closed.count("tr.event-detail[hidden]"), closed.count(".event-panel")), (2, 0));
    let link = format!("#e{} a[data-expand]", seeds[0].uuid);
    let open = explorer.follow(&closed.attributes(&link, "href")[0].replace('#', "&x=")).await;
    assert_eq!((open.count("tr.event-detail[hidden]"), open.count(".event-panel")), (1, 1));
    assert_eq!(open.texts(".prop dt").first().map(String::as_str), Some("plan"));

    let src = &closed.attributes(&link, "data-src")[0];
    let request = explorer.browser.request(http::Method::GET, src).header("hx-request", "true");
    let fragment = explorer.browser.send(request.body(Default::default()).unwrap()).await;
    fragment.assert_ok();
    assert!(!fragment.text().contains("<html"), "a fragment is no page");
    assert_eq!(Page::of(&fragment).count(".event-panel"), 1);
}

#[tokio::test]
async fn hostile_values_are_text() {
    let explorer = Explorer::start().await;
    let evil = "<script>alert(1)</script>\"'&";
    let seed = explorer.seed(
        evil,
        evil,
        json!({ evil: evil, "$current_url": "javascript:alert(1)", "link": "https://ok.example/\"><script>", "$lib": evil }),
    );
    explorer.store(std::slice::from_ref(&seed)).await;
    explorer
        .app
        .pg_execute(&format!(
            "INSERT INTO event_definitions VALUES ({}, '</option><script>', now(), now())",
            explorer.project
        ))
        .await;
    let quoted =
        serde_urlencoded::to_string([("event", evil), ("person", evil), ("columns", evil), ("columns", "url")])
            .unwrap();
    for path in [
        "/events".to_owned(),
        format!("/events?open={}", seed.uuid),
        format!("/events/{}", seed.uuid),
        format!("/events?{quoted}"),
        "/events/live".to_owned(),
        "/onboarding".to_owned(),
    ] {
        let reply = explorer.get(&path).await;
        let page = Page::of(reply.assert_ok());
        assert_eq!(page.count("script:not([src])"), 0, "{path}: {}", reply.text());
        assert_eq!(page.count("[onclick], [onerror]"), 0, "{path}");
        let hrefs = page.attributes("a", "href");
        let is_ours = |href: &String| href.starts_with(['/', '#']) || href.starts_with("https://");
        assert!(hrefs.iter().all(is_ours), "{path}: {hrefs:?}");
        for rel in page.attributes("a[target=_blank]", "rel") {
            assert!(rel.contains("noopener"));
        }
    }
    let page = explorer.page("/events").await;
    assert_eq!(page.text(".event-name"), evil);
    assert_eq!(page.texts(".event-row .event-text")[0], "javascript:alert(1)");
    let person = explorer.follow(&page.attributes("a.event-person", "href")[0]).await;
    assert_eq!(person.text("h1"), evil);
}

#[tokio::test]
async fn projects_never_mix() {
    let explorer = Explorer::start().await;
    let mut theirs = explorer.seed("theirs", "ada", json!({}));
    theirs.project = explorer.other_project;
    let mine = explorer.seed("mine", "ada", json!({}));
    explorer.store(&[theirs.clone(), mine.clone()]).await;
    assert_eq!(explorer.page("/events").await.events(), [mine.uuid]);
    assert_eq!(explorer.page("/events?event=theirs").await.events(), Vec::<Uuid>::new());
    assert_eq!(explorer.page("/events?person=ada").await.events(), [mine.uuid]);
    assert_eq!(explorer.page("/events/live").await.events(), [mine.uuid]);
    assert_eq!(explorer.page("/onboarding/events").await.events(), [mine.uuid]);
    assert_eq!(explorer.page("/person/ada").await.events(), [mine.uuid]);
    explorer.get(&format!("/events/{}", theirs.uuid)).await.assert_status(404);
    // Nor does the other project's address answer this user.
    for page in ["events", "events/live", "events/live/feed?after=0", "persons", "onboarding", "person/ada"] {
        explorer.browser.get(&format!("/project/{}/{page}", explorer.other_project)).await.assert_status(404);
    }
    let nobody = explorer.app.browser();
    nobody.get(&format!("/project/{}/events", explorer.project)).await.assert_status(303);
}

#[tokio::test]
async fn the_live_page_gets_what_was_received_since() {
    let explorer = Explorer::start().await;
    let empty = explorer.page("/events/live").await;
    assert_eq!(empty.count("[data-live-empty]:not([hidden])"), 1);
    let after = empty.attributes("[data-live]", "data-after").remove(0);
    let feed = |after: String| format!("/events/live/feed?after={after}");

    explorer.app.clock.advance(Duration::from_secs(5));
    // Happened long ago, received now: an offline phone.
    let mut late = explorer.seed("late", "ada", json!({}));
    late.at = explorer.app.clock.now() - SignedDuration::from_hours(500);
    explorer.store(std::slice::from_ref(&late)).await;
    let first = explorer.page(&feed(after)).await;
    assert_eq!(first.events(), [late.uuid]);
    assert_eq!(first.attributes("table", "data-rate"), ["1"]);

    // Received a little before, stored a little later.
    let after = first.attributes("table", "data-after").remove(0);
    let mut slow = explorer.seed("slow", "ada", json!({}));
    slow.received_at = explorer.app.clock.now() - SignedDuration::from_secs(3);
    explorer.store(std::slice::from_ref(&slow)).await;
    let second = explorer.page(&feed(after)).await;
    assert_eq!(second.events(), [late.uuid, slow.uuid]);
    // Two hours later neither is news.
    let after = second.attributes("table", "data-after").remove(0);
    explorer.app.clock.advance(Duration::from_secs(2 * 60 * 60));
    assert_eq!(explorer.page(&feed(after)).await.events(), Vec::<Uuid>::new());
    explorer.get(&feed("soon".to_owned())).await.assert_status(400);
}

#[tokio::test]
async fn empty_states_say_what_to_do() {
    let explorer = Explorer::start().await;
    let page = explorer.page("/events").await;
    assert_eq!(page.text(".empty h2"), "No events yet");
    assert_eq!(page.attributes(".empty a", "href"), [format!("/project/{}/onboarding", explorer.project)]);
    explorer.store(&[explorer.seed("visit", "ada", json!({}))]).await;
    let page = explorer.page("/events?event=nothing&person=ada").await;
    assert_eq!(page.text(".empty h2"), "No event matches");
    let chips: BTreeMap<String, String> =
        page.texts(".chip").into_iter().zip(page.attributes(".chip a", "href")).collect();
    assert_eq!(chips["nothing"], format!("/project/{}/events?person=ada", explorer.project));
    assert_eq!(chips["Person: ada"], format!("/project/{}/events?event=nothing", explorer.project));
}
