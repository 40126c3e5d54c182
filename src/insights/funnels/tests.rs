use proptest::prelude::*;

use super::breakdown::parts;
use super::chain;
use super::entries::{self, Span};
use super::rules::{Rules, Seen, StepOrder, bits_down, bits_up};
use super::shape::histogram;
use super::tally::Tally;
use super::unordered;

fn rules(steps: usize, order: StepOrder, window: i64) -> Rules {
    Rules { steps, order, window, optional: 0, first_time: 0, value_step: None }
}

fn seen(at: i64, marks: u64) -> Seen {
    Seen { at, marks, is_other: false }
}

/// The steps that were reached, and when, in order.
fn followed(rules: &Rules, events: &[Seen]) -> Option<(usize, Vec<i64>)> {
    let reached = match rules.order {
        StepOrder::Unordered => unordered::follow(rules, events),
        _ => chain::follow(rules, events),
    }?;
    Some((reached.steps.count_ones() as usize, bits_up(reached.steps).map(|step| reached.times[step]).collect()))
}

#[test]
fn bits_are_counted_both_ways() {
    assert_eq!(bits_up(0b1010_0001).collect::<Vec<_>>(), [0, 5, 7]);
    assert_eq!(bits_down(0b1010_0001).collect::<Vec<_>>(), [7, 5, 0]);
    assert_eq!(bits_down(0).count() + bits_up(0).count(), 0);
}

#[test]
fn a_later_start_leaves_more_time_and_the_first_to_come_furthest_is_told() {
    let rules = rules(3, StepOrder::Ordered, 10);
    assert_eq!(followed(&rules, &[seen(0, 1), seen(8, 1), seen(12, 2), seen(18, 4)]), Some((3, vec![8, 12, 18])));
    assert_eq!(followed(&rules, &[seen(0, 1), seen(5, 2), seen(11, 4)]), Some((2, vec![0, 5])));
    let twice = [seen(0, 1), seen(1, 2), seen(50, 1), seen(53, 2)];
    assert_eq!(followed(&rules, &twice), Some((2, vec![0, 1])));
    assert_eq!(followed(&rules, &[seen(0, 2), seen(1, 4)]), None);
}

#[test]
fn events_of_one_instant_are_taken_in_the_best_order_and_used_once() {
    let three = rules(3, StepOrder::Ordered, 10);
    assert_eq!(followed(&three, &[seen(5, 4), seen(5, 1), seen(5, 2)]).map(|(steps, _)| steps), Some(3));
    let same = rules(2, StepOrder::Ordered, 10);
    assert_eq!(followed(&same, &[seen(5, 3)]).map(|(steps, _)| steps), Some(1), "one event is not two steps");
    assert_eq!(followed(&same, &[seen(5, 3), seen(6, 3)]).map(|(steps, _)| steps), Some(2));
    let mixed = [seen(5, 3), seen(5, 0b100)];
    assert_eq!(followed(&rules(3, StepOrder::Ordered, 10), &mixed).map(|(steps, _)| steps), Some(1));
}

#[test]
fn what_must_not_happen_leaves_a_person_out_unless_another_try_comes_as_far() {
    let rules = rules(2, StepOrder::Ordered, 10);
    let never = 0b1000;
    assert_eq!(followed(&rules, &[seen(0, 1), seen(1, never), seen(2, 2)]), None);
    assert_eq!(followed(&rules, &[seen(0, 1), seen(1, never)]), None);
    assert_eq!(followed(&rules, &[seen(0, 1), seen(11, never)]), Some((1, vec![0])));
    let again = [seen(0, 1), seen(1, never), seen(2, 1), seen(3, 2)];
    assert_eq!(followed(&rules, &again), Some((2, vec![2, 3])));
    let together = [seen(0, 1), seen(1, 2), seen(1, never)];
    assert_eq!(followed(&rules, &together), Some((2, vec![0, 1])), "not among events of one instant");
}

#[test]
fn a_step_that_may_be_left_out_is_counted_if_it_was_not() {
    let rules = Rules { optional: 0b10, ..rules(3, StepOrder::Ordered, 10) };
    let skipped = chain::follow(&rules, &[seen(0, 1), seen(2, 4)]).expect("somebody");
    assert_eq!(skipped.steps, 0b101);
    let done = chain::follow(&rules, &[seen(0, 1), seen(1, 2), seen(2, 4)]).expect("somebody");
    assert_eq!(done.steps, 0b111);
    let mut tally = Tally::new(3);
    tally.add(&skipped, rules.optional);
    tally.add(&done, rules.optional);
    assert_eq!(tally.counts, [2, 1, 2]);
    assert_eq!(tally.took(1), None, "it takes no time of its own");
    assert!(tally.took(2).is_some_and(|took| (took.average - 2e-6).abs() < 1e-12));
}

#[test]
fn a_step_whose_value_decides_is_not_done_by_another_value() {
    let rules = Rules { value_step: Some(1), ..rules(2, StepOrder::Ordered, 10) };
    let other = Seen { is_other: true, ..seen(1, 2) };
    assert_eq!(followed(&rules, &[seen(0, 1), other]), Some((1, vec![0])));
    assert_eq!(followed(&rules, &[seen(0, 1), other, seen(3, 2)]), Some((2, vec![0, 3])));
}

