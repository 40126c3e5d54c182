//! Changing groups, over the API.

use serde_json::json;

use crate::persons_api::Api;

#[tokio::test]
async fn a_groups_properties_are_set_and_deleted() {
    let api = Api::start().await;
    api.explorer.group(0, "company", "acme", json!({ "plan": "free" })).await;
    let of = "?group_type_index=0&group_key=acme";
    let set = api.post(&format!("/groups/update_property/{of}"), json!({ "key": "seats", "value": 3 })).await;
    assert_eq!(set.assert_ok().json()["group_properties"], json!({ "plan": "free", "seats": 3 }));
    let rows = api.rows("select key, properties.seats from groups").await;
    assert_eq!(rows, json!([["acme", "3"]]), "queries see it at once");
    let gone = api.post(&format!("/groups/delete_property/{of}"), json!({ "$unset": "plan" })).await;
    assert_eq!(gone.assert_ok().json()["group_properties"], json!({ "seats": 3 }));
    let edits = "SELECT string_agg(key, ' ' ORDER BY id) FROM group_property_edits WHERE edited_by IS NOT NULL";
    assert_eq!(api.explorer.app.pg_value::<String>(edits).await, "seats plan");
    for (query, body, attr) in [
        (of, json!({ "key": "", "value": 1 }), json!("key")),
        (of, json!({ "key": "a", "value": null }), json!("value")),
        ("?group_type_index=0", json!({ "key": "a", "value": 1 }), json!("group_key")),
        ("?group_type_index=9&group_key=acme", json!({ "key": "a", "value": 1 }), json!("group_type_index")),
    ] {
        let reply = api.post(&format!("/groups/update_property/{query}"), body).await;
        assert_eq!((reply.status.as_u16(), reply.json()["attr"].clone()), (400, attr), "{query}");
    }
    let unknown = "/groups/update_property/?group_type_index=0&group_key=zoo";
    api.post(unknown, json!({ "key": "a", "value": 1 })).await.assert_status(404);
    api.explorer.app.pg_execute("UPDATE memberships SET role = 'viewer'").await;
    api.post(&format!("/groups/update_property/{of}"), json!({ "key": "a", "value": 1 })).await.assert_status(403);
}
