//! `/project/{project}/persons` and one person.

use jiff::SignedDuration;
use serde_json::json;
use tenrec::model::PersonId;
use tenrec::storage::pg::{PersonCursor, PersonPage};
use uuid::Uuid;

use crate::explorer_support::{Explorer, Page};

#[tokio::test]
async fn people_are_found_by_address_name_and_any_distinct_id() {
    let explorer = Explorer::start().await;
    explorer.person(&["u-1", "phone-ada"], json!({ "email": "Ada@Example.com", "name": "Ada Lovelace" })).await;
    explorer.person(&["u-2"], json!({ "name": "Grace Hopper" })).await;
    let (_, uuid) = explorer.person(&["u-3", "50%_off"], json!({})).await;
    let page = explorer.page("/persons").await;
    assert_eq!(page.texts(".person-cell .truncate"), ["u-3", "Grace Hopper", "Ada@Example.com"]);
    for (search, found) in [
        ("ada@ex", vec!["Ada@Example.com"]),
        ("ADA", vec!["Ada@Example.com"]),
        ("lovelace", vec!["Ada@Example.com"]),
        ("hopp", vec!["Grace Hopper"]),
        ("phone-", vec!["Ada@Example.com"]),
        ("u-", vec!["u-3", "Grace Hopper", "Ada@Example.com"]),
        ("50%25_", vec!["u-3"]),
        ("%25", vec![]),
        ("_", vec![]),
        ("nobody", vec![]),
        ("a%00da", vec!["Ada@Example.com"]),
    ] {
        let page = explorer.page(&format!("/persons?search={search}")).await;
        assert_eq!(page.texts(".person-cell .truncate"), found, "{search}");
    }
    assert_eq!(explorer.page(&format!("/persons?search={uuid}")).await.count(".person-cell"), 1);
    assert_eq!(explorer.page("/persons?search=nobody").await.text(".empty h2"), "Nobody found");
}

#[tokio::test]
async fn pages_visit_every_person_once_even_where_times_are_equal() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    for at in 0..70_i64 {
        let created = now - SignedDuration::from_secs(at / 30);
        explorer.person_at(&[&format!("u-{at}")], json!({ "email": format!("u{at}@example.com") }), created).await;
    }
    let pg = &explorer.app.state().pg;
    for search in [None, Some("u")] {
        let mut ids = Vec::new();
        let mut page = PersonPage::Newest;
        loop {
            let slice = pg.list_persons(explorer.project, search, page, 7).await.unwrap();
            ids.extend(slice.people.iter().map(|person| (person.created_at, person.id)));
            let Some(last) = slice.people.last().filter(|_| slice.has_more) else { break };
            page = PersonPage::OlderThan(PersonCursor { created_at: last.created_at, id: last.id });
        }
        assert_eq!(ids.len(), 70);
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first, each once");
    }
    let first = explorer.page("/persons").await;
    let second = explorer.follow(&first.attributes("a[rel=next]", "href")[0]).await;
    assert_eq!((first.count(".person-cell"), second.count(".person-cell")), (50, 20));
    let back = explorer.follow(&second.attributes("a[rel=prev]", "href")[0]).await;
    assert_eq!(back.texts(".person-cell .truncate"), first.texts(".person-cell .truncate"));
}

#[tokio::test]
async fn a_person_shows_properties_ids_and_the_events_of_all_ids() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    let properties =
        json!({ "email": "ada@example.com", "plan": "pro", "seats": 3, "$browser": "Firefox", "gclid": null });
    let (ada, uuid) = explorer.person(&["ada", "anon-1"], properties).await;
    let before = PersonId::without_profile(explorer.project, "anon-1");
    let merged = PersonId::from_row(7_000_000);
    let overrides = format!(
        "INSERT INTO person_overrides (project_id, from_id, into_id) VALUES ({0}, {1}, {2}), ({0}, {3}, {1})",
        explorer.project,
        merged.as_row(),
        ada.as_row(),
        PersonId::from_row(6_000_000).as_row(),
    );
    explorer.app.pg_execute(&overrides).await;
    let mut seeds = Vec::new();
    for (hours, person) in [(0, ada), (1, before), (2, merged), (3, PersonId::from_row(6_000_000))] {
        let mut seed = explorer.seed("visit", "ada", json!({}));
        (seed.at, seed.person) = (now - SignedDuration::from_hours(hours * 100), person);
        seeds.push(seed);
    }
    let other = explorer.seed("visit", "bob", json!({}));
    explorer.store(&[seeds.clone(), vec![other]].concat()).await;
    let wanted: Vec<Uuid> = seeds.iter().map(|seed| seed.uuid).collect();
    for path in [format!("/persons/{uuid}"), "/person/ada".to_owned(), "/person/anon-1".to_owned()] {
        let page = explorer.page(&path).await;
        assert_eq!(page.text("h1"), "ada@example.com", "{path}");
        assert_eq!(page.events(), wanted, "{path}");
        assert_eq!(page.texts(".person-grid .span-4 .prop dt"), ["email", "plan", "seats", "$browser"]);
        assert_eq!(page.texts(".person-ids code"), ["ada", "anon-1"]);
        assert_eq!(page.texts(".person-facts dd")[0], "4");
    }
}

#[tokio::test]
async fn a_distinct_id_without_a_profile_has_a_page_that_says_so() {
    let explorer = Explorer::start().await;
    let id = "018f/анон?#&";
    let seed = explorer.seed("visit", id, json!({}));
    explorer.store(std::slice::from_ref(&seed)).await;
    let list = explorer.page("/events").await;
    let page = explorer.follow(&list.attributes("a.event-person", "href")[0]).await;
    assert_eq!(page.text("h1"), id);
    assert_eq!(page.text(".person-title .badge"), "No profile");
    assert_eq!(page.events(), [seed.uuid]);
    explorer.get("/person/nobody").await.assert_status(404);
    explorer.get("/person/a%00b").await.assert_status(404);
    explorer.get(&format!("/persons/{}", Uuid::new_v4())).await.assert_status(404);
    explorer.get("/persons/what").await.assert_status(404);
}

#[tokio::test]
async fn sdks_find_a_person_by_the_project_key() {
    let explorer = Explorer::start().await;
    explorer.person(&["ada"], json!({ "name": "Ada" })).await;
    let reply = explorer.browser.get("/project/phc_shop/person/ada").await;
    assert_eq!(Page::of(reply.assert_ok()).text("h1"), "Ada");
}

#[tokio::test]
async fn an_empty_list_explains_who_gets_a_profile() {
    let explorer = Explorer::start().await;
    let page = explorer.page("/persons").await;
    assert_eq!(page.text(".empty h2"), "No people yet");
    assert!(page.text(".empty p").contains("identified_only"));
}

#[tokio::test]
async fn names_of_people_are_text() {
    let explorer = Explorer::start().await;
    let evil = "<img src=x onerror=alert(1)>";
    let (_, uuid) = explorer.person(&[evil], json!({ "name": evil, "site": "javascript:alert(1)" })).await;
    for path in ["/persons".to_owned(), format!("/persons/{uuid}"), format!("/persons?search={}", "%3Cimg")] {
        let page = explorer.page(&path).await;
        assert_eq!(page.count("img[src=x]"), 0, "{path}");
        assert_eq!(page.count("a[href^=javascript]"), 0, "{path}");
    }
}
