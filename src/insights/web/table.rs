//! `WebStatsTableQuery`: views and visitors by page, source, device or place.

use serde_json::{Value, json};

use super::asked::{VIEWS, WebAsked, is_one_of, number};
use super::breakdown::Breakdown;
use super::pages::{PageEvents, WantedParts};
use crate::insights::ground::{Answered, Ground};
use crate::insights::sql::{field, insight_error};
use crate::insights::{InsightError, QueryAnswer, QueryContext};
use crate::model::query::{InvalidQuery, Reader};
use crate::storage::ch::{WebMetric, WebRow, WebSessionKey, WebTable, web_table_sql};

const MOST_ROWS: u32 = 50_000;
const DEFAULT_ROWS: u32 = 100;

/// Every number with its word in `orderBy`, and its column's name.
const METRICS: &[(WebMetric, &str, &str)] = &[
    (WebMetric::Visitors, "Visitors", "visitors"),
    (WebMetric::Views, "Views", "views"),
    (WebMetric::TimeOnPage, "AvgTimeOnPage", "avg_time_on_page"),
    (WebMetric::BounceRate, "BounceRate", "bounce_rate"),
    (WebMetric::ScrollDepth, "AverageScrollPercentage", "average_scroll_percentage"),
    (WebMetric::DeepScroll, "ScrollGt80Percentage", "scroll_gt80_percentage"),
    (WebMetric::Conversions, "TotalConversions", "total_conversions"),
    (WebMetric::Converted, "UniqueConversions", "unique_conversions"),
    (WebMetric::ConversionRate, "ConversionRate", "conversion_rate"),
    (WebMetric::RageClicks, "RageClicks", "rage_clicks"),
    (WebMetric::DeadClicks, "DeadClicks", "dead_clicks"),
    (WebMetric::Errors, "Errors", "errors"),
];

/// What rows are sorted by where nothing is said or all is equal, the first first.
const ORDER: &[WebMetric] = &[WebMetric::Converted, WebMetric::Conversions, WebMetric::Visitors, WebMetric::Views];
const FRUSTRATION_ORDER: &[WebMetric] = &[WebMetric::Errors, WebMetric::RageClicks, WebMetric::DeadClicks];

/// A table as it was asked for.
struct Table {
    breakdown: Breakdown,
    metrics: Vec<WebMetric>,
    /// What is counted of pages apart.
    parts: Option<WantedParts>,
    with_host: bool,
    order: Vec<(usize, bool)>,
    limit: u32,
    offset: u32,
}

impl Table {
    fn read(query: &Reader<'_>, asked: &WebAsked) -> Result<Self, InvalidQuery> {
        let place = query.get("breakdownBy")?;
        let breakdown = place.word(Breakdown::WORDS)?.ok_or_else(|| place.wrong("what the rows are by is needed"))?;
        let of_pages = |name: &str| {
            let place = query.get(name)?;
            let is_asked = place.flag()?;
            if is_asked && breakdown != Breakdown::Page {
                return Err(place.wrong("this is only known of pages: breakdownBy Page"));
            }
            Ok(is_asked)
        };
        let (scrolls, times) = (of_pages("includeScrollDepth")?, of_pages("includeAvgTimeOnPage")?);
        let bounces = query.get("includeBounceRate")?.flag()?;
        // Of what is no page there is no host to tell, and nothing to refuse: the switch is one for all tables of the web.
        let with_host = query.get("includeHost")?.flag()? && breakdown.has_hosts();
        let has_goal = asked.goal.is_some();
        if has_goal && breakdown == Breakdown::FrustrationMetrics {
            return Err(query.get("conversionGoal")?.wrong("a goal cannot be counted beside frustration"));
        }
        let is_by_page = breakdown == Breakdown::Page && !has_goal && (bounces || scrolls || times);
        let mut metrics = vec![WebMetric::Visitors];
        if breakdown == Breakdown::FrustrationMetrics {
            metrics = vec![WebMetric::RageClicks, WebMetric::DeadClicks, WebMetric::Errors];
        } else if has_goal {
            metrics.extend([WebMetric::Conversions, WebMetric::Converted, WebMetric::ConversionRate]);
        } else {
            metrics.push(WebMetric::Views);
            metrics.extend(times.then_some(WebMetric::TimeOnPage));
            metrics.extend((bounces || times).then_some(WebMetric::BounceRate));
            metrics.extend([WebMetric::ScrollDepth, WebMetric::DeepScroll].into_iter().filter(|_| scrolls));
        }
        Ok(Self {
            breakdown,
            order: order(&query.get("orderBy")?, &metrics)?,
            parts: is_by_page.then_some(WantedParts { bounces: bounces || times, scrolls, times, with_host }),
            with_host,
            limit: query.get("limit")?.count(0, MOST_ROWS)?.filter(|limit| *limit > 0).unwrap_or(DEFAULT_ROWS),
            offset: query.get("offset")?.count(0, u32::MAX)?.unwrap_or(0),
            metrics,
        })
    }

