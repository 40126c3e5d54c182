//! Power that goes at any moment: what was acknowledged is there afterwards, and nothing that was never sent.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use proptest::prelude::*;

use super::sim::SimDir;
use super::*;

/// One step of a spool's life.
#[derive(Debug, Clone)]
enum Step {
    /// So many senders at once, with so many events each.
    Append {
        senders: u8,
        events: u8,
    },
    /// The pipeline takes a batch; then it has stored it, or is still at it.
    Take {
        events: u8,
        is_stored: bool,
    },
    /// The pipeline reads on while a batch is with the stores.
    ReadAhead {
        events: u8,
    },
    Save,
    /// The keeper looks; before that, time passes.
    Look {
        seconds: u16,
    },
    FailSyncs(u8),
    FailRead,
    /// For the next append only.
    FillDisk,
    Restart,
    /// A store finds damage before the next start.
    Damage,
    /// The power goes after so many steps of the disk.
    CutAfter(u8),
    /// The power goes now.
    Cut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (1..5_u8, 1..4_u8).prop_map(|(senders, events)| Step::Append { senders, events }),
        7 => (1..8_u8, any::<bool>()).prop_map(|(events, is_stored)| Step::Take { events, is_stored }),
        3 => (1..8_u8).prop_map(|events| Step::ReadAhead { events }),
        2 => Just(Step::Save),
        2 => (0..1200_u16).prop_map(|seconds| Step::Look { seconds }),
        1 => (1..3_u8).prop_map(Step::FailSyncs),
        1 => Just(Step::FailRead),
        1 => Just(Step::FillDisk),
        1 => Just(Step::Restart),
        1 => Just(Step::Damage),
        3 => (0..14_u8).prop_map(Step::CutAfter),
        1 => Just(Step::Cut),
    ];
    proptest::collection::vec(step, 1..30)
}

/// What is known from outside.
#[derive(Default)]
struct World {
    sent: u128,
    acknowledged: BTreeSet<u128>,
    stored: BTreeSet<u128>,
    /// What came under each id.
    batches: HashMap<u64, BTreeSet<u128>>,
}

impl World {
    fn check(&mut self, batch: &SpoolBatch) -> Vec<u128> {
        let numbers: Vec<_> = batch.events.iter().map(|e| e.uuid.as_u128()).collect();
        for event in &batch.events {
            assert!((1..=self.sent).contains(&event.uuid.as_u128()), "an invented event");
            assert_eq!(*event, self::event(event.uuid.as_u128()), "an event comes out as it went in");
        }
        let acknowledged: BTreeSet<_> = numbers.iter().copied().filter(|n| self.acknowledged.contains(n)).collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "an event twice in a batch");
        if batch.is_repeated {
            assert!(acknowledged.is_subset(&self.stored), "a repeated batch holds what was stored");
            // Segments of it may be gone.
            if let Some(before) = self.batches.get(&batch.id) {
                assert!(acknowledged.is_subset(before), "a repeated batch is cut as it was");
            }
        } else {
            let before = self.batches.entry(batch.id).or_insert_with(|| acknowledged.clone());
            assert_eq!(*before, acknowledged, "a batch that comes again holds the same events");
        }
        numbers
    }
}

struct Machine {
    disk: SimDir,
    config: SpoolConfig,
    world: World,
}

impl Machine {
    fn new(seed: u64) -> Self {
        let config = SpoolConfig {
            clock: Clock::frozen("2026-11-01T12:00:00Z".parse().expect("a time")),
            keep: Keep { time: Duration::from_secs(900), max_bytes: 4000, damage: String::new() },
            ..SpoolConfig::new("nowhere".into(), 20_000)
        };
        Self { disk: SimDir::new(seed), config, world: World::default() }
    }

    fn open(&self) -> Result<(Spool, SpoolReader), SpoolOpenError> {
        open_on(self.disk.mount(), &self.config, 900)
    }

