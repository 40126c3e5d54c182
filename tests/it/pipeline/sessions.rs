//! Sessions agree with a plain reading of the stored events, whatever happened on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenrec::ingest::AcceptedEvent;
use tenrec::ingest::pipeline::Step;
use tenrec::model::session::{ENTRY_TEXTS, EXIT_TEXTS, SessionText};
use tenrec::model::{PersonId, ProjectId};
use tenrec::storage::ch::{SessionFilter, SessionPage, SessionRecord, Visitors};

use super::rig::{Rig, event, now, object};

/// Chance that is the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.roll(all.len() as u64)).unwrap()]
    }
}

const SESSIONS: [&str; 8] = [
    "019a3f2e-0000-7000-8000-000000000001",
    "019a3f2e-0000-7000-8000-000000000002",
    "019a3f2e-1000-7000-8000-000000000003",
    "0001e240-0000-7000-8000-00000000000a",
    "ffffffff-ffff-7fff-bfff-ffffffffffff",
    "it's \\ \"mine\" é\n",
    "7",
    "17c1d6f2a9-0f3ab2",
];

/// Something that a browser, an app or a server might send.
fn any_event(dice: &mut Dice, number: u32) -> AcceptedEvent {
    let name = dice.one_of(&["$pageview", "$pageview", "$pageview", "$screen", "$autocapture", "signup", "$pageleave"]);
    let path = dice.one_of(&["/", "/a", "/a/b", "/pricing", "/caf%C3%A9"]);
    let mut properties = json!({
        "$session_id": dice.one_of(&SESSIONS),
        "$window_id": dice.one_of(&["tab-1", "tab-2"]),
        "$current_url": format!("https://shop.example{path}?q={}", dice.roll(3)),
        "$browser": dice.one_of(&["Firefox", "Chrome"]),
        "$process_person_profile": dice.roll(3) == 0,
    });
    let object_of = properties.as_object_mut().unwrap();
    let texts =
        ["$referrer", "$referring_domain", "utm_source", "$channel_type", "$geoip_country_code", "title", "$lib"];
    for key in texts.into_iter().chain(["$screen_name", "$bot_class", "gclid"]) {
        if dice.roll(3) == 0 {
            object_of.insert(key.to_owned(), format!("{key} {}", dice.roll(4)).into());
        }
    }
    match dice.roll(5) {
        0 => drop(object_of.insert("$pathname".to_owned(), path.into())),
        1 => drop(object_of.insert("$os".to_owned(), json!(11))),
        2 => drop(object_of.insert("$host".to_owned(), "shop.example".into())),
        3 if dice.roll(4) == 0 => drop(object_of.remove("$current_url")),
        _ => {}
    }
    if dice.roll(20) == 0 {
        let odd = [json!(""), json!(null), json!(5), json!("x".repeat(201)), json!(["s"])];
        object_of.insert("$session_id".to_owned(), odd[usize::try_from(dice.roll(5)).unwrap()].clone());
    }
    let mut event = event(number, name, dice.one_of(&["ada", "bob", "anon-1", "anon-2", "anon-3"]), properties);
    // Whole seconds, so that many share one; sometimes days away.
    let away = dice.one_of(&[0, 0, 0, 0, 0, 86_400 * 3, 86_400 * 40]);
    event.timestamp = now() - Duration::from_secs(away + dice.roll(600));
    event
}

/// The sessions as somebody reads them who has nothing but the events.
async fn naive(rig: &Rig) -> BTreeMap<String, SessionRecord> {
    let rows = rig
        .rows(
            "SELECT toString(uuid) AS row_uuid, toUnixTimestamp64Micro(timestamp) AS row_at, \
             if(o.into_id = 0, e.person_id, o.into_id) AS row_person, e.* FROM events AS e LEFT JOIN (
                 SELECT from_id, argMax(into_id, version) AS into_id FROM person_overrides GROUP BY from_id
             ) AS o ON o.from_id = e.person_id",
        )
        .await;
    let mut sessions: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in rows {
        let Some(id) = row["$session_id"].as_str() else { continue };
        if !id.is_empty() && id.chars().count() <= 200 {
            sessions.entry(id.to_owned()).or_default().push(row);
        }
    }
    sessions.into_iter().map(|(id, rows)| (id.clone(), naive_session(id, rows))).collect()
}

