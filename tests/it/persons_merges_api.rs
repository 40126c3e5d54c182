//! Splitting people, their merges and undoing them, over the API.

use jiff::SignedDuration;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::persons_api::Api;

impl Api {
    /// Joins somebody to a person by hand, as the page does.
    async fn merge(&self, target: Uuid, with: Uuid) {
        let path = format!("/project/{}/merges", self.explorer.project);
        let fields = [("target", target.to_string()), ("with", with.to_string())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.explorer.browser.post_form(&path, &fields).await.assert_status(303);
    }

    /// The people by their distinct ids, each person's in one text.
    async fn people(&self) -> Vec<String> {
        let sql = "SELECT coalesce(string_agg(ids, ' ' ORDER BY ids), '') FROM (
                       SELECT string_agg(distinct_id, '+' ORDER BY distinct_id) AS ids
                       FROM person_distinct_ids GROUP BY person_id
                   ) AS p";
        let all: String = self.explorer.app.pg_value(sql).await;
        all.split(' ').map(str::to_owned).collect()
    }

    /// Ada, with three others joined to her: their UUIDs.
    async fn ada_and_three(&self) -> [Uuid; 4] {
        let old = self.explorer.app.clock.now() - SignedDuration::from_hours(1);
        let (_, ada) = self.explorer.person_at(&["ada"], json!({ "plan": "free" }), old).await;
        let mut all = [ada; 4];
        for (at, id) in ["bob", "eve", "mia"].into_iter().enumerate() {
            all[at + 1] = self.explorer.person(&[id], json!({ "seats": at })).await.1;
            self.merge(ada, all[at + 1]).await;
        }
        assert_eq!(self.people().await, ["ada+bob+eve+mia"]);
        all
    }
}

#[tokio::test]
async fn distinct_ids_are_split_off_all_or_none() {
    let api = Api::start().await;
    let [ada, bob, ..] = api.ada_and_three().await;
    let split = format!("/persons/{ada}/split/");
    let refused = api.post(&split, json!({ "distinct_ids_to_split": ["bob", "nobody"] })).await;
    refused.assert_status(400);
    assert_eq!(refused.json()["attr"], "distinct_ids_to_split");
    // Her own id cannot leave, so bob does not either.
    let refused = api.post(&split, json!({ "distinct_ids_to_split": ["bob", "ada"] })).await;
    refused.assert_status(409);
    assert!(refused.json()["detail"].as_str().unwrap().contains("\"ada\""), "{:?}", refused.json());
    api.post(&split, json!({ "distinct_ids_to_split": [] })).await.assert_status(400);
    let both = json!({ "distinct_ids_to_split": ["bob"], "main_distinct_id": "ada" });
    api.post(&split, both).await.assert_status(400);
    assert_eq!(api.people().await, ["ada+bob+eve+mia"]);

    let done = api.post(&split, json!({ "distinct_ids_to_split": ["bob", "bob"] })).await;
    assert_eq!(done.assert_ok().json(), json!({ "success": true }));
    assert_eq!(api.people().await, ["ada+eve+mia", "bob"]);
    let back = api.get(&format!("/persons/{bob}/")).await;
    assert_eq!(back.json()["properties"], json!({ "seats": 0 }), "he has the profile of before");
    api.post(&format!("/persons/{}/split/", Uuid::new_v4()), json!({})).await.assert_status(404);
}

