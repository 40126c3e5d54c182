//! R8: one bad event among a hundred good ones, of every kind that breaks a parser or a store.
//!
//! - What can be mended is stored, and the rest of its event with it.
//! - What is no event is refused by name.
//! - What only ClickHouse refuses (here by a constraint) goes to the quarantine, alone.
//!
//! The neighbours are stored as they were sent.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use crate::drivers::Load;
use crate::oracle::{Event, Fate, Oracle};
use crate::plan::{by_size, rounds};
use crate::rng::Rng;
use crate::wire::Form;
use crate::world::World;

const BATCH: usize = 100;
/// Sent as bytes that are no UTF-8.
pub const NO_UTF_8: char = '\u{e000}';

/// What is wrong with an event, and what must become of it.
#[derive(Debug, Clone)]
enum Bad {
    /// Among its properties: mended.
    Property(String),
    /// Its time: replaced; capture v1 refuses some.
    Time(&'static str),
    /// Its time, by months back: kept.
    MonthsAgo(u64),
    /// Without a name, or a distinct id, or too large: refused.
    NoName,
    NoDistinctId,
    TooLarge,
    /// Refused by ClickHouse alone: put aside.
    Constraint,
}

fn kinds() -> Vec<Bad> {
    let long = "x".repeat(70_000);
    let deep = |levels: usize| format!(r#""odd":{}1{}"#, "[".repeat(levels), "]".repeat(levels));
    let many = (0..1200).map(|n| format!(r#""odd{n}":{n}"#)).collect::<Vec<_>>().join(",");
    let nodes = format!(r#""odd":[{}0]"#, "0,".repeat(3000));
    let properties = [
        r#""odd":"half \ud83d of a pair""#.to_owned(),
        r#""odd":"\udc00","$set_once":{"odd":"\ud800\u0000"}"#.to_owned(),
        r#""odd":"a\u0000b","odd\u0000":1"#.to_owned(),
        r#""odd":NaN"#.to_owned(),
        r#""odd":[Infinity,-Infinity,NaN]"#.to_owned(),
        r#""odd":1e400"#.to_owned(),
        r#""odd":-1e400"#.to_owned(),
        r#""odd":123456789012345678901234567890"#.to_owned(),
        r#""odd":[18446744073709551616,-9223372036854775809]"#.to_owned(),
        r#""odd":1,"odd":{"a":2}"#.to_owned(),
        r#""odd.a":1,"odd":{"a":2}"#.to_owned(),
        r#""odd":{"a":{"b":1},"a.b":2}"#.to_owned(),
        r#""odd":[1,"two",null,{"three":[3]},[[4]]]"#.to_owned(),
        r#""":1,"odd%2Ex":2,"odd.x":3"#.to_owned(),
        r#""$screen_height":"tall","$is_identified":"yes","$browser":{"a":1},"$prev_pageview_duration":[]"#.to_owned(),
        format!(r#""odd":"{NO_UTF_8}""#),
        format!(r#""odd{}":1"#, "k".repeat(300)),
        format!(r#""odd":"{long}""#),
        deep(70),
        deep(200),
        deep(1500),
        many,
        nodes,
    ];
    let times = [
        r#""1800-01-01T00:00:00Z""#,
        r#""9999-12-31T23:59:59Z""#,
        r#""+099999-01-01T00:00:00Z""#,
        r#""no time""#,
        r#""0000-00-00 00:00:00""#,
        "1e400",
        "NaN",
        "-5",
        "{}",
    ];
    let mut kinds: Vec<_> = properties.map(Bad::Property).into();
    kinds.extend(times.map(Bad::Time));
    kinds.extend([Bad::NoName, Bad::NoDistinctId, Bad::TooLarge, Bad::Constraint, Bad::Constraint]);
    kinds.extend([1, 7, 100, 400].map(Bad::MonthsAgo));
    kinds
}

impl Bad {
    fn spoil(&self, event: &mut Event, prefix: &str) {
        match self {
            Self::Property(raw) => event.raw_property = Some(raw.clone()),
            Self::Time(raw) => event.raw_timestamp = Some((*raw).to_owned()),
            Self::MonthsAgo(months) => event.at -= std::time::Duration::from_secs(months * 30 * 86_400),
            Self::NoName => event.name.clear(),
            Self::NoDistinctId => event.distinct_id.clear(),
            Self::TooLarge => event.raw_property = Some(format!(r#""odd":"{}""#, "x".repeat(1 << 20))),
            Self::Constraint => {
                event.name = "poison".to_owned();
                event.distinct_id = format!("{prefix}ghost-poison");
                event.properties.insert("$process_person_profile".to_owned(), false.into());
            }
        }
    }

    fn may_become(&self, fate: Fate, form: Form) -> bool {
        match self {
            Self::NoName | Self::NoDistinctId | Self::TooLarge => fate == Fate::Refused,
            Self::Time(_) if form == Form::V1 => fate != Fate::Unclear,
            _ => fate == Fate::Promised,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r8_a_bad_event_costs_no_other() {
    let world = World::start().await;
    let (stores, kinds, mut rows) = (world.stores(), kinds(), 0);
    stores.execute("ALTER TABLE events ADD CONSTRAINT no_poison CHECK event != 'poison'").await;
    let forms = [Form::BatchGzip, Form::V1, Form::Batch, Form::BrowserGzip, Form::V0, Form::Base64Form, Form::Lz64];
    let mut aside = BTreeSet::new();
    // Each a bad event of every kind; a hundredfold in good ones.
    for mut round in rounds("r8", 1, 3, 250) {
        let oracle = Oracle::new(&round.name, Rng::new(round.rng.next()));
        let (mut expected, mut of_round) = (Vec::new(), Vec::new());
        for (at, kind) in kinds.iter().enumerate() {
            let form = forms[(at + round.number as usize) % forms.len()];
            let mut events = oracle.issue(by_size(BATCH / 2, BATCH, BATCH) - 1);
            let bad = oracle.issue_with(|event| kind.spoil(event, &oracle.prefix()));
            expected.push((kind, form, bad.uuid));
            if matches!(kind, Bad::Constraint) {
                of_round.push(bad.uuid);
            }
            events.insert(usize::try_from(round.rng.below(events.len() as u64)).unwrap(), bad);
            Load::send(&world.target, &oracle, &events, form).await.assert_no_errors();
        }
        let drained = stores.wait_until_quiet(std::slice::from_ref(&world.target), &oracle).await;
        let issued = oracle.issued();
        for (kind, form, uuid) in &expected {
            let fate = issued[uuid].fate;
            assert!(kind.may_become(fate, *form), "{form:?} with {kind:.100?} became {fate:?}");
        }
        let bad = expected.len();
        assert_eq!(
            oracle.count(Fate::Promised) + oracle.count(Fate::Refused),
            issued.len(),
            "every event was answered"
        );
        oracle.put_aside(&of_round);
        aside.extend(of_round);
        rows += stores.judge(&oracle).await;
        assert_eq!(quarantine(&world), aside, "events in the quarantine");
        println!("R8: {} events, {bad} of them bad, {rows} stored; drained in {drained:.1?}", issued.len());
    }
    assert_eq!(stores.count_events().await, rows, "rows of all rounds");
}

/// The uuids of what was put aside.
fn quarantine(world: &World) -> BTreeSet<Uuid> {
    let files = std::fs::read_dir(world.dir.join("quarantine")).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let uuid =
        |line: String| serde_json::from_str::<Value>(&line).unwrap()["event"]["uuid"].as_str().map(str::to_owned);
    lines.map(|line| uuid(line).unwrap().parse().unwrap()).collect()
}
