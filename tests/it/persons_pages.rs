//! `/project/{project}/persons` and one person.

use jiff::SignedDuration;
use serde_json::json;
use tenrec::model::PersonId;
use tenrec::storage::pg::{PersonOrder, PersonPage, PersonQuery, PersonRow, PersonSort};
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
async fn a_search_means_the_same_people_whether_they_are_near_or_far() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    for at in 0..120_i64 {
        let properties = match at % 4 {
            0 => json!({ "email": format!("x{at}@a.example"), "name": format!("Ada {at}") }),
            1 => json!({ "name": format!("ada {at}") }),
            2 => json!({ "email": format!("ada{at}@b.example") }),
            _ => json!({}),
        };
        let id = if at % 10 == 3 { format!("ada-{at}") } else { format!("u-{at}") };
        explorer.person_at(&[&id], properties, now - SignedDuration::from_secs(at)).await;
    }
    let pg = &explorer.app.state().pg;
    let found = async |search: &str, by: PersonSort, limit: usize| {
        let order = PersonOrder { by, is_descending: true };
        let query = PersonQuery { search: Some(search.to_owned()), order, ..PersonQuery::default() };
        let (mut ids, mut page) = (Vec::new(), PersonPage::First);
        loop {
            let slice = pg.list_persons(explorer.project, &query, &page, limit, 1).await.unwrap();
            ids.extend(slice.people.iter().map(|person| person.id));
            match slice.edges.filter(|_| slice.has_more) {
                Some((_, last)) => page = PersonPage::After(last),
                None => return ids,
            }
        }
    };
    // A page of one looks at few before it asks the indexes, a page of thirty finds most of them near.
    for (search, count) in
        [("ada", 96), ("ADA 1", 15), ("x1", 7), ("ada-", 12), ("b.ex", 30), ("example", 60), ("zz", 0)]
    {
        for by in [PersonSort::Created, PersonSort::LastSeen, PersonSort::Label] {
            let all = found(search, by, 1_000).await;
            assert_eq!(all.len(), count, "{search} {by:?}");
            for limit in [1, 30] {
                assert_eq!(found(search, by, limit).await, all, "{search} {by:?} {limit}");
            }
        }
    }
}

