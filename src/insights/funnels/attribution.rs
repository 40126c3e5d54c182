//! Which of a person's values decides where a funnel is broken down.

use super::rules::StepOrder;
use crate::model::query::{InvalidQuery, Reader};

/// Which of a person's values decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attribution {
    /// The first that a step has.
    #[default]
    FirstTouch,
    LastTouch,
    /// Every value by itself: only events with the same value make a funnel.
    AllEvents,
    /// That of one step.
    Step(usize),
}

impl Attribution {
    /// Whether one person may be counted under several values.
    #[must_use]
    pub fn gives_several(self) -> bool {
        matches!(self, Self::AllEvents | Self::Step(_))
    }

    /// Reads it.
    ///
    /// # Errors
    /// If a field makes no sense.
    pub fn read(filter: &Reader<'_>, steps: usize, order: StepOrder) -> Result<Self, InvalidQuery> {
        let words = [
            ("first_touch", Self::FirstTouch),
            ("last_touch", Self::LastTouch),
            ("all_events", Self::AllEvents),
            ("step", Self::Step(0)),
        ];
        let said = filter.get("breakdownAttributionType")?.word(&words)?.unwrap_or_default();
        if !matches!(said, Self::Step(_)) {
            return Ok(said);
        }
        let place = filter.get("breakdownAttributionValue")?;
        let last = u32::try_from(steps - 1).expect("there are few steps");
        let step = place.count(0, last)?.unwrap_or(0) as usize;
        if order == StepOrder::Unordered && step != 0 {
            return Err(place.wrong("where steps have no order, only the first one's value can decide"));
        }
        Ok(Self::Step(step))
    }
}