#[test]
fn everybody_who_took_time_is_in_the_mean_and_the_median() {
    let mut tally = Tally::new(2);
    for gap in [0, 1_000_000, 2_000_000, 9_000_000, 4_000_000] {
        let reached = chain::follow(&rules(2, StepOrder::Ordered, i64::MAX), &[seen(0, 1), seen(gap, 2)]);
        tally.add(&reached.expect("somebody"), 0);
    }
    let took = tally.took(1).expect("some took time");
    assert_eq!((tally.counts[1], took.average, took.median), (5, 4.0, 3.0));
}

#[test]
fn values_are_told_apart_by_their_lengths() {
    assert_eq!(parts("a:b", 1), ["a:b"]);
    assert_eq!(parts("3:a:b0:1:x", 3), ["a:b", "", "x"]);
    assert_eq!(parts("2:ab7:Zürich", 2), ["ab", "Zürich"]);
    assert_eq!(parts("9:x", 2), ["", ""], "what is broken is no value");
}

#[test]
fn a_histogram_begins_at_the_least_and_has_one_edge_more() {
    let second = 1_000_000;
    let took = [3_600 * second, 2_220 * second, 82_800 * second];
    let said = histogram(&took, Some(7));
    let bins = serde_json::json!([
        [2220, 2],
        [13732, 0],
        [25244, 0],
        [36756, 0],
        [48268, 0],
        [59780, 0],
        [71292, 1],
        [82804, 0]
    ]);
    assert_eq!(said["bins"], bins);
    assert_eq!(said["average_conversion_time"], 29_540.0);
    assert_eq!(histogram(&took, None)["bins"].as_array().map(Vec::len), Some(3));
    let nobody = histogram(&[], None);
    assert_eq!(nobody, serde_json::json!({ "bins": [[0, 0], [60, 0]], "average_conversion_time": null }));
}

/// All ways to begin: how far each comes.
fn naive_ordered(events: &[(i64, u64)], steps: usize, window: i64) -> usize {
    let from = |at: usize| {
        let mut reached = usize::from(events[at].1 & 1 != 0);
        for (time, marks) in &events[at + 1..] {
            if reached > 0 && reached < steps && time - events[at].0 <= window && marks & (1 << reached) != 0 {
                reached += 1;
            }
        }
        reached
    };
    (0..events.len()).map(from).max().unwrap_or(0)
}

fn events() -> impl Strategy<Value = Vec<(i64, u64)>> {
    proptest::collection::vec((1_i64..8, 0_u64..16), 0..24).prop_map(|gaps| {
        let mut at = 0;
        gaps.into_iter()
            .map(|(gap, marks)| {
                at += gap;
                (at, marks)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_furthest_way_is_found_whatever_an_event_is(events in events(), steps in 2_usize..5, window in 0_i64..40) {
        let all = (1 << steps) - 1;
        let events: Vec<(i64, u64)> = events.into_iter().map(|(at, marks)| (at, marks & all)).collect();
        let list: Vec<Seen> = events.iter().map(|(at, marks)| seen(*at, *marks)).collect();
        let rules = rules(steps, StepOrder::Ordered, window);
        let found = followed(&rules, &list);
        let expected = naive_ordered(&events, steps, window);
        prop_assert_eq!(found.as_ref().map_or(0, |(reached, _)| *reached), expected);
        if let Some((_, times)) = found {
            prop_assert!(times.is_sorted() && times[times.len() - 1] - times[0] <= window);
        }
        // In one bucket for all time, a trend finds the same; by itself, each first step counts in its own.
        let span = Span { from_step: 0, to_step: steps - 1 };
        let whole = entries::follow(&rules, span, &list, |_| Some(0));
        let first: Vec<(usize, bool)> = if expected == 0 { Vec::new() } else { vec![(0, expected == steps)] };
        prop_assert_eq!(whole, first);
        let apart = entries::follow(&rules, span, &list, |at| usize::try_from(at).ok());
        let starts = events.iter().enumerate().filter(|(_, (_, marks))| marks & 1 != 0);
        let expected: Vec<(usize, bool)> = starts
            .map(|(place, (at, _))| {
                let alone: Vec<(i64, u64)> = std::iter::once((*at, 1))
                    .chain(events[place + 1..].iter().map(|(at, marks)| (*at, *marks & !1)))
                    .collect();
                (usize::try_from(*at).unwrap_or(0), naive_ordered(&alone, steps, window) == steps)
            })
            .collect();
        prop_assert_eq!(apart, expected);
    }

    #[test]
    fn in_any_order_the_most_steps_of_one_window_are_found(list in events(), steps in 2_usize..5, window in 0_i64..40) {
        let list: Vec<(i64, usize)> = list.into_iter().map(|(at, marks)| (at, usize::try_from(marks).unwrap_or(0) % steps)).collect();
        let most = (0..list.len()).map(|first| {
            let within = list[first..].iter().take_while(|(at, _)| at - list[first].0 <= window);
            within.fold(0_u64, |done, (_, step)| done | (1 << step)).count_ones() as usize
        });
        let events: Vec<Seen> = list.iter().map(|(at, step)| seen(*at, 1 << step)).collect();
        let found = followed(&rules(steps, StepOrder::Unordered, window), &events).map_or(0, |(reached, _)| reached);
        prop_assert_eq!(found, most.max().unwrap_or(0));
    }
}
