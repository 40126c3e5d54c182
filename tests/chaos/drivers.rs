//! SDKs under load: they send in every form, again with the same uuid when they hear nothing, and sometimes twice at once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::oracle::{Event, Oracle};
use crate::rng::Rng;
use crate::wire::Form;

/// Longest wait for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Longest time until an event that is never given up is accepted; only a test that hangs gets there.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(120);

/// Where a server listens now: another port after every start.
#[derive(Clone, Default)]
pub struct Target(Arc<Mutex<String>>);

impl Target {
    pub fn set(&self, url: &str) {
        url.clone_into(&mut self.0.lock().unwrap());
    }

    pub fn get(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// How the load is.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Events a second, all senders together.
    pub rate: u32,
    pub senders: u32,
    /// Most events in one request.
    pub max_batch: u64,
    /// In a hundred requests, how many are sent twice at the same time.
    pub doubled_percent: u64,
    /// In a hundred requests without success, how many are not sent again.
    pub given_up_percent: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { rate: 2500, senders: 12, max_batch: 500, doubled_percent: 5, given_up_percent: 10 }
    }
}

/// How one request went.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub started: Instant,
    pub took: Duration,
    pub events: usize,
    /// None without an answer.
    pub status: Option<u16>,
}

/// Senders at work.
pub struct Load {
    stop: CancellationToken,
    senders: JoinSet<()>,
    shared: Arc<Shared>,
}

struct Shared {
    http: Client<HttpConnector, Full<Bytes>>,
    targets: Vec<Target>,
    oracle: Oracle,
    options: LoadOptions,
    next_start: Mutex<Instant>,
    samples: Mutex<Vec<Sample>>,
    errors: Mutex<Vec<String>>,
}

/// What the senders saw.
#[derive(Debug, Default)]
pub struct Report {
    pub samples: Vec<Sample>,
    /// Requests that were refused as wrong.
    pub errors: Vec<String>,
}

impl Load {
    /// Starts senders. With several targets, what is sent twice goes to two of them.
    pub fn start(targets: &[Target], oracle: &Oracle, options: LoadOptions) -> Self {
        let shared = Arc::new(Shared {
            http: Client::builder(TokioExecutor::new()).build_http(),
            targets: targets.to_vec(),
            oracle: oracle.clone(),
            next_start: Mutex::new(Instant::now()),
            samples: Mutex::default(),
            errors: Mutex::default(),
            options,
        });
        let (stop, mut senders) = (CancellationToken::new(), JoinSet::new());
        for _ in 0..shared.options.senders {
            let (shared, stop, rng) = (Arc::clone(&shared), stop.clone(), oracle.fork_rng());
            senders.spawn(async move { shared.send_until(&stop, rng).await });
        }
        Self { stop, senders, shared }
    }

    /// Sends these events in this form until they are accepted.
    pub async fn send(target: &Target, oracle: &Oracle, events: &[Event], form: Form) -> Report {
        let load = Self::start(
            std::slice::from_ref(target),
            oracle,
            LoadOptions { senders: 0, given_up_percent: 0, ..LoadOptions::default() },
        );
        load.shared.deliver(events, form, target, &mut oracle.fork_rng()).await;
        load.stop().await
    }

    /// Sends these events in this form once; gives the status and the headers of the answer, if there is one.
    pub async fn send_once(
        target: &Target,
        oracle: &Oracle,
        events: &[Event],
        form: Form,
    ) -> Option<(StatusCode, HeaderMap)> {
        let http: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        let request = form.request(&target.get(), events, 1);
        let answer = tokio::time::timeout(ANSWER_WITHIN, async {
            let (head, body) = http.request(request).await.ok()?.into_parts();
            Some((head.status, head.headers, body.collect().await.ok()?.to_bytes()))
        });
        let (status, headers, body) = answer.await.ok().flatten()?;
        let answer = form.read_answer(events, status, &body);
        oracle.promised(&answer.promised);
        oracle.refused(&answer.refused);
        assert!(answer.error.is_none(), "{answer:?}");
        Some((status, headers))
    }

    /// No new events; waits until those under way are accepted or given up.
    pub async fn stop(mut self) -> Report {
        self.stop.cancel();
        while let Some(ended) = self.senders.join_next().await {
            ended.unwrap();
        }
        let samples = std::mem::take(&mut *self.shared.samples.lock().unwrap());
        let errors = std::mem::take(&mut *self.shared.errors.lock().unwrap());
        Report { samples, errors }
    }
}

