use std::sync::atomic::AtomicUsize;

use futures_util::future::BoxFuture;
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::Notify;

use super::*;
use crate::insights::running::StatusState;

fn limits() -> RunningLimits {
    let queue =
        QueueLimits { places: 8, places_per_project: 4, waiting_per_project: 20, patience: Duration::from_secs(10) };
    RunningLimits { cache_bytes: 1 << 20, queue }
}

/// What runs, over stores that nobody asks.
fn running(limits: RunningLimits) -> (Running, Clock) {
    let clock = Clock::frozen("2026-11-21T12:00:00Z".parse().expect("a time"));
    let ch = ClickHouse::new(&"http://127.0.0.1:1/none".parse().expect("an address"));
    let pg = Pg::new(sqlx::postgres::PgConnectOptions::new(), 1);
    let running = Running::new((ch, pg, clock.clone()), TaskTracker::new(), CancellationToken::new(), limits);
    (running, clock)
}

fn asking(question: u32) -> Asking {
    let project = Project {
        id: ProjectId::new(7),
        organization_id: crate::model::OrganizationId::new(uuid::Uuid::nil()),
        name: "Shop".to_owned(),
        api_key: "phc_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG".parse().expect("a key"),
        time_zone: crate::model::TimeZoneName::utc(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let key = QueryKey::of("test", &project, &ProjectSettings::default(), &json!(question));
    Asking { project: project.id, key, lane: Lane::Page, void_before: None }
}

fn ran(value: usize) -> Ran<usize> {
    Ran { value, bytes: 8, fresh_for: Duration::from_secs(10) }
}

/// Counts how often it was run, and how many of the runs came to their end.
#[derive(Clone, Default)]
struct Work {
    begun: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    go_on: Arc<Notify>,
}

impl Work {
    fn at_once(&self) -> impl FnOnce() -> std::future::Ready<Result<Ran<usize>, InsightError>> + Send + 'static {
        let begun = Arc::clone(&self.begun);
        move || std::future::ready(Ok(ran(begun.fetch_add(1, Ordering::SeqCst) + 1)))
    }

    fn when_told(&self) -> impl FnOnce() -> BoxFuture<'static, Result<Ran<usize>, InsightError>> + Send + 'static {
        let work = self.clone();
        move || {
            let number = work.begun.fetch_add(1, Ordering::SeqCst) + 1;
            Box::pin(async move {
                work.go_on.notified().await;
                work.ended.fetch_add(1, Ordering::SeqCst);
                Ok(ran(number))
            })
        }
    }

    async fn has_begun(&self, times: usize) {
        until(|| self.begun.load(Ordering::SeqCst) >= times).await;
    }
}

/// Lets others run until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never was");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_is_used_again_while_it_is_fresh() {
    let (running, clock) = running(limits());
    let work = Work::default();
    let ask = async |must_be_new| {
        let answered = running.ask(&asking(1), must_be_new, work.at_once()).await.expect("an answer");
        (*answered.value::<usize>(), answered.is_cached())
    };
    assert_eq!((ask(false).await, ask(false).await), ((1, false), (1, true)));
    assert_eq!((ask(true).await, ask(false).await), ((2, false), (2, true)));
    clock.advance(Duration::from_secs(9));
    assert_eq!(ask(false).await, (2, true));
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(false).await, (3, false));
    running.forget(asking(1).project);
    assert_eq!(ask(false).await, (4, false));
}

#[tokio::test]
async fn an_answer_from_before_an_erasure_is_never_used() {
    let (running, clock) = running(limits());
    let work = Work::default();
    running.ask(&asking(1), false, work.at_once()).await.expect("an answer");
    let after = Asking { void_before: Some(clock.now()), ..asking(1) };
    for wish in [Wish::ForceCache, Wish::LazyAsync] {
        let reply = running.ask_as(&after, wish, "a", work.at_once()).await.expect("a reply");
        assert!(matches!(reply, Reply::Missing | Reply::Pending(_)), "{reply:?}");
    }
}

