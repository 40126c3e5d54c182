//! The pages that merge people, undo it, and find people who may be one.

use jiff::SignedDuration;
use serde_json::json;
use tenrec::model::PersonId;
use uuid::Uuid;

use crate::explorer_support::{Explorer, Page};
use crate::support::TestApp;

impl Explorer {
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> crate::support::Reply {
        self.browser.post_form(&format!("/project/{}{path}", self.project), fields).await
    }

    async fn owner_of(&self, distinct_id: &str) -> PersonId {
        let sql = format!("SELECT person_id FROM person_distinct_ids WHERE distinct_id = '{distinct_id}'");
        PersonId::from_row(self.app.pg_value(&sql).await)
    }

    /// Three people: two with one address, and the older of them with two ids.
    pub async fn people(&self) -> [Uuid; 3] {
        let now = self.app.clock.now();
        let old = now - SignedDuration::from_hours(48);
        let (_, ada) =
            self.person_at(&["ada", "ada-2"], json!({ "email": "ada@example.com", "plan": "free" }), old).await;
        let (_, again) = self.person(&["ada-again"], json!({ "email": "Ada@Example.com", "seats": 3 })).await;
        let (_, bob) = self.person(&["bob"], json!({ "email": "bob@example.com" })).await;
        [ada, again, bob]
    }
}

#[tokio::test]
async fn duplicates_are_found_merged_and_parted_again() {
    let explorer = Explorer::start().await;
    let [ada, again, _] = explorer.people().await;
    let (before, other) = (explorer.owner_of("ada").await, explorer.owner_of("ada-again").await);
    assert_eq!(explorer.page("/duplicates").await.text(".empty h2"), "Nobody has searched yet");
    explorer.post("/duplicates", &[("property", "phone")]).await.assert_status(303);
    assert_eq!(explorer.page("/duplicates").await.text(".empty h2"), "No duplicates");
    explorer.post("/duplicates", &[("property", "email")]).await.assert_status(303);
    let found = explorer.page("/duplicates").await;
    assert_eq!(found.texts("tbody th"), ["ada@example.com"]);
    let preview = explorer.follow(&found.attributes("tbody a.button", "href")[0]).await;
    assert_eq!(preview.count(".narrow .card"), 2);
    assert_eq!(explorer.owner_of("ada-again").await, other, "looking changes nothing");

    explorer.post("/duplicates/merge", &[("value", "ada@example.com")]).await.assert_status(303);
    assert_eq!(explorer.owner_of("ada-again").await, before, "the oldest stays");
    assert_eq!(explorer.page("/duplicates").await.texts("tbody td .muted")[0], "Merged or changed since");
    let page = explorer.page(&format!("/persons/{ada}")).await;
    assert_eq!(page.texts("#merges tbody td:first-child a"), ["ada-again"]);
    let undo = page.attributes("#merges tbody a.button", "href")[0].clone();
    let preview = explorer.follow(&undo).await;
    assert_eq!(preview.texts(".card li"), ["ada-again"]);
    explorer.browser.post_form(&undo, &[]).await.assert_status(303);
    assert_eq!(explorer.owner_of("ada-again").await, other);
    let back = explorer.page(&format!("/persons/{again}")).await;
    assert_eq!(back.texts(".person-grid .span-4 .prop dt"), ["email", "seats"]);
    assert_eq!(back.texts("#merges td .muted").len(), 1, "the log still tells of it");
    // A second time there is nothing to undo.
    explorer.browser.post_form(&undo, &[]).await.assert_status(409);
    assert!(explorer.follow(&undo).await.text(".notice").contains("undone before"));
}