impl Shared {
    async fn send_until(&self, stop: &CancellationToken, mut rng: Rng) {
        while !stop.is_cancelled() {
            let count = rng.size(self.options.max_batch);
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.pace(count) => {}
            }
            let events = self.oracle.issue(count);
            let (first, second) = (rng.pick(&self.targets).clone(), rng.pick(&self.targets).clone());
            let form = Form::choose(&mut rng, count);
            if rng.percent(self.options.doubled_percent) {
                let (other, mut other_rng) = (Form::choose(&mut rng, count), Rng::new(rng.next()));
                tokio::join!(
                    self.deliver(&events, form, &first, &mut rng),
                    self.deliver(&events, other, &second, &mut other_rng),
                );
            } else {
                self.deliver(&events, form, &first, &mut rng).await;
            }
        }
    }

    /// Waits for this request's turn. What could not be sent while the server was slow is not made up for.
    async fn pace(&self, events: usize) {
        let turn = {
            let mut next = self.next_start.lock().unwrap();
            let turn = (*next).max(Instant::now());
            *next = turn + Duration::from_secs_f64(events as f64 / f64::from(self.options.rate));
            turn
        };
        tokio::time::sleep_until(turn.into()).await;
    }

    /// Sends as an SDK does: the same events again, while there is no answer or an error of the server.
    async fn deliver(&self, events: &[Event], form: Form, target: &Target, rng: &mut Rng) {
        let mut left = events.to_vec();
        let begun = Instant::now();
        for attempt in 1.. {
            let again = self.attempt(&left, form, target, attempt).await;
            if again.is_empty() {
                return;
            }
            left.retain(|event| again.contains(&event.uuid));
            if rng.percent(self.options.given_up_percent) {
                return;
            }
            assert!(begun.elapsed() < ACCEPTED_WITHIN, "{} events were never accepted", left.len());
            tokio::time::sleep(Duration::from_millis(rng.between(20, 150))).await;
        }
    }

    /// Sends once; gives what must be sent again.
    async fn attempt(&self, events: &[Event], form: Form, target: &Target, attempt: u32) -> Vec<Uuid> {
        let request = form.request(&target.get(), events, attempt);
        let started = Instant::now();
        let answer = tokio::time::timeout(ANSWER_WITHIN, async {
            let response = self.http.request(request).await.ok()?;
            let status = response.status();
            Some((status, response.into_body().collect().await.ok()?.to_bytes()))
        });
        let answer = answer.await.ok().flatten();
        let status = answer.as_ref().map(|(status, _)| status.as_u16());
        let sample = Sample { started, took: started.elapsed(), events: events.len(), status };
        self.samples.lock().unwrap().push(sample);
        let Some((status, body)) = answer else { return events.iter().map(|event| event.uuid).collect() };
        let answer = form.read_answer(events, status, &body);
        self.oracle.promised(&answer.promised);
        self.oracle.refused(&answer.refused);
        self.errors.lock().unwrap().extend(answer.error);
        answer.again
    }
}

impl Report {
    /// Events that were answered with success, each a second.
    pub fn events_per_second(&self) -> f64 {
        let ends = self.samples.iter().map(|s| s.started + s.took);
        let (Some(first), Some(last)) = (self.samples.iter().map(|s| s.started).min(), ends.max()) else { return 0.0 };
        let events: usize = self.samples.iter().filter(|s| s.status == Some(200)).map(|s| s.events).sum();
        events as f64 / (last - first).as_secs_f64().max(0.001)
    }

    /// Every request was answered with 200.
    #[track_caller]
    pub fn assert_all_accepted(&self) {
        let other: Vec<_> = self.samples.iter().filter(|s| s.status != Some(200)).collect();
        assert!(other.is_empty(), "{} of {} requests without a 200: {other:?}", other.len(), self.samples.len());
    }

    /// No request was found wrong.
    #[track_caller]
    pub fn assert_no_errors(&self) {
        assert!(self.errors.is_empty(), "{:?}", self.errors);
    }

    /// How long this share of the requests that began in a time took at most.
    pub fn latency(&self, share: f64, when: impl Fn(Instant) -> bool) -> Duration {
        percentile(self.samples.iter().filter(|s| when(s.started)).map(|s| s.took).collect(), share)
    }
}

/// The value that this share of all does not exceed.
pub fn percentile(mut times: Vec<Duration>, share: f64) -> Duration {
    times.sort_unstable();
    let place = (times.len() as f64 * share).ceil() as usize;
    times.get(place.saturating_sub(1)).copied().unwrap_or_default()
}