#[tokio::test]
async fn nothing_is_kept_without_a_cache_or_from_a_failure() {
    let (running, _) = running(RunningLimits { cache_bytes: 0, ..limits() });
    let work = Work::default();
    for number in 1..3 {
        let answered = running.ask(&asking(1), false, work.at_once()).await.expect("an answer");
        assert_eq!((*answered.value::<usize>(), answered.is_cached()), (number, false));
    }
    let (running, _) = self::running(limits());
    let failing = || std::future::ready(Err::<Ran<usize>, _>(InsightError::TooSlow));
    assert!(matches!(running.ask(&asking(1), false, failing).await, Err(InsightError::TooSlow)));
    assert!(running.ask(&asking(1), false, work.at_once()).await.is_ok_and(|answered| !answered.is_cached()));
}

#[tokio::test]
async fn who_asks_the_same_waits_for_the_same_run() {
    let (running, _) = running(limits());
    let work = Work::default();
    let question = asking(1);
    let (one, two, three) = tokio::join!(
        running.ask(&question, false, work.when_told()),
        running.ask(&question, false, work.when_told()),
        async {
            work.has_begun(1).await;
            // New is what was begun after it was asked for: this one is not.
            let forced = running.ask(&question, true, work.when_told());
            let told = async {
                work.has_begun(2).await;
                work.go_on.notify_waiters();
            };
            tokio::join!(forced, told).0
        },
    );
    let value = |answered: Result<Answered, InsightError>| *answered.expect("an answer").value::<usize>();
    assert_eq!((value(one), value(two), value(three)), (1, 1, 2));
    assert_eq!(running.0.flights.len(), 0);
    let kept = running.ask(&question, false, work.at_once()).await;
    assert_eq!(value(kept), 2, "the one that was asked later is kept");
}

#[tokio::test]
async fn a_run_ends_with_the_last_who_waits_for_it() {
    let (running, _) = running(limits());
    let work = Work::default();
    let question = asking(1);
    let mut one = Box::pin(running.ask(&question, false, work.when_told()));
    let mut two = Box::pin(running.ask(&question, false, work.when_told()));
    for ask in [&mut one, &mut two] {
        let begun = async {
            work.has_begun(1).await;
            tokio::task::yield_now().await;
        };
        tokio::select! {
            _ = ask.as_mut() => panic!("nobody told it to go on"),
            () = begun => {}
        }
    }
    drop(one);
    tokio::task::yield_now().await;
    assert_eq!((running.0.flights.len(), running.queue().load()), (1, (1, 0)));
    drop(two);
    until(|| running.queue().load() == (0, 0)).await;
    assert_eq!((running.0.flights.len(), work.ended.load(Ordering::SeqCst)), (0, 0));
    assert!(running.find(&question, false).is_none(), "nothing came of it");
}

#[tokio::test]
async fn a_run_that_panics_is_an_error_for_who_waits() {
    let (running, _) = running(limits());
    let work = Work::default();
    let panicking = || async { if running_is_real() { panic!("on purpose") } else { Ok(ran(1)) } };
    assert!(matches!(running.ask(&asking(1), false, panicking).await, Err(InsightError::Broken)));
    assert_eq!((running.0.flights.len(), running.queue().load()), (0, (0, 0)));
    assert!(running.ask(&asking(1), false, work.at_once()).await.is_ok());
}

fn running_is_real() -> bool {
    true
}

