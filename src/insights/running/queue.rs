//! Whose question is next.
//!
//! There are so many places. A project takes one more only while it has fewer than are left free, and never more than its own
//! limit: however much one project asks, there is room for the first question of another, and the more projects ask, the
//! nearer they come to having the same. Within a project people come before programs, and the last place of a project is for
//! people alone. Otherwise whoever came first is first, and projects that wait take turns.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::model::ProjectId;
use crate::telemetry::metrics;

/// How many questions run, and how long the others wait.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    pub places: usize,
    pub places_per_project: usize,
    /// Questions of a project that may wait.
    pub waiting_per_project: usize,
    /// How long one waits at most.
    pub patience: Duration,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A person at a page.
    Page,
    /// A program, over the API.
    Machine,
}

/// There was no place in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// The project's own questions are in the way.
    #[error("as many questions of this project are running as may at once, and this one waited {} for its turn", seconds(*.0))]
    ByProject(Duration),
    /// Those of all projects together are.
    #[error("as many questions are running as Tenrec can answer at once, and this one waited {} for its turn", seconds(*.0))]
    ByAll(Duration),
    /// So many wait already that this one was not let in.
    #[error("{0} questions of this project are waiting for their turn already")]
    TooManyWaiting(usize),
}

fn seconds(wait: Duration) -> String {
    if wait.as_secs() == 1 { "1 second".to_owned() } else { format!("{} seconds", wait.as_secs()) }
}

/// A place for one question. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Place {
    queue: Arc<Inner>,
    project: ProjectId,
}

/// The places, and who waits for one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: QueueLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    projects: HashMap<ProjectId, Line>,
    /// Projects of which somebody waits, the next one first.
    turns: VecDeque<ProjectId>,
}

/// What runs and waits of one project.
#[derive(Debug, Default)]
struct Line {
    running: usize,
    pages: VecDeque<oneshot::Sender<Place>>,
    machines: VecDeque<oneshot::Sender<Place>>,
}

impl Line {
    fn of(&mut self, lane: Lane) -> &mut VecDeque<oneshot::Sender<Place>> {
        match lane {
            Lane::Page => &mut self.pages,
            Lane::Machine => &mut self.machines,
        }
    }

    /// Those who went away wait no more.
    fn waiting(&mut self) -> usize {
        self.pages.retain(|waiting| !waiting.is_closed());
        self.machines.retain(|waiting| !waiting.is_closed());
        self.pages.len() + self.machines.len()
    }

    fn is_full(&self, lane: Lane, limits: &QueueLimits) -> bool {
        let own = match lane {
            Lane::Page => limits.places_per_project,
            Lane::Machine => limits.places_per_project.saturating_sub(1),
        };
        self.running >= own.max(1)
    }
}

impl Queue {
    /// With every place free.
    #[must_use]
    pub fn new(limits: QueueLimits) -> Self {
        Self(Arc::new(Inner { limits, state: Mutex::default() }))
    }

    /// Waits for a place. Dropping the future gives up the turn.
    ///
    /// # Errors
    /// If there is none in time, or too many wait already.
    pub async fn enter(&self, project: ProjectId, lane: Lane) -> Result<Place, Crowded> {
        let limits = &self.0.limits;
        let turn = {
            let mut state = self.0.lock();
            let free = limits.places.saturating_sub(state.running);
            let line = state.projects.entry(project).or_default();
            let waiting = line.waiting();
            let is_first = line.of(lane).is_empty() && (lane == Lane::Page || line.pages.is_empty());
            if is_first && !line.is_full(lane, limits) && line.running < free {
                return Ok(state.take(&self.0, project));
            }
            if waiting >= limits.waiting_per_project {
                return Err(Crowded::TooManyWaiting(waiting));
            }
            let (sender, turn) = oneshot::channel();
            line.of(lane).push_back(sender);
            if waiting == 0 && !state.turns.contains(&project) {
                state.turns.push_back(project);
            }
            turn
        };
        metrics::QUERIES_WAITING.add(1);
        let _counted = OnDrop(|| metrics::QUERIES_WAITING.add(-1));
        match tokio::time::timeout(limits.patience, turn).await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(self.reason(project, lane)),
        }
    }

    /// How many run, and how many wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let mut state = self.0.lock();
        (state.running, state.projects.values_mut().map(Line::waiting).sum())
    }

    fn reason(&self, project: ProjectId, lane: Lane) -> Crowded {
        let limits = &self.0.limits;
        let is_own = self.0.lock().projects.get(&project).is_some_and(|line| line.is_full(lane, limits));
        if is_own { Crowded::ByProject(limits.patience) } else { Crowded::ByAll(limits.patience) }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, queue: &Arc<Inner>, project: ProjectId) -> Place {
        self.running += 1;
        self.projects.entry(project).or_default().running += 1;
        metrics::QUERIES_RUNNING.add(1);
        Place { queue: Arc::clone(queue), project }
    }

    /// Lets in whoever may come now. Places whose taker went in the meantime come back, for they must not be dropped in here.
    fn let_in(&mut self, queue: &Arc<Inner>) -> Vec<Place> {
        let mut unwanted = Vec::new();
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some(project) = self.turns.pop_front() else { break };
            let free = queue.limits.places.saturating_sub(self.running);
            let line = self.projects.entry(project).or_default();
            if line.waiting() == 0 {
                if line.running == 0 {
                    self.projects.remove(&project);
                }
                continue;
            }
            let lane = if line.pages.is_empty() { Lane::Machine } else { Lane::Page };
            let next = if line.is_full(lane, &queue.limits) || line.running >= free {
                None
            } else {
                line.of(lane).pop_front()
            };
            passed_over = if next.is_some() { 0 } else { passed_over + 1 };
            self.turns.push_back(project);
            if let Some(next) = next {
                let place = self.take(queue, project);
                unwanted.extend(next.send(place).err());
            }
        }
        unwanted
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::QUERIES_RUNNING.add(-1);
        let unwanted = {
            let mut state = self.queue.lock();
            state.running -= 1;
            if let Some(line) = state.projects.get_mut(&self.project) {
                line.running -= 1;
            }
            let unwanted = state.let_in(&self.queue);
            if state.projects.get_mut(&self.project).is_some_and(|line| line.running == 0 && line.waiting() == 0) {
                state.projects.remove(&self.project);
            }
            unwanted
        };
        drop(unwanted);
    }
}

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
