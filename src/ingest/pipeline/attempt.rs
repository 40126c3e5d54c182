//! One try to store a part of a batch, from the look-up to the count.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::duplicates::{find_stored, key};
use super::insert::{InsertError, blocks, insert};
use super::step::{Failure, Step, in_clickhouse, in_postgres, outside};
use super::steps::Work;
use crate::identity::{Held, Identity, IdentityError, Resolved, Subject};
use crate::ingest::sessions::SessionFold;
use crate::ingest::{AcceptedEvent, Rejection};
use crate::model::PersonId;
use crate::storage::ch::EventBlock;
use crate::storage::pg::{PgError, RecentPersons, WrittenPersons};

/// People are held no longer than this for a look-up that takes its time: nobody else can change them meanwhile.
const HELD_AT_MOST: Duration = Duration::from_secs(1);

/// What is known of a part of a batch from one try to the next.
#[derive(Debug)]
pub(super) struct Progress {
    /// For each event; `None` if it was stored by another batch.
    pub resolved: Option<Vec<Option<Resolved>>>,
    /// What that has just written of persons.
    pub written: WrittenPersons,
}

/// What the look-up says of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It is nowhere, and is ours to store.
    Missing,
    /// This batch stored it before, as this person's.
    Stored(PersonId),
    Duplicate,
    LeftOut(Rejection),
}

impl Fate {
    fn is_ours(self) -> bool {
        matches!(self, Self::Missing | Self::Stored(_))
    }
}