#[tokio::test]
async fn a_status_says_how_far_an_answer_is() {
    let (running, clock) = running(limits());
    let (work, question) = (Work::default(), asking(1));
    let ask = async |wish, id| running.ask_as(&question, wish, id, work.when_told()).await.expect("a reply");
    let is_running = |status: &QueryStatus| matches!(status.state, StatusState::Running);
    let Reply::Pending(status) = ask(Wish::Async, "mine").await else { panic!("nothing is there yet") };
    assert!(is_running(&status) && running.find_status(question.project, "mine").is_some_and(|s| is_running(&s)));
    let other = ProjectId::new(8);
    assert!(running.find_status(other, "mine").is_none() && !running.cancel(other, "mine"));
    work.has_begun(1).await;
    work.go_on.notify_waiters();
    let done = async |id: &str| {
        let status = || running.find_status(question.project, id).expect("a status");
        until(|| !is_running(&status())).await;
        status()
    };
    let StatusState::Done(answered) = done("mine").await.state else { panic!("an answer") };
    assert_eq!(*answered.value::<usize>(), 1);

    assert!(matches!(ask(Wish::Async, "x").await, Reply::Answer { status: None, .. }), "it is fresh");
    clock.advance(Duration::from_secs(60));
    assert!(matches!(ask(Wish::LazyAsync, "x").await, Reply::Answer { status: None, .. }), "it is there");
    assert!(matches!(ask(Wish::ForceCache, "x").await, Reply::Answer { status: None, .. }));
    for (wish, id) in [(Wish::Async, "two"), (Wish::AsyncExceptOnCacheMiss, "three")] {
        let Reply::Answer { answered, status: Some(status) } = ask(wish, id).await else { panic!("both") };
        assert!(answered.is_cached() && status.id == id);
    }
    work.has_begun(2).await;
    assert!(running.cancel(question.project, "two"));
    assert!(
        matches!(&done("two").await.state, StatusState::Failed(error) if matches!(**error, InsightError::Cancelled))
    );
    assert_eq!(running.0.flights.len(), 1, "three still wants it");
    assert!(running.cancel(question.project, "three"));
    done("three").await;
    until(|| running.queue().load() == (0, 0)).await;
    clock.advance(Duration::from_secs(11 * 60));
    assert!(matches!(ask(Wish::ForceCache, "x").await, Reply::Missing));
    clock.advance(Duration::from_secs(10 * 60));
    assert!(running.find_status(question.project, "mine").is_none(), "it is forgotten");
}

#[tokio::test]
async fn a_question_is_cancelled_by_its_name() {
    let (running, _) = running(limits());
    let (work, question) = (Work::default(), asking(1));
    let ask = running.ask_as(&question, Wish::Blocking, "mine", work.when_told());
    let cancel = async {
        work.has_begun(1).await;
        assert!(!running.cancel(question.project, "yours"));
        assert!(running.cancel(question.project, "mine"));
    };
    let (reply, ()) = tokio::join!(ask, cancel);
    assert!(matches!(reply, Err(InsightError::Cancelled)));
    assert!(running.0.waits.lock().expect("no panic").is_empty() && !running.cancel(question.project, "mine"));
}

proptest! {
    /// However many ask, whatever they ask: each gets the answer to their question, and nothing is left over.
    #[test]
    fn everybody_gets_their_own_answer(questions in prop::collection::vec((0_u32..4, any::<bool>()), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("threads");
        runtime.block_on(async {
            let (running, _) = running(limits());
            let asked = questions.into_iter().map(|(question, must_be_new)| {
                let running = running.clone();
                async move {
                    let make = move || async move {
                        tokio::task::yield_now().await;
                        Ok(ran(question as usize))
                    };
                    let answered = running.ask(&asking(question), must_be_new, make).await;
                    (question as usize, answered.map(|answered| *answered.value::<usize>()))
                }
            });
            for (question, answer) in futures_util::future::join_all(asked).await {
                // Four places, twenty who wait: those beyond are told.
                prop_assert!(matches!(answer, Ok(value) if value == question) || matches!(answer, Err(InsightError::Busy(_))));
            }
            // The last run tells its answer a moment before it leaves its place.
            until(|| running.queue().load() == (0, 0)).await;
            prop_assert_eq!(running.0.flights.len(), 0);
            Ok(())
        })?;
    }
}