fn naive_session(id: String, mut rows: Vec<Value>) -> SessionRecord {
    let at = |row: &Value| row["row_at"].as_i64().unwrap();
    let tie = |row: &Value| {
        let (high, low) = row["row_uuid"].as_str().unwrap().parse::<uuid::Uuid>().unwrap().as_u64_pair();
        high ^ low
    };
    rows.sort_by_key(|row| (at(row), tie(row)));
    let named = |name: &str| rows.iter().filter(|row| row["event"] == name).count() as u64;
    let views: Vec<&Value> =
        rows.iter().filter(|row| row["event"] == "$pageview" || row["event"] == "$screen").collect();
    let (first, last) = (&rows[0], rows.last().unwrap());
    let entry = views.first().copied().unwrap_or(first);
    let property = |row: &Value, text: &SessionText, is_view: bool| {
        if text.is_of_view && !is_view {
            return None;
        }
        let own = row[text.property].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let url = row["$current_url"].as_str();
        own.or_else(|| match text.property {
            "$pathname" => Some(url?.strip_prefix("https://shop.example")?.split('?').next()?.to_owned()),
            "$host" => url.map(|_| "shop.example".to_owned()),
            _ => None,
        })
    };
    let mut texts = BTreeMap::new();
    for text in &ENTRY_TEXTS {
        texts.extend(property(entry, text, !views.is_empty()).map(|found| (text.column.to_owned(), found)));
    }
    for (text, exit) in EXIT_TEXTS.iter().zip(std::iter::repeat(views.last())) {
        texts.extend(exit.and_then(|exit| property(exit, text, true)).map(|found| (text.column.to_owned(), found)));
    }
    let urls: BTreeSet<&str> = views.iter().filter_map(|row| row["$current_url"].as_str()).collect();
    let duration_seconds = at(last).div_euclid(1_000_000) - at(first).div_euclid(1_000_000);
    let clicks = entry["gclid"].as_str().map(|id| ("gclid".to_owned(), id.to_owned()));
    SessionRecord {
        session_id: id,
        start: Timestamp::from_microsecond(at(first)).unwrap(),
        end: Timestamp::from_microsecond(at(last)).unwrap(),
        duration_seconds,
        distinct_id: first["distinct_id"].as_str().unwrap().to_owned(),
        person: PersonId::from_event(last["row_person"].as_u64().unwrap()),
        event_count: rows.len() as u64,
        pageview_count: named("$pageview"),
        screen_count: named("$screen"),
        autocapture_count: named("$autocapture"),
        unique_url_count: urls.len() as u64,
        is_bounce: (!views.is_empty()).then(|| views.len() == 1 && named("$autocapture") == 0 && duration_seconds < 10),
        texts,
        click_ids: clicks.into_iter().collect(),
    }
}

async fn list(rig: &Rig, filter: &SessionFilter) -> Vec<SessionRecord> {
    let page = SessionPage::Newest;
    rig.clickhouse.list_sessions(rig.project, filter, &page, 1000, now()).await.unwrap().sessions
}

fn everybody() -> SessionFilter {
    SessionFilter { visitors: Visitors::All, ..SessionFilter::default() }
}

async fn assert_agrees(rig: &Rig) {
    let found = list(rig, &everybody()).await;
    assert!(found.windows(2).all(|pair| (pair[1].start, &pair[0].session_id) <= (pair[0].start, &pair[1].session_id)));
    let found: BTreeMap<_, _> = found.into_iter().map(|session| (session.session_id.clone(), session)).collect();
    let expected = naive(rig).await;
    for (id, session) in &expected {
        assert_eq!(found.get(id), Some(session));
    }
    assert_eq!(found.len(), expected.len());
}