#[tokio::test]
async fn two_people_are_merged_by_hand_after_a_look() {
    let explorer = Explorer::start().await;
    let [ada, _, bob] = explorer.people().await;
    let page = explorer.page(&format!("/persons/{ada}")).await;
    assert_eq!(page.text("#merges h3"), "No merges");
    let form = page.attributes("#merges .card-head a", "href")[0].clone();
    assert_eq!(explorer.follow(&form).await.count("input[name=with]"), 1);
    for (with, error) in [("nobody", "Nobody"), ("ada-2", "same person"), ("ADA@example.com", "Several people")] {
        let page = explorer.follow(&format!("{form}&with={with}")).await;
        assert!(page.text(".error").contains(error), "{with}: {}", page.text(".error"));
    }
    let preview = explorer.follow(&format!("{form}&with=BOB@example.com")).await;
    assert_eq!(preview.texts(".narrow .card strong"), ["ada@example.com", "bob@example.com"]);
    let (ada, bob) = (ada.to_string(), bob.to_string());
    explorer.post("/merges", &[("target", &ada), ("with", &bob)]).await.assert_status(303);
    assert_eq!(explorer.owner_of("bob").await, explorer.owner_of("ada").await);
    explorer.post("/merges", &[("target", &ada), ("with", "bob")]).await.assert_status(409);
    // And one id off again.
    explorer.get("/merges/split?id=bob").await.assert_ok();
    explorer.post("/merges/split", &[("id", "bob")]).await.assert_status(303);
    assert_ne!(explorer.owner_of("bob").await, explorer.owner_of("ada").await);
    assert!(explorer.page("/merges/split?id=ada").await.text(".notice").contains("ada cannot be split off:"));
}

#[tokio::test]
async fn what_was_edited_on_somebody_merged_says_by_whom_and_goes_back_with_them() {
    let explorer = Explorer::start().await;
    let [ada, _, bob] = explorer.people().await;
    let edit = async |uuid: Uuid, key: &str, value: &str| {
        let fields = [("key", key), ("kind", "text"), ("value", value)];
        explorer.post(&format!("/persons/{uuid}/properties"), &fields).await.assert_status(303);
    };
    edit(ada, "plan", "gold").await;
    explorer
        .app
        .pg_execute(
            "INSERT INTO users (id, email, name, password_hash, created_at)
             VALUES ('00000000-0000-7000-8000-000000000002', 'eve@example.com', 'Eve', 'none', now())",
        )
        .await;
    edit(bob, "plan", "pro").await;
    edit(bob, "city", "Rome").await;
    let by_eve = format!(
        "UPDATE person_property_edits SET edited_by = '{}' WHERE new_value <> '\"gold\"'",
        Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002)
    );
    explorer.app.pg_execute(&by_eve).await;
    let origins = async |uuid: Uuid| -> Vec<(String, String, String)> {
        let page = explorer.page(&format!("/persons/{uuid}?origins=1")).await;
        let (keys, values) = (page.texts(".prop dt"), page.texts(".prop dd:not(.prop-origin)"));
        let words = |text: String| {
            let edited = text.split(" edited by ").nth(1).map(|rest| rest.split(' ').next().unwrap().to_owned());
            edited.unwrap_or_default()
        };
        let by = page.texts(".prop-origin").into_iter().map(words);
        keys.into_iter().zip(values).zip(by).map(|((key, value), by)| (key, value, by)).collect()
    };
    let row = |key: &str, value: &str, by: &str| (key.to_owned(), value.to_owned(), by.to_owned());
    let of_ada = [row("email", "ada@example.com", ""), row("plan", "gold", "Ada")];
    let of_bob = [row("city", "Rome", "Eve"), row("email", "bob@example.com", ""), row("plan", "pro", "Eve")];
    assert_eq!((origins(ada).await, origins(bob).await), (of_ada.to_vec(), of_bob.to_vec()));

    let (target, with) = (ada.to_string(), bob.to_string());
    explorer.post("/merges", &[("target", &target), ("with", &with)]).await.assert_status(303);
    let of_both = [row("city", "Rome", "Eve"), row("email", "ada@example.com", ""), row("plan", "gold", "Ada")];
    assert_eq!(origins(ada).await, of_both, "the value that stays says who set it");
    // What is edited now is edited on whom it is seen.
    edit(ada, "city", "Oslo").await;
    assert_eq!(origins(ada).await[0], row("city", "Oslo", "Ada"));

    let merge: i64 = explorer.app.pg_value("SELECT max(id) FROM person_merges").await;
    explorer.post(&format!("/merges/{merge}/undo"), &[]).await.assert_status(303);
    let of_ada = [row("city", "Oslo", "Ada"), row("email", "ada@example.com", ""), row("plan", "gold", "Ada")];
    assert_eq!((origins(ada).await, origins(bob).await), (of_ada.to_vec(), of_bob.to_vec()));
}