    /// Whether the part of each row in the sum of all is told.
    fn has_fill(&self) -> bool {
        !matches!(self.breakdown, Breakdown::FrustrationMetrics | Breakdown::Language)
    }

    fn columns(&self) -> Vec<String> {
        let metrics = self.metrics.iter().filter_map(|metric| METRICS.iter().find(|(known, ..)| known == metric));
        let fill = self.has_fill().then_some("ui_fill_fraction");
        let names = ["breakdown_value"].into_iter().chain(metrics.map(|(_, _, name)| *name)).chain(fill);
        names.chain(["cross_sell"]).map(|name| format!("context.columns.{name}")).collect()
    }

    /// A row as the query API writes it. The last cell is a place for a link, and stays empty.
    fn row(&self, row: &WebRow, is_compared: bool) -> Value {
        let mut cells = vec![self.breakdown.value(row)];
        cells.extend(row.cells.iter().map(|(now, before)| {
            let before = if is_compared { number(*before) } else { Value::Null };
            json!([number(*now), before])
        }));
        cells.extend(self.has_fill().then(|| number(row.fill)));
        cells.push("".into());
        cells.into()
    }
}

/// `orderBy`: a number's word and `ASC` or `DESC`. One that the table does not have changes nothing.
fn order(place: &Reader<'_>, metrics: &[WebMetric]) -> Result<Vec<(usize, bool)>, InvalidQuery> {
    let items = place.items()?;
    let (asked, is_descending) = match items.as_slice() {
        [] => (None, true),
        [word, way] => {
            let mut words: Vec<_> = METRICS.iter().map(|(metric, word, _)| (*word, Some(*metric))).collect();
            words.extend([("Clicks", None), ("ConvertingUsers", None)]);
            let is_descending = way.word(&[("ASC", false), ("DESC", true)])?;
            (word.word(&words)?.flatten(), is_descending.unwrap_or(true))
        }
        _ => return Err(place.wrong("the name of a number and ASC or DESC are needed")),
    };
    let mut order = Vec::new();
    for metric in asked.iter().chain(ORDER).chain(FRUSTRATION_ORDER) {
        if let Some(at) = metrics.iter().position(|known| known == metric)
            && !order.iter().any(|(known, _)| *known == at)
        {
            order.push((at, is_descending));
        }
    }
    Ok(order)
}

/// Answers a `WebStatsTableQuery`.
///
/// # Errors
/// If a field makes no sense, a store does not answer, or the question takes too much.
pub async fn run_web_table(context: QueryContext<'_>, json: &Value) -> Result<QueryAnswer, InsightError> {
    let ground = Ground::of(context, json).await?;
    let asked = WebAsked::read(&ground).await?;
    let table = Table::read(&ground.query, &asked)?;
    let counts = match table.breakdown {
        Breakdown::FrustrationMetrics => {
            Some(is_one_of(&[VIEWS[0], VIEWS[1], "$rageclick", "$dead_click", "$exception"]))
        }
        _ => asked.counts(),
    };
    let mut rows = asked.rows(&ground).column("event", field(&["event"])).column("is_goal", asked.reaches_goal());
    for (at, column) in table.breakdown.columns(table.with_host).into_iter().enumerate() {
        rows = rows.column(("key", at), column);
    }
    let events = rows.only(counts).sql(&ground)?;
    let pages = match table.parts {
        Some(wanted) => Some(PageEvents::of(&ground, json, &asked, wanted).await?),
        None => None,
    };
    let clicks = match table.breakdown {
        Breakdown::OfSession(WebSessionKey::ExitClick) => Some(asked.clicks_away().sql(&ground)?),
        _ => None,
    };
    let sql = web_table_sql(
        context.project.id,
        WebTable {
            events: &events,
            keys: table.breakdown.keys(),
            rules: if table.breakdown.is_path() { &asked.rules } else { &[] },
            has_hosts: table.with_host,
            clicks: clicks.as_ref(),
            nones: table.breakdown.nones(),
            has_addresses: table.breakdown == Breakdown::PreviousPage,
            is_language: table.breakdown == Breakdown::Language,
            stretches: asked.stretches,
            must_begin_within: asked.is_compared() || pages.is_some(),
            metrics: &table.metrics,
            pages: pages.as_ref().map(PageEvents::parts),
            order: &table.order,
            fill: table.order.first().map_or(0, |(at, _)| *at),
            only_counted: table.breakdown == Breakdown::FrustrationMetrics,
            limit: table.limit,
            offset: table.offset,
        },
    );
    let (mut rows, cost) = context.ch.web_table(&sql).await.map_err(insight_error)?;
    let limit = usize::try_from(table.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let mut answered = Answered::default();
    answered.add(&sql, cost);
    let rows = rows.iter().map(|row| table.row(row, asked.is_compared())).collect();
    let mut answer = answered.with(rows, &asked.range);
    asked.sign(&mut answer);
    answer.insert("columns".to_owned(), table.columns().into());
    answer.insert("hasMore".to_owned(), has_more.into());
    answer.insert("limit".to_owned(), table.limit.into());
    answer.insert("offset".to_owned(), table.offset.into());
    Ok(answer)
}
