//! Trends that count events of a name: from counts of quarters of an hour that the store keeps, and just as rows say.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};
use tenrec::model::ProjectId;
use tenrec::storage::ch::{ClickHouse, ErasedRows, ErasedTable, text_hash};

use super::Desk;
use super::random::Chance;

const ROBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
/// What a statement over counts reads.
const COUNTED: &str = "toStartOfFifteenMinutes(events.timestamp)";

/// Zones, each with the first day of eight in which its clocks change, if they do. None shares a day with another.
const PLACES: [(&str, (i16, i8, i8)); 6] = [
    ("UTC", (2026, 9, 1)),
    ("Asia/Kathmandu", (2026, 8, 1)),
    ("Australia/Lord_Howe", (2026, 9, 29)),
    ("Australia/Lord_Howe", (2026, 3, 31)),
    ("Europe/Berlin", (2026, 10, 21)),
    ("America/St_Johns", (2026, 3, 4)),
];

/// Which events are asked about, and whose.
type Fits = fn(&Sent) -> bool;

struct Sent {
    at: Timestamp,
    event: &'static str,
    is_robot: bool,
    who: u64,
}

impl Sent {
    fn by_chance(chance: &mut Chance, from: Timestamp) -> Self {
        let mut at = from + SignedDuration::from_secs(i64::try_from(chance.below(8 * 86_400)).unwrap());
        if chance.below(3) == 0 {
            // On an edge, or just before it.
            at = Timestamp::from_second(at.as_second() / 900 * 900).unwrap();
            at -= SignedDuration::from_micros(i64::try_from(chance.below(2)).unwrap());
        }
        let event = ["visit", "buy", "leave"][usize::try_from(chance.below(3)).unwrap()];
        Self { at, event, is_robot: chance.below(5) == 0, who: chance.below(9) }
    }

    fn json(&self) -> Value {
        let agent = if self.is_robot {
            ROBOT
        } else {
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        };
        json!({ "event": self.event, "distinct_id": format!("u{}", self.who), "timestamp": self.at.to_string(),
            "properties": { "$raw_user_agent": agent } })
    }
}

fn question(series: &Value, days: (&str, &str), more: &Value) -> Value {
    let mut query = json!({ "kind": "TrendsQuery", "series": [series],
        "dateRange": { "date_from": days.0, "date_to": days.1 } });
    more.as_object().unwrap().iter().for_each(|(key, value)| query[key] = value.clone());
    query
}

/// The same of all rows: of an event's properties nothing is counted beforehand.
fn of_rows(query: &Value) -> Value {
    let mut query = query.clone();
    query["properties"] = json!([{ "key": "nobody_sends_this", "type": "event", "operator": "is_not_set" }]);
    query
}

/// Number by day of a line, zeros left out.
fn line(answer: &Value) -> BTreeMap<String, u64> {
    let result = &answer["results"][0];
    if let Some(whole) = result.get("aggregated_value") {
        return BTreeMap::from([(String::new(), whole.as_u64().unwrap())]);
    }
    let mut found = BTreeMap::new();
    for (day, number) in result["days"].as_array().unwrap().iter().zip(result["data"].as_array().unwrap()) {
        *found.entry(day.as_str().unwrap().to_owned()).or_default() += number.as_u64().unwrap();
    }
    found.retain(|_, number| *number > 0);
    found
}

fn is_counted(answer: &Value) -> bool {
    answer["clickhouse"].as_str().unwrap().contains(COUNTED)
}

/// By a plain reading: hours are so many seconds after the day's first moment.
fn expected(sent: &[Sent], zone: &TimeZone, is_hour: bool, fits: Fits) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for event in sent.iter().filter(|event| fits(event)) {
        let day = event.at.to_zoned(zone.clone());
        let name = if is_hour {
            let first = day.start_of_day().unwrap().timestamp();
            let seconds = (event.at.as_second() - first.as_second()) / 3_600 * 3_600;
            let hour = (first + seconds.seconds()).to_zoned(zone.clone());
            hour.strftime("%Y-%m-%d %H:%M:%S").to_string()
        } else {
            day.date().to_string()
        };
        *found.entry(name).or_default() += 1;
    }
    found
}

