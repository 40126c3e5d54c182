//! How many steps somebody did, in any order.
//!
//! The newest events that lie within one conversion window are kept, those of each step by themselves. When one falls out of
//! the window, or all steps are done, the steps that were there together are counted; the most that ever were is the answer.
//! What must not happen empties the window.

use std::collections::VecDeque;

use super::chain::Reached;
use super::rules::{MAX_STEPS, Rules, Seen, bits_up};

/// Events within one conversion window.
pub struct Window<'r> {
    rules: &'r Rules,
    /// When the events of each step were.
    times: Vec<VecDeque<i64>>,
    /// How many steps have events.
    pub done: usize,
}

impl<'r> Window<'r> {
    /// An empty one.
    pub fn new(rules: &'r Rules) -> Self {
        Self { rules, times: vec![VecDeque::new(); rules.steps], done: 0 }
    }

    /// The step whose first event is the oldest, and when that was.
    fn oldest(&self) -> Option<(usize, i64)> {
        let firsts = self.times.iter().enumerate().filter_map(|(step, times)| Some((step, *times.front()?)));
        firsts.min_by_key(|(_, at)| *at)
    }

    /// Drops what an event of that moment can no longer stand beside; `before_each` sees the window before each drop, and when
    /// its oldest event was. All is dropped if `is_end`.
    pub fn drop_old(&mut self, now: i64, is_end: bool, mut before_each: impl FnMut(&Self, i64)) {
        while let Some((step, oldest)) = self.oldest() {
            let is_complete = self.done >= self.rules.steps;
            if !is_end && !is_complete && now - oldest <= self.rules.window {
                break;
            }
            before_each(self, oldest);
            self.times[step].pop_front();
            self.done -= usize::from(self.times[step].is_empty());
        }
    }

    /// Adds an event to the step of it that waited longest; or empties the window, if it must not happen.
    pub fn add(&mut self, event: Seen) {
        let steps = self.rules.steps_of(event);
        if steps == 0 {
            if self.rules.excluded_before(event) != 0 {
                self.times.iter_mut().for_each(VecDeque::clear);
                self.done = 0;
            }
            return;
        }
        if event.is_other && self.rules.value_step == Some(self.done) {
            return;
        }
        let waited = bits_up(steps).min_by_key(|step| self.times[*step].back().copied().unwrap_or(i64::MIN));
        let Some(step) = waited else { return };
        self.done += usize::from(self.times[step].is_empty());
        self.times[step].push_back(event.at);
    }

    /// What stands in it: so many steps, and when each of them came.
    fn reached(&self) -> Reached {
        let mut firsts: Vec<i64> = self.times.iter().filter_map(|times| times.front().copied()).collect();
        firsts.sort_unstable();
        let mut times = [0; MAX_STEPS];
        times[..firsts.len()].copy_from_slice(&firsts);
        Reached { steps: (1 << firsts.len()) - 1, times }
    }
}

/// Follows events in order of time; none if nothing was reached.
pub fn follow(rules: &Rules, events: &[Seen]) -> Option<Reached> {
    let mut window = Window::new(rules);
    let mut best: Option<Reached> = None;
    let mut most = 0;
    for event in events {
        window.drop_old(event.at, false, |window, _| {
            if window.done > most {
                most = window.done;
                best = Some(window.reached());
            }
        });
        if most == rules.steps {
            return best;
        }
        window.add(*event);
    }
    if window.done > most { Some(window.reached()) } else { best }
}
