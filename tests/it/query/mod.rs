//! `/api/projects/{project}/query/`, and what a project's questions go by.

mod actions;
mod breakdowns;
mod cohorts;
mod endpoint;
mod erased;
mod filters;
mod funnels;
mod groups;
mod groups_behind;
mod hostile;
mod isolation;
mod kinds;
mod lifecycle;
mod lists;
mod operators;
mod others;
mod paths;
mod quarter_hours;
mod random;
mod refusals;
mod retention;
mod retention_groups;
mod running;
mod several;
mod sql;
mod sql_words;
mod statements;
mod stickiness;
mod tails;
mod trend_corners;
mod trends;
mod web;
mod web_values;

use serde_json::{Value, json};

use crate::support::{Owner, Reply, TestApp};

/// A server with a project, its owner, and what they ask.
pub struct Desk {
    pub app: TestApp,
    pub owner: Owner,
}

impl Desk {
    pub async fn start() -> Self {
        let app = TestApp::start().await;
        let owner = app.set_up().await;
        Self { app, owner }
    }

    /// Sends events of the past and waits until they are stored.
    pub async fn send(&self, events: &Value) {
        self.send_to(&self.owner.api_key, events).await;
    }

    /// Sends to any project.
    pub async fn send_to(&self, key: &str, events: &Value) {
        let batch = json!({ "api_key": key, "historical_migration": true, "batch": events });
        self.app.post_json("/batch/", &batch).await.assert_ok();
        self.app.flush().await;
    }

    /// Changes what the project's questions go by.
    pub async fn change_project(&self, changes: &Value) {
        let path = format!("/api/projects/{}/", self.owner.project);
        endpoint::patch(&self.app, &path, &self.owner.personal_key, changes).await.assert_ok();
    }

    /// Whatever the endpoint answers.
    pub async fn reply(&self, query: Value) -> Reply {
        let path = format!("/api/projects/{}/query/", self.owner.project);
        self.app.post_json_with_key(&path, &self.owner.personal_key, &json!({ "query": query })).await
    }

    /// The answer to a query that has one.
    pub async fn answer(&self, query: Value) -> Value {
        let said = query.to_string();
        let reply = self.reply(query).await;
        assert_eq!(reply.status.as_u16(), 200, "{said}\n{}", reply.text());
        reply.json()
    }

    /// The rows of a question.
    pub async fn rows(&self, sql: &str) -> Value {
        self.answer(json!({ "kind": "HogQLQuery", "query": sql })).await["results"].clone()
    }

    /// What is said of a question that is refused.
    pub async fn refusal(&self, sql: &str) -> String {
        let reply = self.reply(json!({ "kind": "HogQLQuery", "query": sql })).await;
        assert_eq!(reply.status.as_u16(), 400, "{sql}\n{}", reply.text());
        let body = reply.json();
        assert_eq!(body["attr"], "query", "{body}");
        body["detail"].as_str().unwrap().to_owned()
    }
}
