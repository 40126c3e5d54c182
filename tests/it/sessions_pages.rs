//! `/project/{project}/sessions` and one session.

use serde_json::{Value, json};

use crate::explorer_support::Explorer;

/// Captures events of the shop; each is (name, distinct id, seconds after 10:00, properties).
async fn capture(explorer: &Explorer, events: &[(&str, &str, i64, Value)]) {
    let batch: Vec<Value> = events
        .iter()
        .map(|(name, distinct_id, second, properties)| {
            let at =
                "2026-11-01T10:00:00Z".parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(*second);
            json!({ "event": name, "distinct_id": distinct_id, "timestamp": at, "properties": properties })
        })
        .collect();
    let reply = explorer.app.post_json("/batch/", &json!({ "api_key": "phc_shop", "batch": batch })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    explorer.app.flush().await;
}

fn page(session: &str, window: &str, path: &str) -> Value {
    json!({
        "$session_id": session, "$window_id": window, "$current_url": format!("https://shop.example{path}"),
        "$referrer": "https://www.google.com/", "$referring_domain": "www.google.com", "$browser": "Firefox",
        "$lib": "web", "$device_type": "Desktop", "$process_person_profile": false,
    })
}

async fn start() -> Explorer {
    let explorer = Explorer::start().await;
    let bot = json!({
        "$session_id": "s-bot", "$current_url": "https://shop.example/bot", "$process_person_profile": false,
        "$raw_user_agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    });
    capture(
        &explorer,
        &[
            ("$pageview", "anon-1", 0, page("s-long", "w1", "/")),
            ("$pageview", "anon-1", 40, page("s-long", "w2", "/pricing")),
            ("signup", "anon-1", 700, page("s-long", "w1", "/pricing")),
            ("$pageview", "anon-2", 100, page("s/short ?", "w1", "/docs")),
            ("$pageview", "bot", 50, bot),
            ("server", "ada", 60, json!({ "$session_id": "s-server", "$set": { "email": "ada@shop.example" } })),
            ("nothing", "ada", 60, json!({})),
        ],
    )
    .await;
    explorer
}

#[tokio::test]
async fn the_list_shows_what_each_session_was() {
    let explorer = start().await;
    let list = explorer.page("/sessions").await;
    assert_eq!(list.texts(".session-table tbody .event-person"), ["anon-2", "ada@shop.example", "anon-1"]);
    assert_eq!(list.texts(".session-table tbody .session-length"), ["0s Bounce", "0s", "11m 40s"]);
    assert_eq!(list.texts(".session-table tbody tr:last-child .session-page"), ["/", "/pricing"]);
    let cells = list.texts(".session-table tbody tr:last-child td");
    assert_eq!(cells[3..5], ["2", "3"]);
    assert_eq!(cells[6..8], ["Organic Search", "Desktop"]);
    for (query, people) in [
        ("?traffic=bots", vec!["bot"]),
        ("?traffic=all", vec!["anon-2", "ada@shop.example", "bot", "anon-1"]),
        ("?entry=/docs", vec!["anon-2"]),
        ("?entry=/pricing", vec![]),
        ("?person=anon-1", vec!["anon-1"]),
        ("?person=ADA@", vec!["ada@shop.example"]),
        ("?person=nobody", vec![]),
        ("?date_from=2026-11-01&date_to=2026-11-01", vec!["anon-2", "ada@shop.example", "anon-1"]),
        ("?date_to=2026-10-31", vec![]),
        ("?date_from=-1h", vec![]),
    ] {
        let list = explorer.page(&format!("/sessions{query}")).await;
        assert_eq!(list.texts(".session-table tbody .event-person"), people, "{query}");
        if people.is_empty() {
            assert_eq!(list.text(".empty h2"), "No session matches", "{query}");
        }
    }
    assert_eq!(list.count(".side a[aria-current=page][href$='/sessions']"), 1);
}

#[tokio::test]
async fn a_session_tells_its_events_in_order_with_tabs_and_silences() {
    let explorer = start().await;
    let list = explorer.page("/sessions?entry=/").await;
    let one = explorer.follow(&list.attributes(".session-table tbody td:first-child a", "href")[0]).await;
    assert_eq!(one.text("h1"), "Session of anon-1");
    assert_eq!(one.texts(".timeline-name"), ["Page viewed", "Page viewed", "signup"]);
    assert_eq!(one.texts(".timeline-at"), ["+0s", "+40s", "+11m 40s"]);
    assert_eq!(one.texts(".timeline-tab"), ["Tab 1", "Tab 2", "Tab 1"]);
    assert_eq!(one.texts(".timeline-address"), ["/", "/pricing", "/pricing"]);
    assert_eq!(one.texts(".timeline-gap"), ["11m without events"]);
    assert_eq!(one.texts(".person-facts dd")[1..], ["11m 40s", "2", "0", "3"]);
    let facts: Vec<(String, String)> = one.texts(".prop dt").into_iter().zip(one.texts(".prop dd")).collect();
    for (name, text) in [("Entry", "/"), ("Exit", "/pricing"), ("Channel", "Organic Search"), ("Library", "web")] {
        assert!(facts.contains(&(name.to_owned(), text.to_owned())), "{facts:?}");
    }
    // From an event back to its session, and from there to the person.
    let event = explorer.follow(&one.attributes(".timeline-name", "href")[2]).await;
    let back = explorer.follow(&event.attributes("a[href*='/sessions/']", "href")[0]).await;
    assert_eq!(back.texts(".timeline-name"), one.texts(".timeline-name"));
    let person = explorer.follow(&one.attributes("h1 a", "href")[0]).await;
    let theirs = explorer.follow(&person.attributes("main a[href*='/sessions?']", "href")[0]).await;
    assert_eq!(theirs.texts(".session-table tbody .event-person"), ["anon-1"]);
}

#[tokio::test]
async fn any_session_id_has_a_page_and_other_projects_have_none() {
    let explorer = start().await;
    let list = explorer.page("/sessions?entry=/docs").await;
    let href = &list.attributes(".session-table tbody td:first-child a", "href")[0];
    assert!(href.ends_with("/sessions/s%2Fshort%20%3F"), "{href}");
    assert_eq!(explorer.follow(href).await.text(".person-id"), "s/short ?");
    assert_eq!(explorer.browser.get(&format!("/project/{}/sessions/unknown", explorer.project)).await.status, 404);
    let foreign = format!("/project/{}/sessions", explorer.other_project);
    assert_eq!(explorer.browser.get(&foreign).await.status, 404);
}

#[tokio::test]
async fn pages_of_sessions_and_of_a_long_sessions_events_lead_on() {
    let explorer = Explorer::start().await;
    assert_eq!(explorer.page("/sessions").await.text(".empty h2"), "No sessions yet");
    let mut events: Vec<_> = (0..70).map(|n| ("$pageview", "ada", n, page(&format!("s-{n}"), "w", "/"))).collect();
    events.extend((0..250).map(|n| ("step", "bob", 100 + n, page("s-long", "w", "/"))));
    capture(&explorer, &events).await;
    let first = explorer.page("/sessions").await;
    let second = explorer.follow(&first.attributes("a[rel=next]", "href")[0]).await;
    assert_eq!((first.count(".session-table tbody tr"), second.count(".session-table tbody tr")), (50, 21));
    let back = explorer.follow(&second.attributes("a[rel=prev]", "href")[0]).await;
    let hrefs = |page: &crate::explorer_support::Page| page.attributes(".session-table td:first-child a", "href");
    assert_eq!(hrefs(&back), hrefs(&first));

    let one = explorer.page("/sessions/s-long").await;
    let rest = explorer.follow(&one.attributes("#timeline a[rel=next]", "href")[0]).await;
    assert_eq!((one.count(".timeline-step"), rest.count(".timeline-step")), (200, 50));
    assert_eq!(rest.texts(".timeline-at")[0], "+3m 20s");
    let begin = explorer.follow(&rest.attributes("#timeline nav a", "href")[0]).await;
    assert_eq!(begin.texts(".timeline-at"), one.texts(".timeline-at"));
}