#[tokio::test]
async fn another_project_and_a_reader_merge_nobody() {
    let explorer = Explorer::start().await;
    let [ada, _, bob] = explorer.people().await;
    let (ada, bob) = (ada.to_string(), bob.to_string());
    explorer.post("/merges", &[("target", &ada), ("with", &bob)]).await.assert_status(303);
    let merge: i64 = explorer.app.pg_value("SELECT max(id) FROM person_merges").await;
    let foreign = format!("UPDATE person_merges SET project_id = {}", explorer.other_project);
    explorer.app.pg_execute(&foreign).await;
    explorer.get(&format!("/merges/{merge}/undo")).await.assert_status(404);
    explorer.post(&format!("/merges/{merge}/undo"), &[]).await.assert_status(404);
    explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    for path in [format!("/merges/new?target={ada}"), "/duplicates/merge?value=x".to_owned()] {
        explorer.get(&path).await.assert_status(403);
    }
    explorer.post("/merges", &[("target", &ada), ("with", "ada-again")]).await.assert_status(403);
    explorer.post("/duplicates", &[("property", "email")]).await.assert_status(403);
    assert_eq!(explorer.page("/duplicates").await.count("main form"), 0);
    let page = explorer.page(&format!("/persons/{ada}")).await;
    assert_eq!((page.count("#merges"), page.count("#merges a.button")), (1, 0));
}

#[tokio::test]
async fn the_tabs_lead_to_people_groups_and_duplicates() {
    let explorer = Explorer::start().await;
    explorer.group(0, "company", "acme", json!({})).await;
    for (path, current) in [("/persons", "People"), ("/groups/0", "Groups"), ("/duplicates", "Duplicates")] {
        let page = explorer.page(path).await;
        assert_eq!(page.texts(".tabs a"), ["People", "Groups", "Duplicates"], "{path}");
        assert_eq!(page.texts(".tabs a[aria-current=page]"), [current], "{path}");
    }
}

#[tokio::test]
async fn many_duplicates_stand_on_pages() {
    let explorer = Explorer::start().await;
    let sql = format!(
        "INSERT INTO persons (project_id, uuid, properties, is_identified, created_at, last_seen_at)
         SELECT {project}, gen_random_uuid(), jsonb_build_object('email', 'p' || lpad((n / 2)::text, 2, '0')), true, now(), now()
         FROM generate_series(0, 59) n;
         INSERT INTO person_distinct_ids (project_id, distinct_id, person_id)
         SELECT project_id, 'id-' || id, id FROM persons",
        project = explorer.project
    );
    explorer.app.pg_execute(&sql).await;
    explorer.post("/duplicates", &[("property", "email")]).await.assert_status(303);
    let first = explorer.page("/duplicates").await;
    assert_eq!((first.count("tbody th"), first.count("a[rel=prev]")), (25, 0));
    let second = explorer.follow(&first.attributes("a[rel=next]", "href")[0]).await;
    assert_eq!(second.texts("tbody th"), ["p25", "p26", "p27", "p28", "p29"]);
    assert_eq!(second.count("a[rel=next]"), 0);
    let back = explorer.follow(&second.attributes("a[rel=prev]", "href")[0]).await;
    assert_eq!(back.texts("tbody th"), first.texts("tbody th"));
}

