//! Answers used again, questions run once, and what ends with whoever asked.

use std::time::{Duration, Instant};

use http::{Method, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Desk;
use crate::support::{Reply, TestApp};

/// What takes longer than anybody waits here, and is ended by the store's own limit after 30 seconds.
const ENDLESS: &str = "select max(cityHash64(number)) from numbers(1000000000000)";

fn sql(text: &str) -> Value {
    json!({ "kind": "HogQLQuery", "query": text })
}

async fn desk(change: impl FnOnce(&mut tenrec::config::Config)) -> Desk {
    let app = TestApp::builder().config(|config| {
        config.limits.queries.query_cache_mb = 8;
        change(config);
    });
    let app = app.start().await;
    let owner = app.set_up().await;
    Desk { app, owner }
}

impl Desk {
    fn path(&self) -> String {
        format!("/api/projects/{}/query/", self.owner.project)
    }

    async fn post(&self, body: &Value) -> Reply {
        self.app.post_json_with_key(&self.path(), &self.owner.personal_key, body).await
    }

    async fn ask_as(&self, query: &Value, refresh: &str) -> Value {
        self.post(&json!({ "query": query, "refresh": refresh })).await.assert_ok().json()
    }

    async fn status(&self, method: Method, id: &str) -> Reply {
        let request = self.app.request(method, &format!("{}{id}/", self.path()));
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.owner.personal_key));
        self.app.send(request.body(Full::default()).unwrap()).await
    }

    async fn send_one(&self, event: &str) {
        self.send(&json!([{ "event": event, "distinct_id": "a", "timestamp": "2026-11-01T10:00:00Z" }])).await;
    }

    /// A project of somebody else, as the path of its questions and a key for it.
    async fn elsewhere(&self) -> (String, String) {
        let (browser, project, _) = self.app.stranger().await;
        let shown = browser.post_form("/settings/api-keys", &[("label", "tests")]).await;
        (format!("/api/projects/{project}/query/"), shown.assert_ok().element_text("#personal-api-key"))
    }

    /// Asks over a connection that can be broken.
    async fn connect(&self, query: &Value) -> TcpStream {
        let body = json!({ "query": query }).to_string();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.path(),
            self.owner.personal_key,
            body.len(),
        );
        let mut stream = TcpStream::connect(self.app.address()).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        stream
    }

    /// Statements that ClickHouse runs in this test's database.
    async fn statements(&self) -> u64 {
        let all = "SELECT count() FROM system.processes
                   WHERE current_database = currentDatabase() AND query LIKE '%cityHash64%' AND query NOT LIKE '%processes%'";
        self.app.ch_count(all).await
    }

    /// Waits until so many run, but not until they would have ended by themselves.
    async fn until_statements(&self, count: u64) {
        let begun = Instant::now();
        while self.statements().await != count {
            assert!(begun.elapsed() < Duration::from_secs(15), "{} statements run", self.statements().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the endless statements have taken until now: those that are gone are not of it.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn an_answer_is_given_again_and_says_how_old_it_is() {
    let desk = desk(|_| {}).await;
    desk.send_one("x").await;
    let trend = json!({ "kind": "TrendsQuery", "series": [{ "event": "x" }], "interval": "day" });
    let first = desk.ask_as(&trend, "blocking").await;
    assert_eq!((&first["is_cached"], &first["results"][0]["count"]), (&json!(false), &json!(1)));
    assert_eq!(first["last_refresh"], "2026-11-01T12:00:00Z");
    assert_eq!(first["cache_target_age"], "2026-11-01T12:00:10Z");
    assert_eq!(first["next_allowed_client_refresh"], first["cache_target_age"]);

    desk.send_one("x").await;
    desk.app.clock.advance(Duration::from_secs(9));
    let kept = desk.ask_as(&trend, "blocking").await;
    assert_eq!((&kept["is_cached"], &kept["last_refresh"]), (&json!(true), &first["last_refresh"]));
    assert_eq!((&kept["results"], &kept["cache_key"]), (&first["results"], &first["cache_key"]));
    assert!(first["cache_key"].as_str().is_some_and(|key| key.starts_with("cache_")));

    desk.app.clock.advance(Duration::from_secs(1));
    let next = desk.ask_as(&trend, "blocking").await;
    assert_eq!((&next["is_cached"], &next["results"][0]["count"]), (&json!(false), &json!(2)));
    desk.send_one("x").await;
    assert_eq!(desk.ask_as(&trend, "force_blocking").await["results"][0]["count"], 3);
    assert_eq!(desk.ask_as(&trend, "force_cache").await["results"][0]["count"], 3);
    assert_eq!(desk.ask_as(&sql("select 1"), "force_cache").await["results"], Value::Null);
}

#[tokio::test]
async fn nobody_gets_what_was_kept_for_other_eyes() {
    let desk = desk(|_| {}).await;
    let (path, their_key) = desk.elsewhere().await;
    desk.send_one("x").await;
    let count = sql("select count() from events");
    assert_eq!(desk.ask_as(&count, "blocking").await["results"], json!([[1]]));
    let body = json!({ "query": count, "refresh": "blocking" });
    let answer = desk.app.post_json_with_key(&path, &their_key, &body).await.assert_ok().json();
    assert_eq!((&answer["results"], &answer["is_cached"]), (&json!([[0]]), &json!(false)));

    let id = "shared-name";
    let body = json!({ "query": count, "refresh": "force_async", "client_query_id": id });
    desk.post(&body).await.assert_status(202);
    desk.app.get_with_key(&format!("{path}{id}/"), &their_key).await.assert_status(404);
}

#[tokio::test]
async fn what_changes_a_question_or_erases_somebody_ends_what_was_kept() {
    let desk = desk(|_| {}).await;
    desk.send_one("x").await;
    let count = sql("select count() from events");
    let is_cached = async || desk.ask_as(&count, "blocking").await["is_cached"] == true;
    assert_eq!((is_cached().await, is_cached().await), (false, true));

    let request = desk.app.request(Method::PATCH, &format!("/api/projects/{}/", desk.owner.project));
    let request = request
        .header(header::AUTHORIZATION, format!("Bearer {}", desk.owner.personal_key))
        .header(header::CONTENT_TYPE, "application/json");
    let settings = json!({ "week_start_day": 1 }).to_string();
    desk.app.send(request.body(Full::from(settings)).unwrap()).await.assert_ok();
    assert_eq!((is_cached().await, is_cached().await), (false, true));

    let erasure = format!(
        "INSERT INTO erasures (id, project_id, subject, requested_by, requested_at, erased_until, keeps_events, step, stores)
         VALUES (gen_random_uuid(), {}, 's', 'r', '2026-11-01T12:00:00Z', '2026-11-01T12:00:00Z', false, 'done', '[]')",
        desk.owner.project
    );
    desk.app.pg_execute(&erasure).await;
    assert!(!is_cached().await);
    assert!(!is_cached().await, "it was asked at the very moment");
    desk.app.clock.advance(Duration::from_secs(1));
    assert_eq!((is_cached().await, is_cached().await), (false, true));
}

#[tokio::test]
async fn a_new_definition_ends_what_was_kept_of_those_there_were() {
    let desk = desk(|_| {}).await;
    let session = "0199c000-0000-7000-8000-00000000000a";
    desk.send(&json!([{ "event": "buy", "distinct_id": "a", "timestamp": "2026-11-01T10:00:00Z",
        "properties": { "$session_id": session, "$set": { "plan": "paid" } } }]))
        .await;
    let goals = json!({ "kind": "WebGoalsQuery", "dateRange": { "date_from": "-7d" } });
    let cohorts = sql("select name from cohorts");
    let ask = async |query: &Value| {
        let answer = desk.ask_as(query, "blocking").await;
        (answer["is_cached"] == true, answer["results"].clone())
    };
    for is_kept in [false, true] {
        assert_eq!(ask(&goals).await, (is_kept, json!([])));
        assert_eq!(ask(&cohorts).await, (is_kept, json!([])));
    }
    desk.action("bought", json!([{ "event": "buy" }])).await;
    let (is_kept, found) = ask(&goals).await;
    assert_eq!((is_kept, &found[0][0]), (false, &json!("bought")), "{found}");
    desk.app.clock.advance(Duration::from_secs(1));
    for is_kept in [false, true] {
        assert_eq!(ask(&cohorts).await, (is_kept, json!([])));
    }
    desk.cohort("paid", json!([{ "type": "person", "key": "plan", "value": "paid" }])).await;
    assert_eq!(ask(&cohorts).await, (false, json!([["paid"]])));
}

#[tokio::test]
async fn an_answer_is_fetched_later() {
    let desk = desk(|_| {}).await;
    desk.send_one("x").await;
    let count = sql("select count() from events");
    let body = json!({ "query": count, "refresh": "async", "client_query_id": "later" });
    let begun = desk.post(&body).await.assert_status(202).json();
    assert_eq!((&begun["results"], &begun["query_status"]["id"]), (&Value::Null, &json!("later")));
    assert_eq!(begun["query_status"]["query_async"], true);
    let done = loop {
        let reply = desk.status(Method::GET, "later").await;
        if reply.status.as_u16() == 200 {
            break reply.json()["query_status"].clone();
        }
        assert_eq!((reply.status.as_u16(), &reply.json()["query_status"]["complete"]), (202, &json!(false)));
    };
    assert_eq!(
        (&done["complete"], &done["error"], &done["team_id"]),
        (&json!(true), &json!(false), &desk.owner.project.into())
    );
    assert_eq!((&done["results"]["results"], &done["results"]["columns"]), (&json!([[1]]), &json!(["count()"])));
    assert_eq!(done["expiration_time"], "2026-11-01T12:20:00Z");
    // What was made is there for others too.
    assert_eq!(desk.ask_as(&count, "blocking").await["is_cached"], true);

    let wrong = json!({ "query": sql("select nonsense from events"), "refresh": "async", "client_query_id": "wrong" });
    desk.post(&wrong).await.assert_status(202);
    let failed = loop {
        let reply = desk.status(Method::GET, "wrong").await;
        if reply.status.as_u16() != 202 {
            break reply;
        }
    };
    let status = failed.assert_status(400).json()["query_status"].clone();
    assert!(status["error_message"].as_str().is_some_and(|text| text.contains("nonsense")), "{status}");
    desk.status(Method::GET, "never").await.assert_status(404);
    desk.status(Method::DELETE, "never").await.assert_status(404);
    for body in
        [json!({ "query": count, "client_query_id": "" }), json!({ "query": count, "filters_override": { "a": 1 } })]
    {
        desk.post(&body).await.assert_status(400);
    }
}

#[tokio::test]
async fn a_statement_ends_when_nobody_waits_for_it() {
    let desk = desk(|_| {}).await;
    let endless = sql(ENDLESS);
    let (one, two) = (desk.connect(&endless).await, desk.connect(&endless).await);
    desk.until_statements(1).await;
    drop(one);
    desk.settle().await;
    assert_eq!(desk.statements().await, 1, "somebody else still waits, for the same run");
    drop(two);
    desk.until_statements(0).await;
    assert_eq!(desk.app.state().running().queue().load(), (0, 0));
}

#[tokio::test]
async fn a_statement_ends_when_its_question_is_cancelled_by_name() {
    let desk = desk(|_| {}).await;
    let body = json!({ "query": sql(ENDLESS), "refresh": "async", "client_query_id": "endless" });
    desk.post(&body).await.assert_status(202);
    desk.until_statements(1).await;
    desk.status(Method::DELETE, "endless").await.assert_status(204);
    desk.until_statements(0).await;
    let status = desk.status(Method::GET, "endless").await.assert_status(409).json();
    assert_eq!(status["query_status"]["error_message"], "The question was cancelled.");

    let blocking = json!({ "query": sql(ENDLESS), "client_query_id": "waited for" });
    let (reply, ()) = tokio::join!(desk.post(&blocking), async {
        desk.until_statements(1).await;
        desk.status(Method::DELETE, "waited%20for").await.assert_status(204);
    });
    reply.assert_status(409);
    desk.until_statements(0).await;
}

#[tokio::test]
async fn a_forced_question_does_not_take_what_began_before_it() {
    let desk = desk(|_| {}).await;
    let body = |refresh| json!({ "query": sql(ENDLESS), "refresh": refresh, "client_query_id": refresh });
    desk.post(&body("async")).await.assert_status(202);
    desk.until_statements(1).await;
    desk.post(&body("lazy_async")).await.assert_status(202);
    desk.settle().await;
    assert_eq!(desk.statements().await, 1);
    desk.post(&body("force_async")).await.assert_status(202);
    desk.until_statements(2).await;
    for name in ["async", "lazy_async", "force_async"] {
        desk.status(Method::DELETE, name).await.assert_status(204);
    }
    desk.until_statements(0).await;
}

#[tokio::test]
async fn heavy_questions_leave_room_and_the_rest_is_told_to_wait() {
    let desk = desk(|config| {
        config.limits.queries.max_queries = 4;
        config.limits.queries.max_queries_per_project = 3;
        config.limits.queries.query_wait_seconds = 1;
    })
    .await;
    let (path, their_key) = desk.elsewhere().await;
    let heavy = [sql(ENDLESS), sql(&format!("{ENDLESS} where number > 1"))];
    let connections = [desk.connect(&heavy[0]).await, desk.connect(&heavy[1]).await];
    desk.until_statements(2).await;

    let reply = desk.post(&json!({ "query": sql("select 1") })).await;
    let retry_after = reply.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    assert!(retry_after.is_some_and(|seconds| seconds > 0), "{:?}", reply.headers);
    let refused = reply.assert_status(429).json();
    assert_eq!((&refused["type"], &refused["code"]), (&json!("throttled_error"), &json!("too_many_queries")));
    assert_eq!(
        refused["detail"],
        "As many questions of this project are running as may at once, and this one waited 1 second for its turn. \
         Try again shortly."
    );
    let other = desk.app.post_json_with_key(&path, &their_key, &json!({ "query": sql("select 1") })).await;
    assert_eq!(other.assert_ok().json()["results"], json!([[1]]), "another project's is answered");

    // The one who waits comes when a heavy one goes.
    let light = json!({ "query": sql("select 2") });
    let (reply, ()) = tokio::join!(desk.post(&light), async {
        desk.settle().await;
        drop(connections);
    });
    assert_eq!(reply.assert_ok().json()["results"], json!([[2]]));
    desk.until_statements(0).await;
}

#[tokio::test]
async fn a_reader_who_leaves_ends_an_export() {
    let desk = desk(|_| {}).await;
    let body = json!({ "query": sql("select number, cityHash64(number) from numbers(100000000000)") }).to_string();
    let head = format!(
        "POST {}export.csv HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        desk.path(),
        desk.owner.personal_key,
        body.len(),
    );
    let mut stream = TcpStream::connect(desk.app.address()).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut begin = [0; 4096];
    stream.read_exact(&mut begin).await.unwrap();
    assert!(begin.starts_with(b"HTTP/1.1 200"));
    assert_eq!((desk.statements().await, desk.app.state().running().queue().load()), (1, (1, 0)));
    drop(stream);
    desk.until_statements(0).await;
    let begun = Instant::now();
    while desk.app.state().running().queue().load() != (0, 0) {
        assert!(begun.elapsed() < Duration::from_secs(15), "its place is not free");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_page_shows_what_is_kept_until_it_is_reloaded() {
    let desk = desk(|_| {}).await;
    desk.send_one("x").await;
    let path = format!("/project/{}/insights/new?event=x&date=dStart&display=number", desk.owner.project);
    let count = async |cache_control: Option<&str>| {
        let mut request = desk.owner.browser.request(Method::GET, &path);
        if let Some(value) = cache_control {
            request = request.header(header::CACHE_CONTROL, value);
        }
        let page = desk.owner.browser.send(request.body(Full::default()).unwrap()).await;
        page.assert_ok().element_text(".big-number b")
    };
    assert_eq!(count(None).await, "1");
    desk.send_one("x").await;
    assert_eq!((count(None).await.as_str(), count(Some("max-age=0")).await.as_str()), ("1", "2"));
    assert_eq!(count(None).await, "2");
    desk.send_one("x").await;
    desk.app.clock.advance(Duration::from_secs(10));
    assert_eq!(count(None).await, "3");
}

#[tokio::test]
async fn a_reloaded_home_page_asks_anew_for_its_tiles() {
    let desk = desk(|_| {}).await;
    let path = format!("/project/{}", desk.owner.project);
    let sources = async |cache_control: Option<&str>| {
        let mut request = desk.owner.browser.request(Method::GET, &path);
        if let Some(value) = cache_control {
            request = request.header(header::CACHE_CONTROL, value);
        }
        let page = desk.owner.browser.send(request.body(Full::default()).unwrap()).await;
        page.assert_ok().attribute("[hx-get]", "hx-get").unwrap()
    };
    let (opened, reloaded) = (sources(None).await, sources(Some("no-cache")).await);
    assert_eq!(reloaded, format!("{opened}?reload=1"));
    let tile = async |path: &str| {
        let request = desk.owner.browser.request(Method::GET, path).header("hx-request", "true");
        desk.owner.browser.send(request.body(Full::default()).unwrap()).await.assert_ok().text().to_owned()
    };
    let before = tile(&opened).await;
    desk.send_one("$pageview").await;
    assert_eq!(tile(&opened).await, before);
    assert_ne!(tile(&reloaded).await, before);
}
