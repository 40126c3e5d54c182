//! What is made of a line's numbers after they were counted: sums so far, averages, the straight line through them.

use crate::insights::ground::Weekdays;
use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};

/// Most buckets that are averaged.
const MAX_WINDOW: u32 = 1_000;

/// What a `trendsFilter` asks to be made of the lines.
///
/// Smoothing changes the numbers themselves. `showMovingAverage` and `showTrendLines` give every line further numbers beside
/// its own, and `hideWeekends` leaves places out after all that was counted and added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// Buckets that [`smoothed`] averages; 1 leaves a line as it is.
    pub smoothing: usize,
    /// Buckets that [`moving_average`] averages, if it is shown.
    pub moving_average: Option<usize>,
    pub has_trend_line: bool,
    pub hides_weekends: bool,
}

/// What is shown of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Which buckets of its range.
    pub places: Vec<usize>,
    /// Its numbers there.
    pub data: Vec<f64>,
    /// Beside them, if asked for: their average with their neighbours, and the straight line through them.
    pub moving_average: Option<Vec<f64>>,
    pub trend_line: Option<Vec<f64>>,
}

impl Derived {
    /// What is shown of these numbers of a range. Nothing is drawn beside a range that is one number.
    #[must_use]
    pub fn draw(&self, data: &[f64], range: &ResolvedRange, weekdays: Option<Weekdays>) -> Drawn {
        let mut places = shown_places(range, weekdays.unwrap_or(Weekdays::ALL));
        if self.hides_weekends {
            let weekdays = shown_places(range, Weekdays::WITHOUT_WEEKEND);
            places.retain(|at| weekdays.contains(at));
        }
        let data = only_at(data, &places);
        let ends_incomplete = range.is_last_incomplete && places.last().is_some_and(|at| at + 1 == range.buckets.len());
        Drawn {
            moving_average: self.moving_average.filter(|_| !data.is_empty()).map(|width| moving_average(&data, width)),
            trend_line: (self.has_trend_line && !data.is_empty()).then(|| trend_line(&data, ends_incomplete)),
            places,
            data,
        }
    }

    /// Reads a `trendsFilter`.
    ///
    /// # Errors
    /// If a field is not what it must be.
    pub fn read(trends_filter: &Reader<'_>, interval: Interval) -> Result<Self, InvalidQuery> {
        let window = |field: &str| Ok(trends_filter.get(field)?.count(1, MAX_WINDOW)?.map(|n| n as usize));
        let average = window("movingAverageIntervals")?.unwrap_or(usual_window(interval));
        Ok(Self {
            smoothing: window("smoothingIntervals")?.unwrap_or(1),
            moving_average: trends_filter.get("showMovingAverage")?.flag()?.then_some(average),
            has_trend_line: trends_filter.get("showTrendLines")?.flag()?,
            hides_weekends: trends_filter.get("hideWeekends")?.flag()?,
        })
    }
}

/// How many buckets a moving average takes if nobody says.
fn usual_window(interval: Interval) -> usize {
    match interval {
        Interval::Minute => 10,
        Interval::Hour => 6,
        Interval::Day => 7,
        Interval::Week => 4,
        Interval::Month => 3,
    }
}

/// Each number with all before it. For events and sums; people that came twice are counted once by the store only.
#[must_use]
pub fn cumulative(data: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    data.iter()
        .map(|value| {
            sum += value;
            sum
        })
        .collect()
}

/// Each number averaged with those before it, `window` in all or as many as there are; whole numbers, rounded down, which is
/// what the query API does.
#[must_use]
pub fn smoothed(data: &[f64], window: usize) -> Vec<f64> {
    if window <= 1 {
        return data.to_vec();
    }
    (0..data.len()).map(|at| mean(&data[(at + 1).saturating_sub(window)..=at]).floor()).collect()
}

/// Each number averaged with those around it, `window` in all also at both ends; the line itself if it is shorter than that.
fn moving_average(data: &[f64], window: usize) -> Vec<f64> {
    if window <= 1 || data.len() < window {
        return data.to_vec();
    }
    let last_start = data.len() - window;
    let start = |at: usize| at.saturating_sub(window / 2).min(last_start);
    (0..data.len()).map(|at| mean(&data[start(at)..start(at) + window])).collect()
}

/// The straight line closest to the numbers (least squares). A last bucket that still fills is not what it is drawn by, but
/// has its point on it. The numbers themselves if two are not there to draw it by.
fn trend_line(data: &[f64], is_last_incomplete: bool) -> Vec<f64> {
    let whole = &data[..data.len() - usize::from(is_last_incomplete && !data.is_empty())];
    if whole.len() < 2 {
        return data.to_vec();
    }
    let places: Vec<f64> = (0..data.len()).map(float).collect();
    let (middle, level) = (mean(&places[..whole.len()]), mean(whole));
    let pairs = places.iter().zip(whole).map(|(x, y)| (x - middle, y - level));
    let (along, square) = pairs.fold((0.0, 0.0), |(along, square), (x, y)| (x.mul_add(y, along), x.mul_add(x, square)));
    let slope = along / square;
    places.iter().map(|x| slope.mul_add(x - middle, level)).collect()
}

/// The places of the buckets that are days of these, in the project's time zone; all where a bucket is no day.
fn shown_places(range: &ResolvedRange, days: Weekdays) -> Vec<usize> {
    let all = 0..range.buckets.len();
    if range.interval != Interval::Day {
        return all.collect();
    }
    let rules = range.zone.rules();
    let weekday = |at: usize| range.buckets[at].start.to_zoned(rules.clone()).weekday();
    all.filter(|at| days.has(weekday(*at))).collect()
}

/// The numbers at these places.
fn only_at<T: Clone>(data: &[T], places: &[usize]) -> Vec<T> {
    places.iter().filter_map(|at| data.get(*at).cloned()).collect()
}

fn mean(data: &[f64]) -> f64 {
    if data.is_empty() { 0.0 } else { data.iter().sum::<f64>() / float(data.len()) }
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
#[path = "derived_tests.rs"]
mod tests;
