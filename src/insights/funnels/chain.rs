//! How far somebody came, step after step.
//!
//! For each step the newest chain of events that leads to it is kept: a later start leaves more of the conversion window. The
//! furthest chain that ever was is the answer, and of equally far ones the first; if something happened after it that must not,
//! the person is left out, unless another chain comes as far.
//!
//! Events of one instant have no order, so the best is assumed: they are taken by their steps, one event is used once, and
//! neither what must not happen nor what lies in between counts among them.

use super::rules::{MAX_STEPS, Rules, Seen, StepOrder, bits_down, bits_up};

/// How far somebody came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The steps that were done, as bits.
    pub steps: u64,
    /// When each was, where its bit is set.
    pub times: [i64; MAX_STEPS],
}

/// Events that lead to a step.
#[derive(Debug, Clone, Copy)]
struct Chain {
    /// When its first step was; none if there is no such chain.
    start: Option<i64>,
    is_excluded: bool,
    steps: u64,
    times: [i64; MAX_STEPS],
    /// Which of the person's events were used.
    events: [u32; MAX_STEPS],
}

const NO_CHAIN: Chain =
    Chain { start: None, is_excluded: false, steps: 0, times: [0; MAX_STEPS], events: [0; MAX_STEPS] };

struct Chains<'r> {
    rules: &'r Rules,
    /// The chain that leads to `n` steps, at `n`. At 0: one that would begin now.
    newest: Vec<Chain>,
    best: (usize, Chain),
}

/// Follows events in order of time; none if nothing was reached, or the person is left out.
pub fn follow(rules: &Rules, events: &[Seen]) -> Option<Reached> {
    // Whatever was before the first step is of no use.
    let first = events.iter().find(|event| event.marks & 1 != 0)?;
    let events = &events[events.partition_point(|event| event.at < first.at)..];
    let mut chains = Chains { rules, newest: vec![NO_CHAIN; rules.steps + 1], best: (0, NO_CHAIN) };
    let mut number = 0;
    for instant in events.chunk_by(|a, b| a.at == b.at) {
        chains.newest[0] = Chain { start: Some(instant[0].at), ..NO_CHAIN };
        if instant.iter().all(|event| event.marks == instant[0].marks) {
            for (event, number) in instant.iter().zip(number..) {
                chains.take(*event, number);
            }
        } else {
            chains.take_together(instant, number);
        }
        number += u32::try_from(instant.len()).unwrap_or(u32::MAX);
        if chains.newest[rules.steps].start.is_some() {
            break;
        }
    }
    let (reached, chain) = chains.best;
    (reached > 0 && !chain.is_excluded).then_some(Reached { steps: chain.steps, times: chain.times })
}

impl Chains<'_> {
    fn take(&mut self, event: Seen, number: u32) {
        for step in bits_down(self.rules.excluded_before(event)) {
            self.exclude(event, step);
        }
        for step in bits_down(self.rules.steps_of(event)) {
            self.extend(event, step, number, false);
        }
        if self.rules.order == StepOrder::Strict {
            for step in 0..self.rules.steps {
                if event.marks & (1 << step) == 0 {
                    self.newest[step + 1] = NO_CHAIN;
                }
            }
        }
    }

    /// Takes events of one instant that are not all the same.
    fn take_together(&mut self, instant: &[Seen], first_number: u32) {
        let is_any = instant.iter().fold(0, |bits, event| bits | event.marks) & self.rules.all_steps();
        for step in bits_up(is_any) {
            for (event, number) in instant.iter().zip(first_number..) {
                if event.marks & (1 << step) != 0 {
                    self.extend(*event, step, number, true);
                }
            }
        }
    }

    /// The place of the chain that an event may follow as a step: the one to the step before, or, if that may be left out, an
    /// earlier one.
    fn before(&self, event: Seen, step: usize) -> Option<usize> {
        let is_open = |at: usize| self.newest[at].start.is_some_and(|start| event.at - start <= self.rules.window);
        let mut at = step;
        while at > 0 && !is_open(at) && self.rules.optional & (1 << (at - 1)) != 0 {
            at -= 1;
        }
        let is_done = self.newest[step + 1].start.is_some() && self.newest[step + 1].start == self.newest[at].start;
        (is_open(at) && !is_done).then_some(at)
    }

    fn exclude(&mut self, event: Seen, step: usize) {
        let Some(at) = self.before(event, step).filter(|at| !self.newest[*at].is_excluded) else { return };
        self.newest[at].is_excluded = true;
        let (reached, best) = &mut self.best;
        if *reached == at && best.start.is_some_and(|start| event.at - start <= self.rules.window) {
            best.is_excluded = true;
        }
    }

    fn extend(&mut self, event: Seen, step: usize, number: u32, is_together: bool) {
        let Some(at) = self.before(event, step).filter(|_| !self.rules.is_barred(event, step)) else { return };
        let mut chain = self.newest[at];
        if is_together && bits_up(chain.steps).any(|used| chain.events[used] == number) {
            return;
        }
        chain.steps |= 1 << step;
        chain.times[step] = event.at;
        chain.events[step] = number;
        if !chain.is_excluded {
            self.newest[step + 1] = chain;
        }
        let (reached, best) = &self.best;
        if step + 1 > *reached || (step + 1 == *reached && best.is_excluded) {
            self.best = (step + 1, chain);
        }
    }
}
