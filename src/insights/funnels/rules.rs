//! What a funnel asks of a person's events, as numbers.

/// Most steps.
pub const MAX_STEPS: usize = 20;

/// How steps must follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StepOrder {
    /// One after the other; whatever else happens in between does not matter.
    #[default]
    Ordered,
    /// One after the other, and nothing in between but the same step again.
    Strict,
    /// In any order.
    Unordered,
}

/// The rules by which events are followed.
///
/// An event's marks are bits: bit `n` if it is step `n`, bit `steps + n` if it must not happen between steps `n - 1` and `n`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub steps: usize,
    pub order: StepOrder,
    /// Microseconds from the first step to the last.
    pub window: i64,
    /// Steps that may be left out, as bits.
    pub optional: u64,
    /// Steps that only count the first time ever, as bits.
    pub first_time: u64,
    /// The step whose value a person is counted under.
    pub value_step: Option<usize>,
}

/// One event of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub at: i64,
    pub marks: u64,
    /// Whether its value is another than the one that is being followed.
    pub is_other: bool,
}

impl Rules {
    /// All steps, as bits.
    #[must_use]
    pub fn all_steps(&self) -> u64 {
        (1 << self.steps) - 1
    }

    /// The bit that says that an event must not happen before a step.
    #[must_use]
    pub fn exclusion_bit(&self, step: usize) -> u32 {
        u32::try_from(self.steps + step).expect("there are few steps")
    }

    /// The steps that an event is, as bits.
    #[must_use]
    pub fn steps_of(&self, event: Seen) -> u64 {
        event.marks & self.all_steps()
    }

    /// The steps before which an event must not happen, as bits.
    #[must_use]
    pub fn excluded_before(&self, event: Seen) -> u64 {
        (event.marks >> self.steps) & self.all_steps()
    }

    /// Whether an event cannot be a step because the step's value decides, and its value is another.
    #[must_use]
    pub fn is_barred(&self, event: Seen, step: usize) -> bool {
        event.is_other && self.value_step == Some(step)
    }
}

/// The numbers of set bits, from the highest down.
pub fn bits_down(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = bits.checked_ilog2()?;
        bits ^= 1 << bit;
        Some(bit as usize)
    })
}

/// The numbers of set bits, from the lowest up.
pub fn bits_up(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(bit as usize)
    })
}