impl Work {
    pub(super) async fn attempt<'a>(
        &mut self,
        batch: u64,
        events: &'a [AcceptedEvent],
        progress: &mut Progress,
        fold: &mut SessionFold<'a>,
        shutdown: &CancellationToken,
    ) -> Result<(), Failure> {
        if events.is_empty() {
            return self.mirror(&progress.written).await;
        }
        self.reach(Step::LookUp)?;
        self.fence.enter(shutdown).await.map_err(outside)?;
        let is_resolved = progress.resolved.is_some() || self.is_repeated;
        let asks = self.asks_for_damage();
        let (fates, held) = self.look_up(batch, events, !is_resolved && !asks).await?;
        if asks {
            self.ask_for_damage().await?;
        }
        self.is_begun = true;

        self.reach(Step::Identity)?;
        let is_gap = fates.contains(&Fate::Missing);
        self.replays |= is_gap && self.is_repeated;
        let inserts = is_gap || self.replays;
        // Where nothing is inserted, people are let go of before anybody waits for anything else.
        let held = held.filter(|_| inserts);
        let mut rows = Vec::new();
        if inserts {
            rows = self.resolve(batch, events, &fates, held, progress).await?;
            self.unsettled.get_or_insert_with(|| self.clickhouse.unsettle());
        }

        self.reach(Step::Definitions)?;
        let ours: Vec<_> = match &progress.resolved {
            Some(resolved) => pairs(events, resolved).map(|(event, whose)| (event, Some(whose))).collect(),
            None => of_ours(events, &fates).map(|event| (event, None)).collect(),
        };
        let noted = self.definitions.note(&self.pg, &ours, self.clock.now()).await;
        noted.map_err(in_postgres(Step::Definitions))?;

        let is_mirrored = inserts && self.insert(batch, rows, &progress.written).await?;
        self.fence.leave().await;
        if !is_mirrored {
            self.mirror(&progress.written).await?;
        }
        self.count(events, &fates, progress.resolved.as_deref(), shutdown).await?;
        // The last thing that can go wrong is behind: each event goes in once.
        fold_ours(events, &fates, progress.resolved.as_deref(), fold);
        Ok(())
    }

    /// Says what becomes of each event. Most often none is there yet, so the people of all are read meanwhile, if asked to.
    async fn look_up(
        &mut self,
        batch: u64,
        events: &[AcceptedEvent],
        holds: bool,
    ) -> Result<(Vec<Fate>, Option<Held>), Failure> {
        // Before people are held: nobody waits for a second connection with one in hand.
        if self.left_out.refresh(&self.pg).await.map_err(in_postgres(Step::LookUp))? {
            self.sessions.forget();
            self.recent_persons.forget();
        }
        let found = CancellationToken::new();
        let find = async {
            let stored = find_stored(&self.clickhouse, events).await;
            found.cancel();
            stored
        };
        let (identity, recent) = (&self.identity, &mut self.recent_persons);
        let hold = async { if holds { hold_until(&found, identity, recent, events).await } else { None } };
        let (stored, held) = tokio::join!(find, hold);
        let stored = stored.map_err(in_clickhouse(Step::LookUp))?;
        let left_out = self.left_out.among(events);
        let fate = |event| match (stored.get(&key(event)), left_out.get(&key(event))) {
            (Some(stored), _) if stored.inserted_by == batch => Fate::Stored(stored.person()),
            (Some(_), _) => Fate::Duplicate,
            (None, Some(reason)) => Fate::LeftOut(*reason),
            (None, None) => Fate::Missing,
        };
        Ok((events.iter().map(fate).collect(), held))
    }

    /// Says whose the events are, unless that is known, and gives the missing ones as rows.
    async fn resolve(
        &mut self,
        batch: u64,
        events: &[AcceptedEvent],
        fates: &[Fate],
        held: Option<Held>,
        progress: &mut Progress,
    ) -> Result<Vec<EventBlock>, Failure> {
        if let Some(resolved) = &progress.resolved {
            return Ok(blocks(batch, &missing(events, fates, resolved)));
        }
        // Those stored before a crash too: what a person becomes depends on all of the batch, in order.
        let subjects: Vec<Subject<'_>> = of_ours(events, fates).map(subject).collect();
        let held = match held {
            Some(held) => held,
            None => {
                let held = self.identity.hold(&subjects, &mut self.recent_persons).await;
                held.map_err(in_postgres(Step::Identity))?
            }
        };
        let (resolution, decision) = held.decide(&subjects);
        let mut of_ours = resolution.resolved.into_iter();
        let resolved: Vec<_> = fates.iter().map(|fate| fate.is_ours().then(|| of_ours.next()).flatten()).collect();
        // Postgres writes while we make the rows: a task of its own, for that keeps this one busy.
        let mut storing = JoinSet::new();
        storing.spawn(decision.store());
        let rows = blocks(batch, &missing(events, fates, &resolved));
        let stored = storing.join_next().await.and_then(Result::ok).unwrap_or(Err(PgError::WorkerCrashed));
        stored.map_err(in_postgres(Step::Identity))?;
        self.recent_persons.learn(&resolution.written);
        for (warning, times) in resolution.warnings.into_iter().filter(|_| !self.is_repeated) {
            self.counters.warning(warning.as_str(), times);
        }
        (progress.resolved, progress.written) = (Some(resolved), resolution.written);
        Ok(rows)
    }

    /// Inserts rows; says whether what people became is mirrored too.
    async fn insert(&mut self, batch: u64, rows: Vec<EventBlock>, written: &WrittenPersons) -> Result<bool, Failure> {
        self.reach(Step::Insert)?;
        let dies_before = self.reach(Step::Overrides).is_err();
        let inserted = insert(&mut self.fence, &self.clickhouse, batch, &rows);
        // What people became is certain already. What fails of it here is done in its step.
        let mirror = self.identity.mirror(&self.clickhouse, written);
        let mirrored = async { !dies_before && mirror.await.is_ok() };
        let (inserted, is_mirrored) = tokio::join!(inserted, mirrored);
        inserted.map_err(|error| match error {
            InsertError::Turn(error) => outside(error.into()),
            InsertError::ClickHouse(error) => in_clickhouse(Step::Insert)(error),
        })?;
        Ok(is_mirrored)
    }

    async fn mirror(&self, written: &WrittenPersons) -> Result<(), Failure> {
        self.reach(Step::Overrides)?;
        let passing = |error: IdentityError| Failure::Passing { step: Step::Overrides, error: error.to_string() };
        self.identity.mirror(&self.clickhouse, written).await.map_err(passing)
    }

    /// Counts what became of each event, and keeps those aside that nobody may store.
    async fn count(
        &mut self,
        events: &[AcceptedEvent],
        fates: &[Fate],
        resolved: Option<&[Option<Resolved>]>,
        shutdown: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut dropped = Vec::new();
        for (at, (event, fate)) in events.iter().zip(fates).enumerate() {
            match (resolved.and_then(|resolved| resolved[at].as_ref()), fate) {
                (Some(Resolved::Dropped(reason)), _) => dropped.push((event, reason.as_str())),
                (_, Fate::Missing | Fate::Stored(_)) => self.tally.stored(event),
                (_, Fate::LeftOut(reason)) => self.tally.left_out(event, *reason),
                (_, Fate::Duplicate) => self.tally.duplicate(event),
            }
        }
        let dropped_count = dropped.len();
        for (event, reason) in dropped {
            self.quarantine(event, reason, "", shutdown).await?;
        }
        let count = |is: fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count();
        if self.is_repeated {
            let missing = count(|fate| *fate == Fate::Missing);
            self.counters.restored(missing.saturating_sub(dropped_count));
        } else {
            self.counters.stored(count(|fate| fate.is_ours()) - dropped_count);
            self.counters.duplicates(count(|fate| *fate == Fate::Duplicate));
        }
        Ok(())
    }
}

