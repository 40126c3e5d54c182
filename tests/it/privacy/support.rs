//! People who did something, and what is left of them.

use std::time::Duration;

use http::Method;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{Owner, Reply, TestApp};

/// The time of the tests' clock at the start.
pub const NOW: &str = "2026-11-01T12:00:00.000Z";

impl TestApp {
    /// Sends events; each is `(event, distinct id, properties)`, and happened an hour ago.
    pub async fn send_events(&self, owner: &Owner, events: &[(&str, &str, Value)]) {
        let at = self.clock.now() - jiff::SignedDuration::from_hours(1);
        let batch: Vec<Value> = events
            .iter()
            .map(|(event, id, properties)| {
                json!({ "event": event, "distinct_id": id, "properties": properties, "timestamp": at.to_string(),
                        "uuid": self.clock.new_uuid() })
            })
            .collect();
        let body = json!({ "api_key": owner.api_key, "batch": batch });
        self.post_json("/batch/", &body).await.assert_ok();
        self.flush().await;
    }

    /// A request to the API of the owner's project.
    pub async fn api(&self, owner: &Owner, method: Method, path: &str, body: Value) -> Reply {
        let request = self
            .request(method, &format!("/api/projects/{}{path}", owner.project))
            .header("authorization", format!("Bearer {}", owner.personal_key))
            .header("content-type", "application/json");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(request.body(Full::from(body)).unwrap()).await
    }

    /// The UUID of whoever has a distinct id.
    pub async fn person_uuid(&self, distinct_id: &str) -> String {
        let sql = format!(
            "SELECT p.uuid::text FROM persons p JOIN person_distinct_ids d ON d.person_id = p.id WHERE d.distinct_id = '{distinct_id}'"
        );
        self.pg_value(&sql).await
    }

    /// Erases by the API and gives the erasure's id.
    pub async fn erase(&self, owner: &Owner, uuid: &str) -> String {
        let reply = self.api(owner, Method::DELETE, &format!("/persons/{uuid}/?delete_events=true"), Value::Null).await;
        reply.assert_status(202).json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until an erasure has come to a step; gives it.
    pub async fn erasure_at(&self, owner: &Owner, id: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1800 {
            let erasure = self.api(owner, Method::GET, &format!("/privacy/erasures/{id}/"), Value::Null).await;
            let erasure = erasure.assert_ok().json();
            if is_there(&erasure) {
                return erasure;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "the erasure does not come on: {:?}",
            self.api(owner, Method::GET, &format!("/privacy/erasures/{id}/"), Value::Null).await
        );
    }

    /// Waits until nothing is left in any query.
    pub async fn hidden(&self, owner: &Owner, id: &str) -> Value {
        self.erasure_at(owner, id, |erasure| !erasure["gone_from_queries_at"].is_null()).await
    }

    /// Waits until it is done: old parts go soon, and the spool keeps nothing of before.
    pub async fn erased(&self, owner: &Owner, id: &str) -> Value {
        self.erasure_at(owner, id, |erasure| erasure["step"] == "done").await
    }

    /// Lets ClickHouse remove replaced parts at once, not after eight minutes.
    pub async fn hurry_old_parts(&self) {
        for table in ["events", "sessions", "person_overrides", "persons", "person_distinct_ids", "cohort_members"] {
            self.ch_rows(&format!("ALTER TABLE {table} MODIFY SETTING old_parts_lifetime = 1, cleanup_delay_period = 1, cleanup_delay_period_random_add = 0, max_cleanup_delay_period = 1"))
                .await;
        }
    }
}