#[tokio::test]
async fn sessions_agree_with_the_events_whatever_happened() {
    const STEPS: [Step; 7] =
        [Step::LookUp, Step::Identity, Step::Insert, Step::Definitions, Step::Overrides, Step::Sessions, Step::Cursor];
    let mut rig = Rig::start().await;
    let mut dice = Dice(7);
    let events: Vec<_> = (0..600).map(|number| any_event(&mut dice, number)).collect();
    let mut sent = 0;
    for turn in 0.. {
        let next = (sent + 5 + usize::try_from(dice.roll(40)).unwrap()).min(events.len());
        rig.append(&events[sent..next]).await;
        // Some come again, perhaps to the other node.
        for _ in 0..dice.roll(10) {
            rig.append(&[events[usize::try_from(dice.roll(next as u64)).unwrap()].clone()]).await;
        }
        sent = next;
        rig.max_events = usize::try_from(1 + dice.roll(60)).unwrap();
        if turn % 2 == 1 {
            rig.crash_before(STEPS[turn / 2 % STEPS.len()]).await;
        }
        rig.drain().await;
        if turn % 7 == 6 {
            let bob = json!({ "$anon_distinct_id": dice.one_of(&["anon-1", "anon-2"]) });
            rig.append(&[event(10_000 + u32::try_from(turn).unwrap(), "$identify", "bob", bob)]).await;
            rig.drain().await;
        }
        if turn % 5 == 0 {
            assert_agrees(&rig).await;
        }
        if sent == events.len() {
            break;
        }
        rig.switch_node(if dice.roll(2) == 0 { "spool" } else { "spool-2" }).await;
    }
    assert!(rig.count("SELECT uniqExact(node) FROM sessions").await == 2);
    assert_agrees(&rig).await;
    rig.ch_execute("OPTIMIZE TABLE sessions FINAL").await;
    assert_agrees(&rig).await;

    // Every way to ask gives a part of the same.
    let all = list(&rig, &everybody()).await;
    for one in &all {
        let found = rig.clickhouse.find_session(rig.project, &one.session_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(one));
        assert_eq!(rig.clickhouse.find_session(ProjectId::new(2), &one.session_id).await.unwrap(), None);
    }
    let bounds: Vec<Timestamp> = all.iter().map(|session| session.start).collect();
    for (from, until) in [(bounds[5], bounds[1]), (bounds[7], bounds[7]), (bounds[2], now()), (bounds[7], bounds[0])] {
        let filter = SessionFilter { from: Some(from), until: Some(until), ..everybody() };
        let expected: Vec<_> = all.iter().filter(|s| s.start >= from && s.start < until).cloned().collect();
        assert_eq!(list(&rig, &filter).await, expected);
    }
    for person in all.iter().map(|session| session.person) {
        // A merged person's sessions may stand under any of their numbers; without merges since, under this one.
        let filter = SessionFilter { persons: Some(vec![person]), from: Some(bounds[6]), ..everybody() };
        let found = list(&rig, &filter).await;
        assert!(found.iter().all(|session| session.person == person && session.start >= bounds[6]));
    }
    let paths = SessionFilter { entry_pathname: all[0].text("entry_pathname").map(str::to_owned), ..everybody() };
    let expected: Vec<_> =
        all.iter().filter(|s| s.text("entry_pathname") == paths.entry_pathname.as_deref()).cloned().collect();
    assert_eq!(list(&rig, &paths).await, expected);
    let humans = list(&rig, &SessionFilter::default()).await;
    let bots = list(&rig, &SessionFilter { visitors: Visitors::Bots, ..SessionFilter::default() }).await;
    assert!(humans.iter().all(|s| s.text("bot_class").is_none()) && bots.iter().all(|s| s.text("bot_class").is_some()));
    assert_eq!(humans.len() + bots.len(), all.len());
}

#[tokio::test]
async fn pages_of_sessions_meet_without_gap_in_both_directions() {
    let mut rig = Rig::start().await;
    let events: Vec<_> = (0..60_u32)
        .map(|number| {
            let mut event = event(number, "$pageview", "ada", json!({ "$session_id": format!("s-{number}") }));
            // Groups of four begin at one moment; the groups lie hours, then weeks apart.
            let hours = [0, 1, 5, 30, 200, 800][usize::try_from(number / 10).unwrap()];
            event.timestamp = now() - Duration::from_secs(hours * 3600 + u64::from(number / 4));
            event
        })
        .collect();
    rig.append(&events).await;
    rig.drain().await;
    let filter = everybody();
    let all = list(&rig, &filter).await;
    assert_eq!(all.len(), 60);
    let read =
        async |page: &SessionPage| rig.clickhouse.list_sessions(rig.project, &filter, page, 7, now()).await.unwrap();
    let place = |session: &SessionRecord| tenrec::storage::ch::SessionCursor {
        start: session.start,
        session_id: session.session_id.clone(),
    };
    let (mut down, mut page) = (Vec::new(), SessionPage::Newest);
    loop {
        let slice = read(&page).await;
        down.extend(slice.sessions);
        page = SessionPage::OlderThan(place(down.last().unwrap()));
        if !slice.has_more {
            break;
        }
    }
    assert_eq!(down, all);
    let mut up = vec![all[59].clone()];
    loop {
        let slice = read(&SessionPage::NewerThan(place(&up[0]))).await;
        up.splice(0..0, slice.sessions);
        if !slice.has_more {
            break;
        }
    }
    assert_eq!(up, all);
}

