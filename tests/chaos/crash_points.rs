//! R4: killed at every single touch of the disk.
//!
//! Random kills miss what happens between two calls that follow each other at once. So a script is run once and its touches
//! of the disk are counted; then it is run again for each of them, and killed right there. What follows is a start on what
//! is left, the sender's retry of all of it, and the judge.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::drivers::{Load, Target};
use crate::oracle::{Event, Fate, Oracle};
use crate::plan::{by_size, seed};
use crate::rng::Rng;
use crate::traced::Traced;
use crate::tracer::{Filter, Touch, Trace};
use crate::wire::Form;
use crate::world::{ENGINE, World, signal};

/// What is promised is stored within this time; only a test that hangs gets there.
const STORED_WITHIN: Duration = Duration::from_secs(60);
/// About so often Tenrec touches files before it serves.
const TOUCHES_OF_A_START: usize = 16;

/// A world that is ended and started again and again. What a life left is judged in the next one, when nothing of it is
/// under way any more.
struct Lives {
    world: World,
    unjudged: Option<Oracle>,
    events: u64,
}

impl Lives {
    async fn begin(variables: &[(&str, String)]) -> Self {
        let world = World::start_with(variables).await;
        // A merge would hide what is there twice.
        world.stores().set_merges(false).await;
        Self { world, unjudged: None, events: 0 }
    }

