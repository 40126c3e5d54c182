//! The people of the values that are not shown apart, each once however many of these values they have.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::ask::each_person;
use super::chain::Reached;
use super::lives::Who;
use super::reached;
use super::read::Funnel;
use super::rules::bits_up;
use crate::insights::InsightError;
use crate::insights::ground::{Answered, Ground};

/// Somebody whose values come one after the other, and the furthest they came with one of them.
struct Held {
    person: u64,
    /// Of whoever is no person.
    name: String,
    is_person: bool,
    reached: Reached,
}

/// Hands out everybody who has other values than these, with the furthest they came with one of those; of equally far ones the
/// first.
///
/// # Errors
/// If there is too much to be held, or the store does not answer.
pub async fn each_other(
    ground: &Ground<'_>,
    funnel: &Funnel<'_>,
    shown: &HashSet<String>,
    answered: &mut Answered,
    mut each: impl FnMut(Who<'_>, &Reached) + Send,
) -> Result<(), InsightError> {
    let mut held: Option<Held> = None;
    each_person(ground, funnel, answered, |who, value, events| {
        if shown.contains(value) {
            return;
        }
        let Some(reached) = reached(&funnel.rules, events) else { return };
        match &mut held {
            Some(held) if held.who() == who => {
                if distance(&reached) > distance(&held.reached) {
                    held.reached = reached;
                }
            }
            _ => {
                if let Some(before) = held.replace(Held::of(who, reached)) {
                    each(before.who(), &before.reached);
                }
            }
        }
    })
    .await?;
    if let Some(last) = held {
        each(last.who(), &last.reached);
    }
    Ok(())
}

/// What is greater the further somebody came, and the earlier.
fn distance(reached: &Reached) -> (Option<u32>, u32, Reverse<i64>) {
    let began = bits_up(reached.steps).map(|step| reached.times[step]).min().unwrap_or(i64::MAX);
    (reached.steps.checked_ilog2(), reached.steps.count_ones(), Reverse(began))
}

impl Held {
    fn of(who: Who<'_>, reached: Reached) -> Self {
        match who {
            Who::Person(person) => Self { person, name: String::new(), is_person: true, reached },
            Who::Named(name) => Self { person: 0, name: name.to_owned(), is_person: false, reached },
        }
    }

    fn who(&self) -> Who<'_> {
        if self.is_person { Who::Person(self.person) } else { Who::Named(&self.name) }
    }
}
