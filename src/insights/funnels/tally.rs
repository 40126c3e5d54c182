//! How many reached each step, and how long it took them.

use super::chain::Reached;
use super::rules::bits_up;

/// The people of one value of a breakdown, or all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// How many did each step.
    pub counts: Vec<u64>,
    /// Microseconds from the step before to each step, of everybody who took any.
    gaps: Vec<Vec<i64>>,
}

/// Seconds that a step took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Took {
    pub average: f64,
    pub median: f64,
}

impl Tally {
    /// Nobody yet.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self { counts: vec![0; steps], gaps: vec![Vec::new(); steps] }
    }

    /// One more person. Steps that may be left out take no time of their own.
    pub fn add(&mut self, reached: &Reached, optional: u64) {
        bits_up(reached.steps).for_each(|step| self.counts[step] += 1);
        let mut before = None;
        for step in bits_up(reached.steps & !optional) {
            let now = reached.times[step];
            if let Some(gap) = before.map(|before| now - before).filter(|gap| *gap > 0) {
                self.gaps[step].push(gap);
            }
            before = Some(now);
        }
    }

    /// With the people of another.
    pub fn append(&mut self, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.gaps.iter_mut().zip(other.gaps).for_each(|(mine, mut theirs)| mine.append(&mut theirs));
    }

    /// How long a step took those who took any time; none if nobody did.
    #[must_use]
    pub fn took(&self, step: usize) -> Option<Took> {
        let mut gaps = self.gaps[step].clone();
        if gaps.is_empty() {
            return None;
        }
        gaps.sort_unstable();
        let (low, high) = (gaps[(gaps.len() - 1) / 2], gaps[gaps.len() / 2]);
        let median = seconds(low) + (seconds(high) - seconds(low)) / 2.0;
        Some(Took { average: average(&gaps), median })
    }
}

/// Microseconds as seconds.
pub fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// The mean of some durations, in seconds.
pub fn average(micros: &[i64]) -> f64 {
    let sum: i128 = micros.iter().map(|gap| i128::from(*gap)).sum();
    sum as f64 / micros.len() as f64 / 1e6
}