#[tokio::test]
async fn without_clickhouse_people_are_listed_and_merged_and_their_pages_show_the_rest() {
    let explorer = Explorer::on(TestApp::builder().behind_proxy().start().await).await;
    let [ada, _, bob] = explorer.people().await;
    explorer.group(0, "company", "acme", json!({ "seats": 12 })).await;
    explorer.app.proxy().set_closed(true);
    for path in ["/persons", "/persons?search=ada", "/groups/0", "/duplicates"] {
        explorer.get(path).await.assert_ok();
    }
    assert_shows_the_rest(&explorer, &format!("/persons/{ada}"), &["ada", "Merges"]).await;
    assert_shows_the_rest(&explorer, &format!("/persons/{ada}?origins=1"), &["ada", "Merges"]).await;
    assert_shows_the_rest(&explorer, "/groups/0/acme", &["acme", "seats", "12"]).await;
    // Whoever only events may know of is neither shown nor said not to be there.
    for path in ["/person/nobody", "/groups/0/unknown", "/events", "/sessions"] {
        assert_is_away(&explorer, path).await;
    }
    // Postgres decides who is who; queries are told later.
    let (ada, bob) = (ada.to_string(), bob.to_string());
    explorer.post("/merges", &[("target", &ada), ("with", &bob)]).await.assert_status(303);
    assert_eq!(explorer.owner_of("bob").await, explorer.owner_of("ada").await);
    explorer.app.proxy().set_closed(false);
    let page = explorer.page(&format!("/persons/{ada}")).await;
    assert!(!page.text("#events").contains("cannot be read"), "{}", page.text("#events"));
    assert_eq!(page.count("#property-list[hx-get]"), 1, "where they came from can be asked again");
}

#[tokio::test]
async fn while_clickhouse_hangs_pages_answer_all_the_same() {
    let explorer = Explorer::on(TestApp::builder().behind_proxy().start().await).await;
    let [ada, _, _] = explorer.people().await;
    explorer.group(0, "company", "acme", json!({})).await;
    explorer.app.proxy().set_hanging(true);
    let person = format!("/persons/{ada}");
    let (origins, facts) = (format!("{person}/properties"), format!("{person}/facts"));
    tokio::join!(
        assert_shows_the_rest(&explorer, &person, &["ada", "Merges"]),
        assert_shows_the_rest(&explorer, "/groups/0/acme", &["acme"]),
        assert_is_away(&explorer, "/person/nobody"),
        assert_is_away(&explorer, "/events"),
        assert_is_away(&explorer, "/sessions"),
        assert_is_away(&explorer, "/privacy/erase?person=ada"),
        assert_is_away(&explorer, "/privacy/export?person=ada"),
        assert_is_away(&explorer, &origins),
        assert_is_away(&explorer, &facts),
        assert_is_away(&explorer, "/groups/0/acme/activity"),
        assert_says(&explorer, "/insights/new?event=%24pageview", "ClickHouse does not answer at the moment."),
        assert_says(&explorer, "/ingestion/find?id=ada", "ClickHouse does not answer now"),
        assert_says(&explorer, "/onboarding", "posthog.identify("),
        async {
            let fields = [("key", "plan"), ("kind", "text"), ("value", "pro")];
            explorer.post(&format!("{person}/properties"), &fields).await.assert_status(303);
        },
    );
    explorer.app.proxy().set_hanging(false);
}

/// A page comes, with this text in it.
async fn assert_says(explorer: &Explorer, path: &str, text: &str) {
    let page = explorer.page(path).await;
    assert!(page.text("main").contains(text), "{path}: {}", page.text("main"));
}

/// A page that is nothing without events says so, and leads to itself.
async fn assert_is_away(explorer: &Explorer, path: &str) {
    let page = Page::of(explorer.get(path).await.assert_status(503));
    assert_eq!(page.text("h1"), "Not available", "{path}");
    assert_eq!(page.texts("main a"), ["Try again", "Go to the start page"], "{path}");
    assert_eq!(page.attributes("main a", "href"), ["", "/"], "{path}: the same address again");
}

/// A page shows what Postgres knows, and says that events cannot be read.
async fn assert_shows_the_rest(explorer: &Explorer, path: &str, known: &[&str]) {
    let page = explorer.page(path).await;
    assert!(page.text("#events").contains("Events cannot be read now"), "{path}: {}", page.text("#events"));
    for text in known {
        assert!(page.text("main").contains(text), "{path}: no {text} in {}", page.text("main"));
    }
    assert_eq!(page.texts(".person-facts dd")[0], "–", "{path}: no count is made up");
    assert_eq!(page.count("#property-list[hx-get]"), 0, "{path}: nothing is asked that cannot be answered");
}