#[tokio::test]
async fn a_person_is_split_into_all_of_its_distinct_ids() {
    let api = Api::start().await;
    let [ada, bob, ..] = api.ada_and_three().await;
    // The profile was made for ada: nobody else can keep it.
    let refused = api.post(&format!("/persons/{ada}/split"), json!({ "main_distinct_id": "eve" })).await;
    refused.assert_status(409);
    let unknown = api.post(&format!("/persons/{ada}/split"), json!({ "main_distinct_id": "zoe" })).await;
    assert_eq!((unknown.status.as_u16(), unknown.json()["attr"].clone()), (400, json!("main_distinct_id")));
    assert_eq!(api.people().await, ["ada+bob+eve+mia"]);
    api.post(&format!("/persons/{ada}/split"), json!({ "main_distinct_id": "ada" })).await.assert_ok();
    assert_eq!(api.people().await, ["ada", "bob", "eve", "mia"]);
    assert_eq!(api.get(&format!("/persons/{ada}/")).await.json()["properties"], json!({ "plan": "free" }));
    // Together again, and apart without a word on who stays; a second time there is nothing to do.
    api.merge(bob, ada).await;
    for _ in 0..2 {
        api.post(&format!("/persons/{bob}/split"), json!({})).await.assert_ok();
        assert_eq!(api.people().await, ["ada", "bob", "eve", "mia"]);
    }
}

#[tokio::test]
async fn merges_are_listed_and_undone() {
    let api = Api::start().await;
    let [ada, _, eve, _] = api.ada_and_three().await;
    let (_, other) = api.explorer.person(&["zoe"], json!({})).await;
    let ids = |page: &Value| -> Vec<String> {
        let lines = page["results"].as_array().unwrap();
        lines.iter().map(|line| line["distinct_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = api.get(&format!("/persons/{ada}/merges/")).await.assert_ok().json();
    assert_eq!(ids(&all), ["mia", "eve", "bob"]);
    let line = &all["results"][1];
    assert_eq!((&line["target_distinct_id"], &line["merged_by"]), (&json!("ada"), &json!("Ada")));
    assert_eq!(
        (&line["event"], &line["undone_at"], &line["joined_profiles"]),
        (&Value::Null, &Value::Null, &json!(true))
    );
    assert_eq!(ids(&api.get(&format!("/persons/{other}/merges/")).await.json()), [""; 0]);

    // A page at a time, forth and back.
    let first = api.get(&format!("/persons/{ada}/merges/?limit=2")).await.json();
    assert_eq!((ids(&first), &first["previous"]), (vec!["mia".to_owned(), "eve".to_owned()], &Value::Null));
    let second = api.follow(&first["next"]).await.json();
    assert_eq!((ids(&second), &second["next"]), (vec!["bob".to_owned()], &Value::Null));
    assert_eq!(ids(&api.follow(&second["previous"]).await.json()), ["mia", "eve"]);
    api.get(&format!("/persons/{ada}/merges/?cursor=x")).await.assert_status(400);

    let merge = line["id"].as_i64().unwrap();
    api.post(&format!("/persons/{other}/merges/{merge}/undo/"), json!({})).await.assert_status(404);
    let done = api.post(&format!("/persons/{ada}/merges/{merge}/undo/"), json!({})).await.assert_ok().json();
    assert_eq!((&done["success"], &done["person"]["uuid"]), (&json!(true), &json!(eve)));
    assert_eq!(api.people().await, ["ada+bob+mia", "eve", "zoe"]);
    api.post(&format!("/persons/{ada}/merges/{merge}/undo/"), json!({})).await.assert_status(409);
    let log = api.get(&format!("/persons/{ada}/merges/")).await.json();
    let undone =
        log["results"].as_array().unwrap().iter().find(|line| line["id"] == merge).expect("it is still told of");
    assert_eq!(undone["undone_by"], "Ada");
}

#[tokio::test]
async fn who_only_looks_parts_nobody() {
    let api = Api::start().await;
    let [ada, ..] = api.ada_and_three().await;
    let merge = api.get(&format!("/persons/{ada}/merges/")).await.json()["results"][0]["id"].as_i64().unwrap();
    api.explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    api.post(&format!("/persons/{ada}/split/"), json!({})).await.assert_status(403);
    api.post(&format!("/persons/{ada}/merges/{merge}/undo/"), json!({})).await.assert_status(403);
    api.get(&format!("/persons/{ada}/merges/")).await.assert_ok();
    assert_eq!(api.people().await, ["ada+bob+eve+mia"]);
}
