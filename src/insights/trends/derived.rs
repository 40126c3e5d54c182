//! What is made of a line's numbers after they were counted: sums so far, averages, the straight line through them.

use crate::model::query::{Interval, InvalidQuery, Reader, ResolvedRange};

/// Most buckets that are averaged.
const MAX_WINDOW: u32 = 1_000;

/// What a `trendsFilter` asks to be made of the lines.
///
/// Smoothing changes the answer itself. The others belong to the picture: the query API passes them over, pages draw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// Buckets that [`smoothed`] averages; 1 leaves a line as it is.
    pub smoothing: usize,
    /// Buckets that [`moving_average`] averages, if it is shown.
    pub moving_average: Option<usize>,
    pub has_trend_line: bool,
    pub hides_weekends: bool,
}

impl Derived {
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
#[must_use]
pub fn moving_average(data: &[f64], window: usize) -> Vec<f64> {
    if window <= 1 || data.len() < window {
        return data.to_vec();
    }
    let last_start = data.len() - window;
    let start = |at: usize| at.saturating_sub(window / 2).min(last_start);
    (0..data.len()).map(|at| mean(&data[start(at)..start(at) + window])).collect()
}

/// The straight line closest to the numbers (least squares). A last bucket that still fills is not what it is drawn by, but
/// has its point on it. The numbers themselves if two are not there to draw it by.
#[must_use]
pub fn trend_line(data: &[f64], is_last_incomplete: bool) -> Vec<f64> {
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

/// The places of the buckets that are shown where weekends are hidden: those of Monday to Friday in the project's time zone.
/// All of a chart by week or month.
#[must_use]
pub fn weekday_places(range: &ResolvedRange) -> Vec<usize> {
    let all = 0..range.buckets.len();
    if matches!(range.interval, Interval::Week | Interval::Month) {
        return all.collect();
    }
    let rules = range.zone.rules();
    // From Monday, 0, to Sunday, 6.
    let weekday = |at: usize| range.buckets[at].start.to_zoned(rules.clone()).weekday().to_monday_zero_offset();
    all.filter(|at| weekday(*at) < 5).collect()
}

/// The numbers at these places.
#[must_use]
pub fn only_at<T: Clone>(data: &[T], places: &[usize]) -> Vec<T> {
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