#[tokio::test]
async fn a_merge_gives_the_session_to_the_person_it_became() {
    let mut rig = Rig::start().await;
    let visit = json!({ "$session_id": "s", "$process_person_profile": false });
    rig.append(&[event(1, "$pageview", "anon", visit)]).await;
    rig.drain().await;
    let before = list(&rig, &everybody()).await.remove(0);
    assert!(!before.person.has_profile());
    rig.append(&[event(2, "$identify", "ada", json!({ "$anon_distinct_id": "anon" }))]).await;
    rig.drain().await;
    let after = list(&rig, &everybody()).await.remove(0);
    assert_eq!((after.person.has_profile(), after.event_count), (true, 1));
    let theirs = SessionFilter { persons: Some(vec![before.person, after.person]), ..everybody() };
    assert_eq!(list(&rig, &theirs).await.len(), 1);
    assert_eq!(list(&rig, &SessionFilter { persons: Some(Vec::new()), ..everybody() }).await, []);
}

#[tokio::test]
async fn a_lost_answer_counts_nothing_twice_and_a_refused_session_costs_only_itself() {
    let mut rig = Rig::start().await;
    rig.max_events = 4;
    rig.proxy.drop_answers_of("sessions", 3);
    let visit = |number: u32, session: &str| event(number, "$pageview", "ada", json!({ "$session_id": session }));
    for number in 0..16 {
        rig.append(&[visit(number, ["s", "t"][number as usize % 2])]).await;
    }
    let status = rig.drain().await;
    assert_eq!((rig.proxy.dropped(), status.stored, status.retries), (3, 16, 3));
    assert_agrees(&rig).await;

    rig.max_events = 1000;
    rig.ch_execute("ALTER TABLE sessions ADD CONSTRAINT no_poison CHECK session_id != 'poison'").await;
    let more: Vec<_> = (16..60).map(|number| visit(number, if number == 30 { "poison" } else { "u" })).collect();
    rig.append(&more).await;
    rig.append(&(60..70).map(|number| visit(number, &format!("v{number}"))).collect::<Vec<_>>()).await;
    let status = rig.drain().await;
    assert_eq!((status.stored, status.warnings.get("session_refused")), (54, Some(&1)));
    let found = list(&rig, &everybody()).await;
    assert_eq!(found.len(), 2 + 1 + 10);
    assert_eq!(found.iter().map(|session| session.event_count).sum::<u64>(), 69);
}

#[tokio::test]
async fn what_is_not_stored_is_in_no_session() {
    let mut rig = Rig::start().await;
    rig.ch_execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK event != 'poison'").await;
    let mut events: Vec<_> = (0..20)
        .map(|number| {
            let properties =
                object(json!({ "$session_id": "s", "$current_url": format!("https://shop.example/{number}") })).into();
            AcceptedEvent { properties, ..event(number, "$pageview", "ada", json!({})) }
        })
        .collect();
    events[7].event = "poison".to_owned();
    events.push(AcceptedEvent { project_id: ProjectId::new(99), uuid: uuid::Uuid::nil(), ..events[0].clone() });
    rig.append(&events).await;
    rig.drain().await;
    assert_agrees(&rig).await;
    let session = list(&rig, &everybody()).await.remove(0);
    assert_eq!((session.event_count, session.unique_url_count), (19, 19));
    assert_eq!(rig.count("SELECT uniqExact(project_id) FROM sessions").await, 1);
}
