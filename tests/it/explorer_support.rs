//! Somebody signed in, and events in the store, for the tests of the pages about events and people.

use std::collections::HashSet;

use jiff::Timestamp;
use scraper::{Html, Selector};
use serde_json::Value;
use tenrec::accounts::sign_ins;
use tenrec::model::{PersonId, ProjectId, Properties, UserId};
use tenrec::storage::ch::{EventRow, event_blocks};
use uuid::Uuid;

use crate::support::{Browser, Reply, TestApp};

/// The server, a project, and a browser signed in as its owner.
pub struct Explorer {
    pub app: TestApp,
    pub browser: Browser,
    pub project: ProjectId,
    /// Of an organization whose member the user is not.
    pub other_project: ProjectId,
}

/// An event to store.
#[derive(Clone)]
pub struct Seed {
    pub project: ProjectId,
    pub uuid: Uuid,
    pub event: String,
    pub at: Timestamp,
    pub received_at: Timestamp,
    pub distinct_id: String,
    pub person: PersonId,
    pub properties: Value,
    /// Null for somebody without a profile.
    pub person_properties: Value,
}

impl Explorer {
    pub async fn start() -> Self {
        Self::on(TestApp::start().await).await
    }

    /// The same on a server that differs.
    pub async fn on(app: TestApp) -> Self {
        app.pg_execute(
            "INSERT INTO users (id, email, name, password_hash, created_at)
                 VALUES ('00000000-0000-7000-8000-000000000001', 'ada@example.com', 'Ada', 'none', now());
             INSERT INTO organizations (id, name, created_at) VALUES
                 ('00000000-0000-7000-8000-00000000000a', 'Mine', now()),
                 ('00000000-0000-7000-8000-00000000000b', 'Theirs', now());
             INSERT INTO memberships (organization_id, user_id, role, created_at) VALUES
                 ('00000000-0000-7000-8000-00000000000a', '00000000-0000-7000-8000-000000000001', 'owner', now());
             INSERT INTO projects (organization_id, name, api_key, time_zone, created_at) VALUES
                 ('00000000-0000-7000-8000-00000000000a', 'Shop', 'phc_shop', 'Europe/Berlin', now()),
                 ('00000000-0000-7000-8000-00000000000b', 'Other', 'phc_other', 'UTC', now());",
        )
        .await;
        let project = |key| format!("SELECT id FROM projects WHERE api_key = '{key}'");
        let ids: (i32, i32) = (app.pg_value(&project("phc_shop")).await, app.pg_value(&project("phc_other")).await);
        let user = UserId::new(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));
        let token = sign_ins::start(&app.state().pg, &app.clock, user, "test").await.unwrap();
        let browser = app.browser();
        browser.set_cookie("tenrec", token.expose());
        Self { browser, project: ProjectId::new(ids.0), other_project: ProjectId::new(ids.1), app }
    }

    /// An event of this project, now, by somebody without a profile.
    pub fn seed(&self, event: &str, distinct_id: &str, properties: Value) -> Seed {
        Seed {
            project: self.project,
            uuid: Uuid::new_v4(),
            event: event.to_owned(),
            at: self.app.clock.now(),
            received_at: self.app.clock.now(),
            distinct_id: distinct_id.to_owned(),
            person: PersonId::without_profile(self.project, distinct_id),
            properties,
            person_properties: Value::Null,
        }
    }

    /// Stores events as the pipeline does, but that nobody notes what their tails hold.
    pub async fn store(&self, seeds: &[Seed]) {
        for project in seeds.iter().map(|seed| seed.project).collect::<HashSet<_>>() {
            self.app.state().pg.forget_tail_kinds(project).await.unwrap();
        }
        let properties: Vec<Properties> =
            seeds.iter().map(|seed| serde_json::from_value(seed.properties.clone()).unwrap()).collect();
        let rows = seeds.iter().zip(&properties).map(|(seed, properties)| EventRow {
            project_id: seed.project,
            event: &seed.event,
            timestamp: seed.at,
            person_id: seed.person,
            uuid: seed.uuid,
            distinct_id: &seed.distinct_id,
            received_at: seed.received_at,
            inserted_by: 1,
            properties,
            person_properties: seed.person_properties.as_object(),
        });
        for block in event_blocks(rows) {
            self.app.state().ch.insert_events(&Uuid::new_v4().to_string(), &block).await.unwrap();
        }
    }

    /// Makes a person with a profile; gives their number and UUID.
    pub async fn person(&self, distinct_ids: &[&str], properties: Value) -> (PersonId, Uuid) {
        self.person_at(distinct_ids, properties, self.app.clock.now()).await
    }

    /// Makes a person with a profile at a moment.
    pub async fn person_at(&self, distinct_ids: &[&str], properties: Value, at: Timestamp) -> (PersonId, Uuid) {
        let uuid = Uuid::new_v4();
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO persons (project_id, uuid, properties, is_identified, created_at, last_seen_at)
             VALUES ($1, $2, $3, true, $4::timestamptz, $4::timestamptz) RETURNING id",
        )
        .bind(self.project.get())
        .bind(uuid)
        .bind(properties)
        .bind(tenrec::storage::pg::PgTime(at))
        .fetch_one(self.app.pg_pool())
        .await
        .unwrap();
        for distinct_id in distinct_ids {
            sqlx::query("INSERT INTO person_distinct_ids (project_id, distinct_id, person_id) VALUES ($1, $2, $3)")
                .bind(self.project.get())
                .bind(distinct_id)
                .bind(id)
                .execute(self.app.pg_pool())
                .await
                .unwrap();
        }
        (PersonId::from_row(id), uuid)
    }

    /// Makes a group, and its type if that is new.
    pub async fn group(&self, index: i16, group_type: &str, key: &str, properties: Value) {
        let at = tenrec::storage::pg::PgTime(self.app.clock.now());
        sqlx::query(
            "INSERT INTO group_types (project_id, type_index, name, created_at) VALUES ($1, $2, $3, $4::timestamptz)
             ON CONFLICT DO NOTHING",
        )
        .bind(self.project.get())
        .bind(index)
        .bind(group_type)
        .bind(at)
        .execute(self.app.pg_pool())
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO groups (project_id, type_index, key, properties, created_at)
             VALUES ($1, $2, $3, $4, $5::timestamptz)",
        )
        .bind(self.project.get())
        .bind(index)
        .bind(key)
        .bind(properties)
        .bind(at)
        .execute(self.app.pg_pool())
        .await
        .unwrap();
    }

    /// A page of the project, which must answer 200.
    pub async fn page(&self, path: &str) -> Page {
        Page::of(self.browser.get(&format!("/project/{}{path}", self.project)).await.assert_ok())
    }

    /// Whatever the project answers.
    pub async fn get(&self, path: &str) -> Reply {
        self.browser.get(&format!("/project/{}{path}", self.project)).await
    }

    /// Follows a link of a page.
    pub async fn follow(&self, href: &str) -> Page {
        Page::of(self.browser.get(href).await.assert_ok())
    }
}