#[tokio::test]
async fn counts_say_what_rows_say_in_every_zone() {
    let desk = Desk::start().await;
    let action = json!({ "name": "Goes or buys", "steps": [{ "event": "buy" }, { "event": "leave" }] });
    let path = format!("/api/projects/{}/actions/", desk.owner.project);
    let action = desk.app.post_json_with_key(&path, &desk.owner.personal_key, &action).await.json();
    let series: [(Value, Fits); 3] = [
        (json!({ "kind": "EventsNode", "event": "visit" }), |sent| sent.event == "visit"),
        (json!({ "kind": "EventsNode", "event": null }), |_| true),
        (json!({ "kind": "ActionsNode", "id": action["id"] }), |sent| sent.event != "visit"),
    ];
    let mut chance = Chance::new(41);
    for (name, (year, month, day)) in PLACES {
        desk.change_project(&json!({ "timezone": name })).await;
        let zone = TimeZone::get(name).unwrap();
        let first = date(year, month, day);
        let from = first.to_zoned(zone.clone()).unwrap().timestamp();
        let sent: Vec<Sent> = (0..240).map(|_| Sent::by_chance(&mut chance, from)).collect();
        let last = first + 7.days();
        let inside: Vec<Sent> = sent.into_iter().filter(|sent| sent.at >= from).collect();
        for part in inside.chunks(100) {
            desk.send(&part.iter().map(Sent::json).collect::<Vec<_>>().into()).await;
        }
        let days = (first.to_string(), last.to_string());
        let days = (days.0.as_str(), days.1.as_str());
        for (series, fits) in &series {
            for interval in ["hour", "day", "week", "month"] {
                let query = question(series, days, &json!({ "interval": interval, "traffic": "all" }));
                let answer = desk.answer(query.clone()).await;
                assert!(is_counted(&answer), "{query}");
                let rows = desk.answer(of_rows(&query)).await;
                assert!(!is_counted(&rows), "{query}");
                assert_eq!(line(&answer), line(&rows), "{name} {query}");
                if matches!(interval, "hour" | "day") {
                    assert_eq!(line(&answer), expected(&inside, &zone, interval == "hour", *fits), "{name} {query}");
                }
            }
        }
        for traffic in ["humans", "bots"] {
            let number = json!({ "traffic": traffic, "trendsFilter": { "display": "BoldNumber" } });
            let query = question(&series[0].0, days, &number);
            let (answer, rows) = (desk.answer(query.clone()).await, desk.answer(of_rows(&query)).await);
            assert!(is_counted(&answer) && !is_counted(&rows), "{query}");
            assert_eq!(line(&answer), line(&rows), "{name} {query}");
        }
    }
}

/// Five hundred events of one name in four quarters of an hour, of twenty people.
async fn busy(desk: &Desk) -> (u64, Value) {
    let first: Timestamp = "2026-10-05T10:00:00Z".parse().unwrap();
    let events: Vec<Value> = (0..500)
        .map(|n| {
            let at = first + SignedDuration::from_secs(n * 7);
            json!({ "event": "busy", "distinct_id": format!("u{}", n % 20), "timestamp": at.to_string(), "properties": {} })
        })
        .collect();
    for part in events.chunks(125) {
        desk.send(&part.to_vec().into()).await;
    }
    let series = json!({ "kind": "EventsNode", "event": "busy" });
    (500, question(&series, ("2026-10-01", "2026-10-10"), &json!({ "interval": "day", "traffic": "all" })))
}

async fn change(desk: &Desk, sql: &str) {
    desk.app.ch_execute(sql).await;
}

/// How many there are of the question's events, by counts and by rows, which must be the same; and how many rows that took.
async fn both(desk: &Desk, query: &Value) -> (u64, u64) {
    let (answer, rows) = (desk.answer(query.clone()).await, desk.answer(of_rows(query)).await);
    assert!(is_counted(&answer));
    assert_eq!(line(&answer), line(&rows));
    (line(&answer).values().sum(), answer["rows_read"].as_u64().unwrap())
}

#[tokio::test]
async fn counts_are_read_and_not_rows() {
    let desk = Desk::start().await;
    let (sent, query) = busy(&desk).await;
    let (found, read) = both(&desk, &query).await;
    assert_eq!(found, sent);
    assert!(read <= 16, "{read} rows were read for four quarters of an hour, in four parts at most");
    let number = of_number(&query);
    let (found, read) = both(&desk, &number).await;
    assert!(found == sent && read <= 16, "{found} {read}");

    // A range that ends in between, or buckets that are less.
    for (from, interval) in [("2026-10-05T10:07:00Z", "day"), ("2026-10-05", "minute")] {
        let mut query = query.clone();
        query["interval"] = interval.into();
        query["dateRange"] = json!({ "date_from": from, "date_to": "2026-10-05", "explicitDate": true });
        let answer = desk.answer(query).await;
        assert!(!is_counted(&answer));
        assert_eq!(line(&answer).values().sum::<u64>(), if interval == "day" { 440 } else { sent });
    }
}

fn of_number(query: &Value) -> Value {
    let mut query = query.clone();
    query["trendsFilter"] = json!({ "display": "BoldNumber" });
    query
}