    /// The spool opens whatever happened; if the power goes meanwhile, then the next time.
    fn open_at_last(&self) -> (Spool, SpoolReader) {
        self.open().unwrap_or_else(|_| {
            self.disk.lose_power();
            self.open().expect("a spool opens after any loss of power")
        })
    }

    async fn step(&mut self, step: &Step, spool: &Spool, reader: &SpoolReader) {
        match *step {
            Step::Append { senders, events } => {
                let count = u128::from(events);
                let batches: Vec<Arrivals> = (0..u128::from(senders))
                    .map(|sender| {
                        (1..=count).map(|n| event(self.world.sent + sender * count + n)).collect::<Vec<_>>().into()
                    })
                    .collect();
                self.world.sent += u128::from(senders) * count;
                let answers = join_all(batches.iter().map(|arrivals| spool.append(arrivals))).await;
                for (arrivals, answer) in batches.iter().zip(answers) {
                    if answer.is_ok() {
                        self.world.acknowledged.extend(arrivals.events.iter().map(|e| e.uuid.as_u128()));
                    }
                }
                self.disk.state().is_full = false;
            }
            Step::Take { events, is_stored } => {
                let limits = BatchLimits { events: events.into(), bytes: usize::MAX };
                let Ok(Some(batch)) = reader.next_or_none(limits).await else { return };
                let numbers = self.world.check(&batch);
                if is_stored {
                    self.world.stored.extend(numbers);
                    reader.stored(batch.last_seq).await.expect("noted");
                }
            }
            Step::ReadAhead { events } => {
                reader.read_ahead(BatchLimits { events: events.into(), bytes: usize::MAX }).await;
            }
            Step::Save => drop(reader.save().await),
            Step::Look { seconds } => {
                self.config.clock.advance(Duration::from_secs(seconds.into()));
                keeper::Keeper::new(&spool.shared, spool.queue.downgrade()).look(&spool.shared);
            }
            Step::FailSyncs(syncs) => {
                self.disk.state().fail_syncs = syncs.into();
            }
            Step::FailRead => self.disk.state().fail_reads = 1,
            Step::FillDisk => {
                self.disk.state().is_full = true;
            }
            Step::Damage => self.config.keep.damage.push('x'),
            Step::CutAfter(steps) => self.disk.cut_after(steps.into()),
            Step::Restart | Step::Cut => {}
        }
    }

    async fn live(mut self, steps: Vec<Step>) {
        let (mut spool, mut reader) = self.open_at_last();
        for step in &steps {
            self.step(step, &spool, &reader).await;
            if matches!(step, Step::Restart | Step::Cut) {
                self.check(&spool);
                if matches!(step, Step::Cut) {
                    self.disk.lose_power();
                }
                close(spool, reader).await;
                // A fuse that burnt has stopped the machine before.
                if self.disk.mount().is_off() {
                    self.disk.lose_power();
                }
                (spool, reader) = self.open_at_last();
            }
        }
        self.disk.lose_power();
        close(spool, reader).await;
        let (spool, reader) = self.open_at_last();
        while let Some(batch) = reader.next_or_none(ALL).await.expect("the disk reads") {
            let numbers = self.world.check(&batch);
            self.world.stored.extend(numbers);
            reader.stored(batch.last_seq).await.expect("noted");
        }
        let lost: Vec<_> = self.world.acknowledged.difference(&self.world.stored).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        self.check(&spool);
        let status = spool.status();
        assert!(!status.is_looking_again && status.is_accepting, "{status:?}");
        close(spool, reader).await;
    }

    fn check(&self, spool: &Spool) {
        let status = spool.status();
        assert!(status.used_bytes <= status.max_bytes + 900, "{status:?}");
        // Damage there may be: a group torn in its middle by the loss of power, which nobody was told is safe.
        assert_eq!(status.missing_segments, 0);
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(2_000, 100_000), ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_outlives_any_loss_of_power(steps in steps(), seed in any::<u64>()) {
        RUNTIME.with(|runtime| runtime.block_on(Machine::new(seed).live(steps)));
    }
}