/// A page to ask by selector.
pub struct Page {
    html: Html,
}

impl Page {
    pub fn of(reply: &Reply) -> Self {
        Self { html: Html::parse_document(reply.text()) }
    }

    /// The texts of what a selector finds, white space made plain.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let found = Selector::parse(selector).unwrap();
        let text = |element: scraper::ElementRef<'_>| {
            element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
        };
        self.html.select(&found).map(text).collect()
    }

    /// The texts of what a selector finds, as they stand.
    pub fn raw_texts(&self, selector: &str) -> Vec<String> {
        self.html.select(&Selector::parse(selector).unwrap()).map(|element| element.text().collect()).collect()
    }

    /// The one text of what a selector finds.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let mut texts = self.texts(selector);
        assert_eq!(texts.len(), 1, "{selector} finds {texts:?}");
        texts.remove(0)
    }

    /// An attribute of all that a selector finds.
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let found = Selector::parse(selector).unwrap();
        self.html.select(&found).filter_map(|element| element.attr(name)).map(str::to_owned).collect()
    }

    /// How many elements a selector finds.
    pub fn count(&self, selector: &str) -> usize {
        self.html.select(&Selector::parse(selector).unwrap()).count()
    }

    /// The uuids of the events in the table, in their order.
    pub fn events(&self) -> Vec<Uuid> {
        self.attributes("tr[data-event]", "data-event").iter().map(|uuid| uuid.parse().unwrap()).collect()
    }
}