/// Takes the locks of these events' people and reads them, for as long as the look-up takes, within bounds. What fails is
/// done again by itself, and fails then.
async fn hold_until(
    found: &CancellationToken,
    identity: &Identity,
    recent: &mut RecentPersons,
    events: &[AcceptedEvent],
) -> Option<Held> {
    let subjects: Vec<Subject<'_>> = events.iter().map(subject).collect();
    let held = identity.hold(&subjects, recent).await.ok()?;
    tokio::time::timeout(HELD_AT_MOST, found.cancelled()).await.ok()?;
    Some(held)
}

fn subject(event: &AcceptedEvent) -> Subject<'_> {
    Subject {
        project_id: event.project_id,
        uuid: event.uuid,
        event: &event.event,
        distinct_id: &event.distinct_id,
        timestamp: event.timestamp,
        properties: &event.properties,
    }
}

fn of_ours<'a>(events: &'a [AcceptedEvent], fates: &[Fate]) -> impl Iterator<Item = &'a AcceptedEvent> {
    events.iter().zip(fates).filter(|(_, fate)| fate.is_ours()).map(|(event, _)| event)
}

/// The events that belong to somebody, with whom.
fn pairs<'a, 'r>(
    events: &'a [AcceptedEvent],
    resolved: &'r [Option<Resolved>],
) -> impl Iterator<Item = (&'a AcceptedEvent, &'r Resolved)> {
    events.iter().zip(resolved).filter_map(|(event, resolved)| Some((event, somebody(resolved)?)))
}

/// Those of [`pairs`] that are missing.
fn missing<'a, 'r>(
    events: &'a [AcceptedEvent],
    fates: &[Fate],
    resolved: &'r [Option<Resolved>],
) -> Vec<(&'a AcceptedEvent, &'r Resolved)> {
    let all = events.iter().zip(resolved).zip(fates);
    let missing = all.filter(|(_, fate)| **fate == Fate::Missing);
    missing.filter_map(|((event, resolved), _)| Some((event, somebody(resolved)?))).collect()
}

fn somebody(resolved: &Option<Resolved>) -> Option<&Resolved> {
    resolved.as_ref().filter(|resolved| matches!(resolved, Resolved::Person { .. }))
}

/// Adds to sessions what is ours.
fn fold_ours<'a>(
    events: &'a [AcceptedEvent],
    fates: &[Fate],
    resolved: Option<&[Option<Resolved>]>,
    fold: &mut SessionFold<'a>,
) {
    for (at, (event, fate)) in events.iter().zip(fates).enumerate() {
        match (resolved.map(|resolved| &resolved[at]), fate) {
            (Some(Some(Resolved::Person { id, .. })), Fate::Missing | Fate::Stored(_)) => fold.add(event, *id),
            (None, Fate::Stored(person)) => fold.add(event, *person),
            _ => {}
        }
    }
}