    /// Ends the life in order, with all stored that this oracle was promised.
    async fn end(&mut self, oracle: Oracle) {
        let stores = self.world.stores();
        let sql = format!("SELECT uniqExact(uuid) FROM events WHERE startsWith(distinct_id, '{}')", oracle.prefix());
        let promised = oracle.count(Fate::Promised) as u64;
        let asked = Instant::now();
        loop {
            let stored = stores.ch.query_raw(&sql).fetch_one::<u64>().await;
            if matches!(stored, Ok(stored) if stored >= promised) {
                break;
            }
            assert!(asked.elapsed() < STORED_WITHIN, "of {promised} promised events there are {stored:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.world.stop();
        self.unjudged = Some(oracle);
    }

    /// Begins the next life, and judges the last.
    async fn next(&mut self) {
        self.world.restart().await;
        if let Some(oracle) = self.unjudged.take() {
            self.events += self.world.stores().judge(&oracle).await;
        }
    }

    /// All that was judged is still there once.
    async fn conclude(mut self) {
        self.next().await;
        assert_eq!(self.world.stores().count_events().await, self.events, "rows of all lives");
    }
}

/// Sends events once; gives whether they were accepted. What was promised is told to the oracle.
async fn send(base: &str, oracle: &Oracle, form: Form, events: &[Event]) -> bool {
    let target = Target::default();
    target.set(base);
    Load::send_once(&target, oracle, events, form).await.is_some_and(|(status, _)| status.is_success())
}

/// So many of the numbers from 1 to `last`, evenly.
fn chosen(last: usize, count: usize) -> Vec<usize> {
    let count = count.clamp(1, last);
    (0..count).map(|at| 1 + at * last / count).collect()
}

/// Where a life ended, for messages.
fn end_of(kill_at: Option<usize>, touches: &[Touch]) -> String {
    match touches.last() {
        Some(last) if kill_at == Some(touches.len()) => format!("killed at {}: {}", touches.len(), last.describe()),
        _ => format!("ended after {} touches", touches.len()),
    }
}

/// How many of the chosen points were reached, which must be nearly all: two runs never touch quite the same.
fn conclude(name: &str, touches: usize, tried: usize, reached: usize) {
    println!("R4 {name}: {touches} touches, killed at {reached} of {tried} chosen ones");
    assert!(10 * reached >= 8 * tried, "only {reached} of {tried} points were reached");
}

/// Requests, sent one after the other; a pause lets the pipeline begin another batch.
struct Script {
    requests: Vec<(Form, Vec<Event>)>,
    /// Goes to the quarantine.
    refused: Event,
    /// Of the refused event.
    aside: Oracle,
}

impl Script {
    fn new(oracle: &Oracle) -> Self {
        let large = |count: usize| (0..count).map(|_| large(oracle)).collect();
        let requests = vec![
            (Form::Single, oracle.issue(1)),
            (Form::V1, oracle.issue(3)),
            (Form::BatchGzip, large(2)),
            (Form::Batch, large(2)),
            (Form::Lz64, oracle.issue(5)),
            (Form::Base64Form, oracle.issue(2)),
        ];
        let aside = Oracle::new("aside", oracle.fork_rng());
        let refused = aside.issue_with(|event| {
            event.name = "$identify".to_owned();
            event.properties.insert("$process_person_profile".to_owned(), false.into());
        });
        Self { requests, refused, aside }
    }

    /// Sends it all, or as much as the server lives to hear.
    async fn play(&self, base: &str, oracle: &Oracle) {
        for (at, (form, events)) in self.requests.iter().enumerate() {
            if !send(base, oracle, *form, events).await {
                return;
            }
            if at == 2 && !send(base, &self.aside, Form::Track, std::slice::from_ref(&self.refused)).await {
                return;
            }
            if at == 1 || at == 3 {
                tokio::time::sleep(Duration::from_millis(550)).await;
            }
        }
    }

    /// Sends everything until it is accepted, answered before or not: a sender may have missed the answer.
    async fn play_again(&self, target: &Target, oracle: &Oracle) {
        for (form, events) in &self.requests {
            Load::send(target, oracle, events, *form).await.assert_no_errors();
        }
        let refused = std::slice::from_ref(&self.refused);
        Load::send(target, &self.aside, refused, Form::Track).await.assert_no_errors();
    }
}

/// An event that takes a good part of a small segment, also packed.
fn large(oracle: &Oracle) -> Event {
    oracle.issue_with(|event| {
        let mut rng = Rng::new(event.uuid.as_u64_pair().0);
        for part in 0..4 {
            let noise: String = (0..1200).map(|_| format!("{:016x}", rng.next())).collect();
            event.properties.insert(format!("part {part}"), json!(noise));
        }
    })
}

fn below(dir: &Path) -> Filter {
    let dir = dir.to_owned();
    Box::new(move |touch| touch.path.starts_with(&dir))
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_tenrec_killed_before_any_touch_of_its_files_loses_and_doubles_nothing() {
    // A small spool has small segments: the script fills more than one, and what is stored is removed at once.
    let variables = [("TENREC_SPOOL_MAX_MB", "1".to_owned()), ("TENREC_SPOOL_KEEP_MINUTES", "0".to_owned())];
    let mut lives = Lives::begin(&variables).await;
    lives.end(Oracle::new("own-first", Rng::of(seed(), "own-first"))).await;
    let touches = own_life(&mut lives, "own-undisturbed", None).await;
    assert!(touches.len() > 40, "the script touches few files: {touches:?}");
    let points = chosen(touches.len(), by_size(12, 60, touches.len()));
    let mut reached = 0;
    for point in &points {
        let life = own_life(&mut lives, &format!("own-{point}"), Some(*point)).await;
        reached += usize::from(life.len() == *point);
    }
    lives.conclude().await;
    conclude("Tenrec", touches.len(), points.len(), reached);
}

/// A life that ends at a point, or in order; and the next one, in which all must be well.
async fn own_life(lives: &mut Lives, name: &str, kill_at: Option<usize>) -> Vec<Touch> {
    let dir = lives.world.dir.clone();
    // All of it is stored. Without it the first segment, cursor and node are made again.
    fs::remove_dir_all(dir.join("spool")).unwrap();
    let oracle = Oracle::new(name, Rng::of(seed(), name));
    let script = Script::new(&oracle);
    let mut life = Traced::start(&lives.world, below(&dir), kill_at);
    if let Some(base) = life.address() {
        script.play(&base, &oracle).await;
    }
    let touches = life.end();
    println!("{name} {}", end_of(kill_at, &touches));
    if let Some(point) = kill_at {
        // And killed again while it starts again, at another place each time.
        let kill_at = Some(1 + point % TOUCHES_OF_A_START);
        let mut life = Traced::start(&lives.world, below(&dir), kill_at);
        life.address();
        println!("{name} again {}", end_of(kill_at, &life.end()));
    }
    lives.next().await;
    script.play_again(&lives.world.target, &oracle).await;
    lives.end(oracle).await;
    let files = fs::read_dir(dir.join("quarantine")).unwrap();
    let mut kept = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let refused = script.refused.uuid.to_string();
    assert!(kept.any(|text| text.contains(&refused)), "the quarantine lacks {refused}");
    touches
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_the_engine_killed_before_any_touch_of_its_data_loses_and_doubles_nothing() {
    let mut lives = Lives::begin(&[]).await;
    lives.end(Oracle::new("engine-first", Rng::of(seed(), "engine-first"))).await;
    let touches = engine_life(&mut lives, "engine-undisturbed", None, false).await;
    assert!(touches.len() > 40, "an insert touches few files: {touches:?}");
    let points = chosen(touches.len(), by_size(16, 60, touches.len()));
    let mut reached = 0;
    for (at, point) in points.iter().enumerate() {
        // By turns with Tenrec alive, and dead at the same moment: then nobody remembers what was under way.
        let with_tenrec = at % 2 == 1;
        let life = engine_life(&mut lives, &format!("engine-{point}"), Some(*point), with_tenrec).await;
        reached += usize::from(life.len() == *point);
    }
    lives.conclude().await;
    conclude("engine", touches.len(), points.len(), reached);
}

/// A life of Tenrec in which the engine ends at a point of three inserts.
async fn engine_life(lives: &mut Lives, name: &str, kill_at: Option<usize>, with_tenrec: bool) -> Vec<Touch> {
    lives.next().await;
    let oracle = Oracle::new(name, Rng::of(seed(), name));
    let world = &mut lives.world;
    let engine = world.child(ENGINE).await;
    let trace = Trace::attach(engine, below(&world.dir.join("clickhouse/store")), kill_at);
    let events = inserts(&oracle);
    assert!(send(&world.target.get(), &oracle, Form::V1, &events).await, "accepted, whatever the engine does");
    let touches = if kill_at.is_none() {
        lives.end(oracle).await;
        return trace.touches();
    } else {
        let sent = Instant::now();
        while !trace.has_ended() && sent.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if with_tenrec {
            world.kill();
        }
        signal(engine, Signal::SIGKILL);
        trace.touches()
    };
    println!("{name} {}", end_of(kill_at, &touches));
    if with_tenrec {
        world.restart().await;
    }
    let more = oracle.issue(2);
    assert!(send(&world.target.get(), &oracle, Form::Batch, &more).await, "accepted without the engine");
    Load::send(&world.target, &oracle, &events, Form::V0).await.assert_no_errors();
    lives.end(oracle).await;
    touches
}

/// Events that make three inserts: of two months, and of a person that was nobody before.
fn inserts(oracle: &Oracle) -> Vec<Event> {
    let mut events = oracle.issue(3);
    let ghost = format!("{}a-ghost", oracle.prefix());
    events.push(oracle.issue_with(|event| event.at -= Duration::from_secs(40 * 86_400)));
    events.push(oracle.issue_with(|event| {
        event.name = "seen".to_owned();
        event.distinct_id.clone_from(&ghost);
        event.properties.retain(|key, _| !key.starts_with('$'));
        event.properties.insert("$process_person_profile".to_owned(), false.into());
    }));
    events.push(oracle.issue_with(|event| {
        event.name = "$identify".to_owned();
        event.distinct_id = format!("{}known", oracle.prefix());
        event.properties.retain(|key, _| !key.starts_with('$'));
        event.properties.insert("$anon_distinct_id".to_owned(), ghost.into());
    }));
    events
}