/// By what a list is sorted.
fn key(person: &PersonRow, by: PersonSort) -> (String, PersonId) {
    let at = match by {
        PersonSort::Created => person.created_at.to_string(),
        PersonSort::LastSeen => person.last_seen_at.to_string(),
        PersonSort::Label => person.properties["email"].as_str().unwrap_or_default().to_owned(),
    };
    (at, person.id)
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
    for search in [None, Some("u".to_owned())] {
        for by in [PersonSort::Created, PersonSort::LastSeen, PersonSort::Label] {
            for is_descending in [true, false] {
                let order = PersonOrder { by, is_descending };
                let query = PersonQuery { search: search.clone(), order, ..PersonQuery::default() };
                let mut ids = Vec::new();
                let mut page = PersonPage::First;
                let mut places = Vec::new();
                loop {
                    let slice = pg.list_persons(explorer.project, &query, &page, 7, 1).await.unwrap();
                    ids.extend(slice.people.iter().map(|person| key(person, by)));
                    let Some((first, last)) = slice.edges else { break };
                    places.push(first);
                    if !slice.has_more {
                        break;
                    }
                    page = PersonPage::After(last);
                }
                assert_eq!(ids.len(), 70, "{order:?}");
                let is_sorted =
                    ids.windows(2).all(|pair| if is_descending { pair[0] > pair[1] } else { pair[0] < pair[1] });
                assert!(is_sorted, "in order and each once: {order:?}");
                // And back again, from the last page.
                let back = PersonPage::Before(places.pop().unwrap());
                let slice = pg.list_persons(explorer.project, &query, &back, 7, 1).await.unwrap();
                let before: Vec<_> = slice.people.iter().map(|person| key(person, by)).collect();
                assert_eq!(before, ids[56..63], "{order:?}");
            }
        }
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
async fn a_person_with_more_events_than_a_page_is_counted_when_asked() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    explorer.group(0, "company", "acme", json!({ "name": "Acme" })).await;
    let (ada, uuid) = explorer.person(&["ada"], json!({})).await;
    let mut seeds: Vec<_> = (0..60_i64)
        .map(|hours| {
            let group = if hours == 55 { "acme" } else { "" };
            let mut seed = explorer.seed("visit", "ada", json!({ "$group_0": group }));
            (seed.at, seed.person) = (now - SignedDuration::from_hours(hours), ada);
            seed
        })
        .collect();
    let newest = seeds[0].at.strftime("%Y-%m-%dT%H:%M").to_string();
    let oldest = seeds[59].at.strftime("%Y-%m-%dT%H:%M").to_string();
    let begins = |page: &Page, at: usize, with: &str| {
        let text = page.attributes(".person-facts time", "datetime")[at].clone();
        assert!(text.starts_with(with), "{text} is not {with}");
    };
    explorer.store(&seeds).await;
    for path in [format!("/persons/{uuid}"), "/person/ada".to_owned()] {
        let page = explorer.page(&path).await;
        assert_eq!(page.texts(".person-facts dd")[1], "…", "{path}");
        begins(&page, 0, &newest);
        assert_eq!(page.count("#person-groups[hidden]"), 1);
        let older = explorer.follow(&page.attributes("a[rel=next]", "href")[0]).await;
        assert_eq!((older.events().len(), older.texts(".person-facts dd")[2].as_str()), (10, "…"));
        for from in [&page, &older] {
            let part = explorer.follow(&from.attributes("#person-facts", "hx-get")[0]).await;
            assert_eq!(part.attributes("#person-groups", "hx-swap-oob"), ["true"]);
            let whole = explorer.follow(&from.attributes("#person-facts a.without-script", "href")[0]).await;
            assert_eq!(whole.events(), from.events(), "the same place");
            for known in [part, whole] {
                assert_eq!(known.texts(".person-facts dd")[0], "60");
                begins(&known, 0, &oldest);
                begins(&known, 1, &newest);
                assert_eq!(known.texts(".person-groups a"), ["Acme"]);
                assert_eq!(known.count("#person-facts[hx-get], #person-groups[hidden]"), 0);
            }
        }
    }
    // Without a profile it is the same.
    for seed in &mut seeds {
        (seed.uuid, seed.distinct_id) = (Uuid::new_v4(), "a/b".to_owned());
        seed.person = PersonId::without_profile(explorer.project, "a/b");
    }
    explorer.store(&seeds).await;
    let page = explorer.page("/person/a%2Fb").await;
    let part = explorer.follow(&page.attributes("#person-facts", "hx-get")[0]).await;
    assert_eq!(part.texts(".person-facts dd")[0], "60");
    explorer.get("/person/nobody/facts").await.assert_status(404);
    explorer.get(&format!("/persons/{}/facts", Uuid::new_v4())).await.assert_status(404);
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

#[tokio::test]
async fn a_search_that_means_very_many_finds_them_all() {
    let explorer = Explorer::start().await;
    explorer
        .app
        .pg_execute(&format!(
            "WITH made AS (
                 INSERT INTO persons (project_id, uuid, properties, created_at, last_seen_at)
                 SELECT {0}, gen_random_uuid(),
                        jsonb_build_object('name', 'User ' || n, 'email', CASE WHEN n % 2 = 0 THEN 'x' || n ELSE 'user' || n END),
                        now() - n * interval '1 second', now()
                 FROM generate_series(1, 30000) n
                 RETURNING id
             )
             INSERT INTO person_distinct_ids (project_id, distinct_id, person_id) SELECT {0}, 'd' || id, id FROM made;
             ANALYZE persons",
            explorer.project
        ))
        .await;
    let pg = &explorer.app.state().pg;
    for (search, count) in [("user", 30_000), ("d", 30_000), ("user1234", 5), ("x2", 5_556)] {
        let query = PersonQuery { search: Some(search.to_owned()), ..PersonQuery::default() };
        let (mut page, mut seen) = (PersonPage::First, std::collections::HashSet::new());
        loop {
            let slice = pg.list_persons(explorer.project, &query, &page, 2_000, 1).await.unwrap();
            seen.extend(slice.people.iter().map(|person| person.id));
            match slice.edges.filter(|_| slice.has_more) {
                Some((_, last)) => page = PersonPage::After(last),
                None => break,
            }
        }
        assert_eq!(seen.len(), count, "{search}");
    }
}

#[tokio::test]
async fn people_are_filtered_by_properties_and_sorted() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    for (at, name, plan) in [(3, "Cleo", "pro"), (1, "ada", "free"), (2, "Bob", "pro")] {
        let created = now - SignedDuration::from_hours(at);
        explorer.person_at(&[name], json!({ "name": name, "plan": plan, "seats": at }), created).await;
    }
    let found = async |query: &str| explorer.page(&format!("/persons?{query}")).await.texts(".person-cell .truncate");
    assert_eq!(found("").await, ["ada", "Bob", "Cleo"]);
    assert_eq!(found("sort=created").await, ["Cleo", "Bob", "ada"]);
    assert_eq!(found("sort=name").await, ["ada", "Bob", "Cleo"]);
    assert_eq!(found("sort=-name").await, ["Cleo", "Bob", "ada"]);
    assert_eq!(found("sort=-seen").await, ["ada", "Bob", "Cleo"]);
    assert_eq!(found("property=plan&operator=exact&value=pro").await, ["Bob", "Cleo"]);
    assert_eq!(found("property=plan&operator=exact&value=pro&property=seats&operator=gt&value=2").await, ["Cleo"]);
    let page = explorer.page("/persons?property=plan&operator=is_not&value=pro&sort=name").await;
    assert_eq!(page.texts(".chip .truncate"), ["plan is not pro"]);
    let all = explorer.follow(&page.attributes(".chip a", "href")[0]).await;
    assert_eq!(all.count(".person-cell"), 3);
    assert_eq!(all.attributes("th[aria-sort]", "aria-sort"), ["ascending", "none", "none"]);
    let wrong = explorer.page("/persons?property=seats&operator=gt&value=x").await;
    assert!(wrong.text(".notice.is-error").contains("number"));
    let wrong = explorer.page("/persons?property=plan&operator=regex&value=%28").await;
    assert!(wrong.text(".notice.is-error").contains("regular expression"));
    let none = explorer.page("/persons?property=plan&operator=exact&value=gold").await;
    assert_eq!(none.text(".empty h2"), "Nobody found");
}

