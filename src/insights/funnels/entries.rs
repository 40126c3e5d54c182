//! Whether somebody who entered in a bucket of time converted: each bucket in which they did the first step is by itself.

use std::collections::BTreeMap;

use super::rules::{MAX_STEPS, Rules, Seen, StepOrder, bits_down};
use super::unordered::Window;

/// From which step to which a rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from_step: usize,
    pub to_step: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Excluded {
    No,
    /// Something happened after the furthest step that must not.
    Partly,
    /// And the next step all the same.
    Wholly,
}

/// Somebody who entered in one bucket.
struct Entry {
    bucket: usize,
    /// When the chain to `n` steps began, at `n`, and whether something happened since that must not.
    starts: [Option<(i64, bool)>; MAX_STEPS + 1],
    furthest: usize,
    furthest_at: i64,
    excluded: Excluded,
    is_converted: bool,
}

/// Follows events in order of time. For each bucket in which somebody entered and came as far as the first step of the span:
/// whether they came to its last. `bucket` says where a moment belongs; none if nowhere.
pub fn follow(rules: &Rules, span: Span, events: &[Seen], bucket: impl Fn(i64) -> Option<usize>) -> Vec<(usize, bool)> {
    if rules.order == StepOrder::Unordered {
        return follow_unordered(rules, span, events, bucket);
    }
    // In order of buckets, as their first events are.
    let mut entries: Vec<Entry> = Vec::new();
    // The first of them that may still get further.
    let mut open = 0;
    for event in events {
        let too_old = |entry: &Entry| match entry.starts[1] {
            Some((start, _)) => entry.is_converted || event.at - start > rules.window,
            None => entry.is_converted,
        };
        let is_strict = rules.order == StepOrder::Strict;
        while !is_strict && entries.get(open).is_some_and(too_old) && open + 1 < entries.len() {
            open += 1;
        }
        for step in bits_down(rules.excluded_before(*event)) {
            entries[open..].iter_mut().for_each(|entry| entry.exclude(rules, *event, step));
        }
        for step in bits_down(rules.steps_of(*event)).filter(|step| !rules.is_barred(*event, *step)) {
            if step == 0 {
                if let Some(bucket) = bucket(event.at) {
                    enter(&mut entries, bucket, event.at);
                }
            } else {
                entries[open..].iter_mut().for_each(|entry| entry.extend(rules, span, *event, step));
            }
        }
        if is_strict {
            for entry in &mut entries[open..] {
                let lost = (0..rules.steps).filter(|step| event.marks & (1 << step) == 0);
                lost.for_each(|step| entry.starts[step + 1] = None);
            }
        }
    }
    let is_left_out = entries.iter().any(|entry| !entry.is_converted && entry.excluded == Excluded::Wholly);
    let counts = |entry: &&Entry| {
        entry.is_converted || (!is_left_out && entry.furthest > span.from_step && entry.excluded != Excluded::Partly)
    };
    entries.iter().filter(counts).map(|entry| (entry.bucket, entry.is_converted)).collect()
}

fn enter(entries: &mut Vec<Entry>, bucket: usize, at: i64) {
    let start = Some((at, false));
    match entries.last_mut().filter(|entry| entry.bucket == bucket) {
        Some(entry) if entry.is_converted => {}
        Some(entry) if entry.furthest > 1 || entry.excluded == Excluded::No => entry.starts[1] = start,
        last => {
            let is_new = last.is_none();
            let mut entry = Entry {
                bucket,
                starts: [None; MAX_STEPS + 1],
                furthest: 1,
                furthest_at: at,
                excluded: Excluded::No,
                is_converted: false,
            };
            entry.starts[1] = start;
            if !is_new {
                entries.pop();
            }
            entries.push(entry);
        }
    }
}

impl Entry {
    /// When the chain began that an event may follow as a step, and whether it is excluded.
    fn before(&self, rules: &Rules, event: Seen, step: usize) -> Option<(i64, bool)> {
        let (start, is_excluded) = self.starts[step].filter(|_| !self.is_converted)?;
        let is_done = self.starts[step + 1].is_some_and(|(done, _)| done == start);
        (event.at - start <= rules.window && !is_done).then_some((start, is_excluded))
    }

    fn exclude(&mut self, rules: &Rules, event: Seen, step: usize) {
        let Some((start, false)) = self.before(rules, event, step) else { return };
        self.starts[step] = Some((start, true));
        if self.furthest == step && event.at - self.furthest_at <= rules.window {
            self.excluded = Excluded::Partly;
        }
    }

    fn extend(&mut self, rules: &Rules, span: Span, event: Seen, step: usize) {
        let Some((start, is_excluded)) = self.before(rules, event, step) else { return };
        if !is_excluded {
            self.starts[step + 1] = Some((start, false));
        }
        let came = step + 1;
        if self.starts[span.to_step + 1].is_some() {
            self.is_converted = true;
        } else if came > self.furthest || (came == self.furthest && self.excluded == Excluded::Partly) {
            self.furthest = came;
            self.furthest_at = event.at;
            self.excluded = if is_excluded { Excluded::Wholly } else { Excluded::No };
        }
    }
}

fn follow_unordered(
    rules: &Rules,
    span: Span,
    events: &[Seen],
    bucket: impl Fn(i64) -> Option<usize>,
) -> Vec<(usize, bool)> {
    let mut window = Window::new(rules);
    let mut most: BTreeMap<usize, usize> = BTreeMap::new();
    let mut count = |window: &Window<'_>, oldest: i64| {
        if let Some(bucket) = bucket(oldest) {
            let most = most.entry(bucket).or_default();
            *most = (*most).max(window.done);
        }
    };
    for event in events {
        window.drop_old(event.at, false, &mut count);
        window.add(*event);
    }
    window.drop_old(i64::MAX, true, &mut count);
    most.into_iter().filter(|(_, n)| *n > span.from_step).map(|(bucket, n)| (bucket, n > span.to_step)).collect()
}
