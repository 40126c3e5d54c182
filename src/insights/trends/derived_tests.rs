use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::query::{DateBound, DateRange, WeekStart};

const VIEWS: [f64; 12] = [1., 0., 1., 3., 1., 0., 2., 0., 1., 0., 1., 0.];

#[test]
fn a_sum_so_far_ends_with_the_whole() {
    assert_eq!(cumulative(&VIEWS), [1., 1., 2., 5., 6., 6., 8., 8., 9., 9., 10., 10.]);
    assert_eq!(cumulative(&[]), Vec::<f64>::new());
}

#[test]
fn smoothing_averages_backwards_and_rounds_down() {
    assert_eq!(smoothed(&VIEWS, 7), [1., 0., 0., 1., 1., 1., 1., 1., 1., 1., 0., 0.]);
    assert_eq!(smoothed(&[0.5, 2.5], 1), [0.5, 2.5]);
    assert_eq!(smoothed(&[-1., -2.], 2), [-1., -2.]);
}

#[test]
fn a_moving_average_keeps_its_width_at_both_ends() {
    assert_eq!(moving_average(&[3., 0., 3., 6., 9.], 3), [2., 2., 3., 6., 6.]);
    assert_eq!(moving_average(&[1., 2., 3., 4.], 2), [1.5, 1.5, 2.5, 3.5]);
    assert_eq!(moving_average(&[1., 2.], 3), [1., 2.]);
}

#[test]
fn a_trend_line_is_drawn_by_whole_buckets() {
    assert_eq!(trend_line(&[1., 3., 5., 0.], true), [1., 3., 5., 7.]);
    assert_eq!(trend_line(&[0., 0., 3.], false), [-0.5, 1., 2.5]);
    assert_eq!(trend_line(&[4., 1.], true), [4., 1.]);
    assert_eq!(trend_line(&[], true), Vec::<f64>::new());
}

fn range(from: &str, to: &str, interval: Interval, zone: &str) -> ResolvedRange {
    let bound = |text: &str| -> Option<DateBound> { Some(text.parse().expect("a date")) };
    let dates = DateRange { from: bound(from), to: bound(to), is_explicit: false };
    let now = "2026-11-21T12:00:00Z".parse().expect("a time");
    dates.resolve(interval, &zone.parse().expect("a zone"), now, WeekStart::Sunday, None).expect("a range")
}

#[test]
fn weekends_are_those_of_the_projects_zone() {
    let weekdays = |range: &ResolvedRange| shown_places(range, Weekdays::WITHOUT_WEEKEND);
    // 2026-11-21 is a Saturday. Midnight in Auckland is Friday in UTC.
    for zone in ["UTC", "Pacific/Auckland", "America/Los_Angeles"] {
        let days = range("2026-11-19", "2026-11-24", Interval::Day, zone);
        assert_eq!(weekdays(&days), [0, 1, 4, 5], "{zone}");
    }
    let hours = range("2026-11-20", "2026-11-23", Interval::Hour, "Pacific/Auckland");
    assert_eq!(weekdays(&hours).len(), 96);
    let weeks = range("2026-11-01", "2026-11-24", Interval::Week, "UTC");
    assert_eq!(weekdays(&weeks), [0, 1, 2, 3]);
}

#[test]
fn what_is_left_out_is_left_out_of_all_that_is_drawn() {
    let days = range("2026-11-18", "2026-11-24", Interval::Day, "UTC");
    let derived = Derived { smoothing: 1, moving_average: Some(2), has_trend_line: true, hides_weekends: true };
    let drawn = derived.draw(&[1., 2., 3., 100., 200., 4., 5.], &days, None);
    assert_eq!((drawn.places, drawn.data), (vec![0, 1, 2, 5, 6], vec![1., 2., 3., 4., 5.]));
    assert_eq!(drawn.moving_average, Some(vec![1.5, 1.5, 2.5, 3.5, 4.5]));
    assert_eq!(drawn.trend_line, Some(vec![1., 2., 3., 4., 5.]));
    let nothing = Derived { moving_average: None, has_trend_line: false, ..derived };
    let sundays = nothing.draw(&[1.; 7], &days, Some(Weekdays::WITHOUT_WEEKEND));
    assert_eq!((sundays.places.len(), sundays.moving_average, sundays.trend_line), (5, None, None));
    let one_number = derived.draw(&[], &days, None);
    assert_eq!((one_number.data.len(), one_number.moving_average, one_number.trend_line), (0, None, None));
}

#[test]
fn a_filter_says_what_is_made_of_the_lines() {
    let read = |json: serde_json::Value| Derived::read(&Reader::new(&json), Interval::Day).map_err(|error| error.field);
    let nothing = Derived { smoothing: 1, moving_average: None, has_trend_line: false, hides_weekends: false };
    assert_eq!(read(json!({ "movingAverageIntervals": 3 })), Ok(nothing));
    let all =
        json!({ "smoothingIntervals": 4, "showMovingAverage": true, "showTrendLines": true, "hideWeekends": true });
    let said = Derived { smoothing: 4, moving_average: Some(7), has_trend_line: true, hides_weekends: true };
    assert_eq!(read(all), Ok(said));
    assert_eq!(read(json!({ "smoothingIntervals": 0 })), Err("smoothingIntervals".to_owned()));
    assert_eq!(read(json!({ "showMovingAverage": "yes" })), Err("showMovingAverage".to_owned()));
}

proptest! {
    #[test]
    fn sums_so_far_and_their_steps_are_each_other(data in prop::collection::vec(0_u32..1_000_000, 0..60)) {
        let data: Vec<f64> = data.into_iter().map(f64::from).collect();
        let sums = cumulative(&data);
        let steps = sums.iter().scan(0.0, |before, sum| { let step = sum - *before; *before = *sum; Some(step) });
        prop_assert_eq!(steps.collect::<Vec<_>>(), data);
    }

    /// An average lies between the numbers it is of.
    #[test]
    fn averages_stay_between_the_numbers(data in prop::collection::vec(-1000_i32..1000, 1..60), window in 1_usize..70) {
        let data: Vec<f64> = data.into_iter().map(f64::from).collect();
        let low = data.iter().copied().fold(f64::INFINITY, f64::min);
        let high = data.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for line in [smoothed(&data, window), moving_average(&data, window)] {
            prop_assert_eq!(line.len(), data.len());
            prop_assert!(line.iter().all(|value| (low..=high).contains(value)), "{:?}", line);
        }
    }

    /// What no line can be nearer than: moving it or turning it by a little makes it worse.
    #[test]
    fn a_trend_line_is_the_nearest(data in prop::collection::vec(-1000_i32..1000, 2..40)) {
        let data: Vec<f64> = data.into_iter().map(f64::from).collect();
        let line = trend_line(&data, false);
        let distance = |line: &[f64]| line.iter().zip(&data).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        for (shift, turn) in [(0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)] {
            let other: Vec<_> = line.iter().enumerate().map(|(x, y)| y + shift + turn * float(x)).collect();
            prop_assert!(distance(&line) < distance(&other));
        }
    }
}