#[tokio::test]
async fn a_file_has_everybody_the_list_would_show() {
    let explorer = Explorer::start().await;
    let now = explorer.app.clock.now();
    for at in 0..2_500_i64 {
        let created = now - SignedDuration::from_secs(at / 7);
        let id = format!("u-{at}");
        explorer.person_at(&[&id], json!({ "n": at, "email": format!("u{at}@example.com") }), created).await;
    }
    let evil = "=HYPERLINK(\"http://evil.example\",\"x\")\r\n";
    explorer.person(&["quote\"d", "+1"], json!({ "name": evil, "n": -1 })).await;
    let reply = explorer.get("/persons/export.csv").await;
    reply.assert_ok();
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
    assert!(reply.header("content-disposition").contains("people-"));
    let rows = csv(reply.text());
    let head =
        ["id", "uuid", "name", "email", "created_at", "last_seen_at", "is_identified", "distinct_ids", "properties"];
    assert_eq!(rows[0], head);
    assert_eq!(rows.len(), 2_502);
    let mut numbers: Vec<i64> = rows[1..]
        .iter()
        .map(|row| serde_json::from_str::<serde_json::Value>(&row[8]).unwrap()["n"].as_i64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (-1..2_500).collect::<Vec<_>>(), "everybody, each once");
    let odd = rows.iter().find(|row| row[2].contains("HYPERLINK")).unwrap();
    assert_eq!(odd[2], format!("'{evil}"), "no formula");
    assert_eq!(serde_json::from_str::<Vec<String>>(&odd[7]).unwrap(), ["+1", "quote\"d"]);
    let some = explorer.get("/persons/export.csv?property=n&operator=lt&value=10&sort=name").await;
    assert_eq!(csv(some.assert_ok().text()).len(), 12);
    explorer.get("/persons/export.csv?property=n&operator=lt&value=x").await.assert_status(400);
    explorer.get("/persons/export.csv?property=n&operator=regex&value=%28").await.assert_status(400);
    let other = format!("/project/{}/persons/export.csv", explorer.other_project);
    explorer.browser.get(&other).await.assert_status(404);
}

/// Reads a file as RFC 4180 says.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = letters.next() {
        match c {
            '"' if is_quoted && letters.peek() == Some(&'"') => cell.push(letters.next().unwrap()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted && letters.peek() == Some(&'\n') => {
                letters.next();
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    assert!(cell.is_empty() && row.is_empty(), "the file ends with its last row");
    rows
}

#[tokio::test]
async fn a_name_of_any_length_can_be_stored_and_found() {
    let explorer = Explorer::start().await;
    // Random enough not to be compressed: longer than a page of an index.
    let long: String = (0..200).map(|_| Uuid::new_v4().simple().to_string()).collect();
    explorer.person(&["u-1"], json!({ "name": long })).await;
    explorer.person(&["u-2"], json!({ "email": long, "name": long })).await;
    assert_eq!(explorer.page(&format!("/persons?search={}", &long[..250])).await.count(".person-cell"), 2);
    assert_eq!(explorer.page("/persons?sort=name").await.count(".person-cell"), 2);
}

#[tokio::test]
async fn a_person_with_thousands_of_ids_has_a_page() {
    let explorer = Explorer::start().await;
    let (ada, uuid) = explorer.person(&["ada"], json!({ "plan": "pro" })).await;
    explorer
        .app
        .pg_execute(&format!(
            "INSERT INTO person_distinct_ids (project_id, distinct_id, person_id)
             SELECT {}, 'device-' || n, {} FROM generate_series(1, 20000) n",
            explorer.project,
            ada.as_row()
        ))
        .await;
    let mut seeds = vec![explorer.seed("visit", "ada", json!({})), explorer.seed("visit", "device-20000", json!({}))];
    seeds[0].person = ada;
    explorer.store(&seeds).await;
    for path in [format!("/persons/{uuid}"), format!("/persons/{uuid}?origins=1"), "/person/device-777".to_owned()] {
        let page = explorer.page(&path).await;
        assert_eq!(page.events().len(), 2, "{path}");
        assert_eq!(page.count(".person-ids code"), 100);
    }
    assert_eq!(explorer.page("/persons?search=device-1").await.count(".person-cell"), 1);
}