/// Waits until ClickHouse has changed its parts as it was asked to.
async fn mutated(ch: &ClickHouse) {
    let last = ch.last_mutations().await.unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while !ch.are_mutations_done(&last).await.unwrap() {
        assert!(tokio::time::Instant::now() < end, "it takes too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Has ClickHouse forget deletes that are done, which it does once their old parts are gone.
async fn forgotten(desk: &Desk) {
    let ch = &desk.app.state().ch;
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    let deletes =
        "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND command LIKE '%_row_exists%'";
    while desk.app.ch_count(deletes).await > 0 {
        assert!(tokio::time::Instant::now() < end, "it takes too long");
        ch.forget_deletes_done().await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn what_is_erased_is_not_counted_at_once_and_later() {
    let desk = Desk::start().await;
    let (sent, query) = busy(&desk).await;
    let ch = &desk.app.state().ch;
    let ids = [text_hash("u3"), text_hash("u7")];
    let rows = ErasedRows {
        project: ProjectId::new(i32::try_from(desk.owner.project).unwrap()),
        numbers: &[],
        distinct_ids: &ids,
        sessions: &[],
        until: "2026-11-30T00:00:00Z".parse().unwrap(),
    };
    assert_eq!(both(&desk, &query).await.0, sent);
    // Nothing is changed in parts while these are merged: the counts they bring along are not asked.
    change(&desk, "SYSTEM STOP MERGES events").await;
    ch.hide_rows(ErasedTable::Events, &[rows]).await.unwrap();
    let left = sent - 50;
    let (found, read) = both(&desk, &query).await;
    assert!(found == left && read > 16, "{found} {read}");
    change(&desk, "SYSTEM START MERGES events").await;
    mutated(ch).await;
    // The old parts are there for eight minutes, and with them the delete: one of them may be needed after a loss of power.
    ch.forget_deletes_done().await.unwrap();
    let (found, read) = both(&desk, &query).await;
    assert!(found == left && read > 16, "{found} {read}");
    desk.app.hurry_old_parts().await;
    forgotten(&desk).await;
    let (found, read) = both(&desk, &query).await;
    assert!(found == left && read <= 16, "{found} {read}");
    ch.apply_deletes(ErasedTable::Events).await.unwrap();
    mutated(ch).await;
    forgotten(&desk).await;
    let (found, read) = both(&desk, &query).await;
    assert!(found == left && read <= 16, "{found} {read}");
    change(&desk, "OPTIMIZE TABLE events FINAL").await;
    let (found, read) = both(&desk, &query).await;
    assert!(found == left && read <= 4, "{found} {read}");

    // And all of them: a part without a row has no counts.
    let all: Vec<u64> = (0..20).map(|n| text_hash(&format!("u{n}"))).collect();
    ch.hide_rows(ErasedTable::Events, &[ErasedRows { distinct_ids: &all, ..rows }]).await.unwrap();
    assert_eq!(both(&desk, &query).await.0, 0);
    mutated(ch).await;
    assert_eq!(both(&desk, &query).await.0, 0);
}

#[tokio::test]
async fn a_row_that_is_there_twice_counts_as_the_rows_do_before_and_after_it_is_merged_away() {
    let desk = Desk::start().await;
    let (sent, query) = busy(&desk).await;
    change(&desk, "OPTIMIZE TABLE events FINAL").await;
    change(&desk, "SYSTEM STOP MERGES events").await;
    change(&desk, "INSERT INTO events SELECT * FROM events WHERE distinct_id = 'u5'").await;
    assert_eq!(both(&desk, &query).await.0, sent + 25);
    change(&desk, "SYSTEM START MERGES events").await;
    change(&desk, "OPTIMIZE TABLE events FINAL").await;
    let (found, read) = both(&desk, &query).await;
    assert!(found == sent && read <= 4, "{found} {read}");
}

#[tokio::test]
async fn parts_without_counts_are_read_and_get_theirs() {
    let desk = Desk::start().await;
    let (sent, query) = busy(&desk).await;
    let ch = &desk.app.state().ch;
    assert_eq!(ch.complete_quarter_hours().await.unwrap(), 0);
    change(&desk, "ALTER TABLE events CLEAR PROJECTION quarter_hours SETTINGS mutations_sync = 2").await;
    let series =
        json!({ "event": "busy", "distinct_id": "new", "timestamp": "2026-10-05T12:00:00Z", "properties": {} });
    desk.send(&json!([series])).await;
    let (found, read) = both(&desk, &query).await;
    assert_eq!(found, sent + 1);
    assert!(read > 500, "{read}");

    assert!(ch.complete_quarter_hours().await.unwrap() > 0);
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while ch.complete_quarter_hours().await.unwrap() > 0 {
        assert!(tokio::time::Instant::now() < end, "it takes too long");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (found, read) = both(&desk, &query).await;
    assert!(found == sent + 1 && read <= 20, "{found} {read}");
}

#[tokio::test]
async fn damaged_counts_are_left_out() {
    let desk = Desk::start().await;
    let (sent, query) = busy(&desk).await;
    change(&desk, "OPTIMIZE TABLE events FINAL").await;
    let parts =
        "SELECT path FROM system.projection_parts WHERE database = currentDatabase() AND table = 'events' AND active";
    let parts = desk.app.ch_rows(parts).await;
    assert!(!parts.is_empty());
    for part in parts {
        let path = format!("{}/data.bin", part["path"].as_str().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes.iter_mut().for_each(|byte| *byte = 0);
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(both(&desk, &query).await.0, sent);
}
