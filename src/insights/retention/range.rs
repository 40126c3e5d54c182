//! The intervals of a retention.

use jiff::{Timestamp, ToSpan};

use crate::insights::InsightError;
use crate::insights::ground::Ground;
use crate::model::query::{DateBound, DateRange, Interval, InvalidQuery, ResolvedRange};

/// Most rows.
const MAX_ROWS: usize = 1_000;

/// All intervals in whole; without a start so many up to the end.
pub(super) async fn range(ground: &Ground<'_>, period: Interval, said: u32) -> Result<ResolvedRange, InsightError> {
    let mut dates = DateRange::read(&ground.query.get("dateRange")?)?;
    // A bare day means its first moment where parts of days are counted.
    if let (true, Some(DateBound::Day(day))) = (period.is_within_day(), &dates.to) {
        dates.to = Some(DateBound::Wall(day.to_datetime(jiff::civil::Time::midnight())));
    }
    let has_start = dates.from.is_some();
    if !has_start {
        dates.from = Some(start(ground, &dates, period, i64::from(said) - 1)?);
    }
    let mut range = ground.resolve(&dates, period).await?;
    if !has_start {
        let extra = range.buckets.len().saturating_sub(said as usize);
        range.buckets.drain(..extra);
    }
    if range.buckets.len() > MAX_ROWS {
        let reason = format!("this range has more than {MAX_ROWS} intervals; take a longer period");
        return Err(InvalidQuery::new("retentionFilter.period", reason).into());
    }
    range.from = range.buckets.first().map_or(range.from, |bucket| bucket.start);
    range.to = range.buckets.last().map_or(range.to, |bucket| bucket.end);
    Ok(range)
}

/// The start of the interval so many before the one that the range ends in.
fn start(ground: &Ground<'_>, dates: &DateRange, period: Interval, back: i64) -> Result<DateBound, InvalidQuery> {
    let context = ground.context;
    let week_start = context.settings.week_start;
    let now = context.clock.now().to_zoned(context.project.time_zone.rules());
    let whole_days = !dates.is_explicit && !period.is_within_day();
    let last = match &dates.to {
        Some(to) => before(to.end(&now, week_start, whole_days)),
        None => now.timestamp(),
    };
    let last = last.to_zoned(now.time_zone().clone());
    let day = period.first_day(last.date(), week_start);
    let start = match period {
        Interval::Minute => last.checked_sub(back.minutes()).map(|at| DateBound::Instant(at.timestamp())),
        Interval::Hour => last.checked_sub(back.hours()).map(|at| DateBound::Instant(at.timestamp())),
        Interval::Day => day.checked_sub(back.days()).map(DateBound::Day),
        Interval::Week => day.checked_sub(back.weeks()).map(DateBound::Day),
        Interval::Month => day.checked_sub(back.months()).map(DateBound::Day),
    };
    start.map_err(|_| InvalidQuery::new("dateRange.date_to", "there is no such time"))
}

fn before(end: Timestamp) -> Timestamp {
    end.checked_sub(1.microsecond()).unwrap_or(end)
}
