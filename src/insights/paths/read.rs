//! The JSON of a `PathsQuery` as what it asks.

use serde_json::Value;

use super::around::around;
use crate::insights::InsightError;
use crate::insights::ground::{Actor, Answered, EventRows, Ground};
use crate::insights::sql::{compare, date_filter, field, joined, made, not, text};
use crate::model::query::{DateBound, DateRange, Interval, InvalidQuery, RangeUnit, Reader, ResolvedRange};
use crate::sql::{ArithmeticOp, CompareOp, Expr, ExprKind, Literal, Span, parse_expr};
use crate::storage::ch::{EdgesShown, PathEnds, PathKeys, PathNames, PathsQuestion, Sql};

const DEFAULT_STEPS: u32 = 5;
const MAX_STEPS: u32 = 50;
const DEFAULT_EDGES: u32 = 50;
const MAX_EDGES: u32 = 5_000;
const MAX_NAMES: usize = 200;
const MAX_CHARS: usize = 2_000;

/// Kinds of events that have items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pageview,
    Screen,
    Custom,
    Expression,
}

const KINDS: [(&str, Kind); 4] = [
    ("$pageview", Kind::Pageview),
    ("$screen", Kind::Screen),
    ("custom_event", Kind::Custom),
    ("hogql", Kind::Expression),
];

/// Paths with their statement's parts.
#[derive(Debug)]
pub(super) struct Paths {
    pub actor: Actor,
    /// The whole range without buckets.
    pub range: ResolvedRange,
    pub shown: EdgesShown,
    pub keys: PathKeys,
    ends: PathEnds,
    names: PathNames,
    steps: u32,
    events: Sql,
    /// Whose paths, and from when to when, if not everybody's are asked for.
    around: Option<Sql>,
}

impl Paths {
    /// Reads them.
    pub async fn read(ground: &Ground<'_>, answered: &mut Answered) -> Result<Self, InsightError> {
        let filter = ground.query.get("pathsFilter")?;
        let range = range(ground).await?;
        let kinds = filter.get("includeEventTypes")?.items()?;
        let kinds: Vec<Kind> =
            kinds.iter().map(|kind| kind.word(&KINDS)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let actor = Actor::read(&ground.query.get("aggregation_group_type_index")?)?;
        // Visitors without cookies are known for a day, which is enough for a sitting: nobody is counted here.
        let rows = match actor {
            Actor::Person => EventRows::of(ground).column("actor", field(&["stored_person_number"])),
            Actor::Group(_) => actor.of(EventRows::of(ground), ground),
        };
        let rows = rows.column("at", field(&["timestamp"])).column("item", item(&filter, &kinds)?);
        let rows = rows.only(of_kinds(&kinds)).only(date_filter(&["timestamp"], Some(range.from), Some(range.to)));
        let end = |name: &str| Ok::<_, InvalidQuery>(said(&filter.get(name)?)?.map(without_slash));
        let count = |name: &str, most: u32| Ok::<_, InvalidQuery>(filter.get(name)?.count(0, most)?.filter(|n| *n > 0));
        let key = |name: &str| key(&filter.get(name)?);
        Ok(Self {
            actor,
            shown: EdgesShown {
                most: count("edgeLimit", MAX_EDGES)?.unwrap_or(DEFAULT_EDGES),
                least_value: count("minEdgeWeight", u32::MAX)?,
                most_value: count("maxEdgeWeight", u32::MAX)?,
            },
            keys: PathKeys { from: key("pathStartKey")?, to: key("pathEndKey")?, dropoff: key("pathDropoffKey")? },
            ends: PathEnds { start: end("startPoint")?, end: end("endPoint")? },
            names: names(&filter, &ground.context.settings.path_cleaning_filters)?,
            steps: count("stepLimit", MAX_STEPS)?.unwrap_or(DEFAULT_STEPS),
            events: rows.sql(ground)?,
            around: around(ground, actor, &range, answered).await?,
            range,
        })
    }

    /// Whether there can be any: not if the range ends before it starts.
    pub fn is_possible(&self) -> bool {
        self.range.from < self.range.to
    }

    /// What the store is asked.
    pub fn question(&self) -> PathsQuestion<'_> {
        let Self { ends, names, steps, events, .. } = self;
        PathsQuestion {
            counted: self.actor.counted(),
            ends,
            names,
            steps: *steps,
            events,
            around: self.around.as_ref(),
        }
    }

    /// The same without the names of people, as it is shown.
    pub fn shown_question<'q>(&'q self, people: &'q Sql) -> PathsQuestion<'q> {
        PathsQuestion { around: self.around.as_ref().map(|_| people), ..self.question() }
    }
}

/// From when to when. A range that ends before it starts holds nothing, which is no error here.
async fn range(ground: &Ground<'_>) -> Result<ResolvedRange, InsightError> {
    let context = ground.context;
    let dates = DateRange::read(&ground.query.get("dateRange")?)?;
    let now = context.clock.now().to_zoned(context.project.time_zone.rules());
    let week_start = context.settings.week_start;
    let week = DateBound::Relative { back: 7, unit: RangeUnit::Day, edge: None };
    let from = match dates.from.as_ref().unwrap_or(&week).start(&now, week_start) {
        Some(from) => from,
        None => context.ch.find_first_event_time(context.project.id).await?.unwrap_or_else(|| now.timestamp()),
    };
    let to = dates.to.as_ref().unwrap_or(&DateBound::Day(now.date())).end(&now, week_start, !dates.is_explicit);
    let zone = context.project.time_zone.clone();
    let buckets = Vec::new();
    Ok(ResolvedRange { from, to, zone, interval: Interval::Day, week_start, buckets, is_last_incomplete: false })
}

/// What an event is called; null or empty if it has no item.
fn item(filter: &Reader<'_>, kinds: &[Kind]) -> Result<Expr, InvalidQuery> {
    let has = |kind: Kind| kinds.is_empty() || kinds.contains(&kind);
    let call = |name: &str, args: Vec<Expr>| Expr::call(name, args, Span::default());
    let place = filter.get("pathsHogQLExpression")?;
    let expression = place.text()?.filter(|text| !text.trim().is_empty());
    let mut item = match expression {
        Some(said) if has(Kind::Expression) => {
            let value = parse_expr(said).map_err(|error| place.wrong(error.describe(said)))?;
            call("toString", vec![value])
        }
        None if kinds.contains(&Kind::Expression) => return Err(place.wrong("the expression is needed")),
        _ => field(&["event"]),
    };
    let is = |event: &str| compare(CompareOp::Equal, field(&["event"]), text(event));
    let mut choose = |kind: Kind, event: &str, value: Expr| {
        let other = std::mem::replace(&mut item, field(&["event"]));
        let is_alone = kinds == [kind]; // no others are read
        item = if is_alone { value } else { made(ExprKind::If(Box::new(is(event)), Box::new(value), Box::new(other))) };
    };
    if has(Kind::Screen) {
        choose(Kind::Screen, "$screen", field(&["properties", "$screen_name"]));
    }
    if has(Kind::Pageview) {
        // One slash at the end is not told from none. The address is named as seldom as it can be: each time is planned.
        let address = call("ifNull", vec![call("toString", vec![field(&["properties", "$current_url"])]), text("")]);
        let whole = |number: u64| made(ExprKind::Literal(Literal::Whole(number)));
        let length = call("length", vec![address.clone()]);
        let has_slash = made(ExprKind::And(vec![
            compare(CompareOp::Equal, call("endsWith", vec![address.clone(), text("/")]), whole(1)),
            compare(CompareOp::Greater, length.clone(), whole(1)),
        ]));
        let rest = made(ExprKind::Arithmetic(ArithmeticOp::Subtract, Box::new(length), Box::new(has_slash)));
        choose(Kind::Pageview, "$pageview", call("substring", vec![address, whole(1), rest]));
    }
    Ok(item)
}

/// The condition that an event is of one of these kinds; none if any is.
fn of_kinds(kinds: &[Kind]) -> Option<Expr> {
    if kinds.is_empty() || kinds.contains(&Kind::Expression) {
        return None;
    }
    let is = |event: &str| compare(CompareOp::Equal, field(&["event"]), text(event));
    let condition = |kind: &Kind| match kind {
        Kind::Pageview => is("$pageview"),
        Kind::Screen => is("$screen"),
        Kind::Custom | Kind::Expression => not(compare(CompareOp::Like, field(&["event"]), text("$%"))),
    };
    joined(kinds.iter().map(condition).collect(), true)
}

/// The number of a step and its item: `2_/pricing`.
fn key(place: &Reader<'_>) -> Result<Option<(u32, String)>, InvalidQuery> {
    let Some(said) = said(place)? else { return Ok(None) };
    let parts = said.split_once('_').and_then(|(step, item)| Some((step.parse().ok()?, item.to_owned())));
    parts.map(Some).ok_or_else(|| place.wrong("a step's number and its item are needed: 2_/pricing"))
}

/// What makes items alike, and which do not count.
fn names(filter: &Reader<'_>, of_project: &Value) -> Result<PathNames, InvalidQuery> {
    let mut replacements = Vec::new();
    if filter.get("pathReplacements")?.flag()? {
        // They were written once for all: one that makes no sense is passed over.
        replacements.extend(rules(&Reader::new(of_project)).unwrap_or_default());
    }
    replacements.extend(rules(&filter.get("localPathCleaningFilters")?)?);
    let groups = texts(&filter.get("pathGroupings")?)?;
    let groups = groups.into_iter().map(|name| (wildcard(&name), name)).collect();
    Ok(PathNames { replacements, groups, excluded: texts(&filter.get("excludeEvents")?)? })
}

/// Rules for cleaning, in their order.
fn rules(place: &Reader<'_>) -> Result<Vec<(String, String)>, InvalidQuery> {
    let items = place.items()?;
    if items.len() > MAX_NAMES {
        return Err(place.wrong(format!("at most {MAX_NAMES} rules can be used")));
    }
    let mut rules = Vec::new();
    for item in &items {
        let order = item.get("order")?.value().and_then(Value::as_f64).unwrap_or(0.0);
        let Some(pattern) = said(&item.get("regex")?)? else { continue };
        rules.push((order, (pattern, said(&item.get("alias")?)?.unwrap_or_default())));
    }
    rules.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    Ok(rules.into_iter().map(|(_, rule)| rule).collect())
}

/// A name with `*` for anything as a regular expression.
fn wildcard(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        match letter {
            '*' => pattern.push_str(".*"),
            letter if letter.is_ascii_punctuation() && letter != '_' => pattern.extend(['\\', letter]),
            letter => pattern.push(letter),
        }
    }
    pattern
}

/// As pages are called: without one slash at the end.
fn without_slash(item: String) -> String {
    match item.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => item,
    }
}

/// A text that says something.
fn said(place: &Reader<'_>) -> Result<Option<String>, InvalidQuery> {
    let text = place.text()?.filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > MAX_CHARS) {
        return Err(place.wrong(format!("this has more than {MAX_CHARS} characters")));
    }
    Ok(text.map(str::to_owned))
}

fn texts(place: &Reader<'_>) -> Result<Vec<String>, InvalidQuery> {
    let items = place.items()?;
    if items.len() > MAX_NAMES {
        return Err(place.wrong(format!("at most {MAX_NAMES} can be given")));
    }
    let texts: Vec<Option<String>> = items.iter().map(said).collect::<Result<_, _>>()?;
    Ok(texts.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wildcard_is_the_only_sign_with_a_meaning() {
        assert_eq!(wildcard("/bar/*/foo"), r"\/bar\/.*\/foo");
        assert_eq!(wildcard("a.b_c(é)+"), r"a\.b_c\(é\)\+");
    }

    #[test]
    fn a_page_has_no_slash_at_its_end_but_the_first() {
        for (said, called) in [("/", "/"), ("/a/", "/a"), ("/a", "/a"), ("/a//", "/a/"), ("", "")] {
            assert_eq!(without_slash(said.to_owned()), called);
        }
    }

    #[test]
    fn a_key_is_a_step_and_an_item() {
        let read = |text: &str| key(&Reader::new(&text.into())).map_err(|error| error.field);
        assert_eq!(read("2_/a_b"), Ok(Some((2, "/a_b".to_owned()))));
        assert_eq!(read(""), Ok(None));
        for wrong in ["/a", "x_/a", "_", "-1_/a"] {
            assert_eq!(read(wrong), Err("query".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn rules_go_by_their_order_and_then_by_their_place() {
        let value = json!([
            { "regex": "c", "alias": "3", "order": 2 },
            { "regex": "a", "alias": "1" },
            { "regex": "b", "order": 1 },
            { "alias": "nothing" },
        ]);
        let found = rules(&Reader::new(&value)).expect("rules");
        let found: Vec<_> = found.iter().map(|(regex, alias)| (regex.as_str(), alias.as_str())).collect();
        assert_eq!(found, [("a", "1"), ("b", ""), ("c", "3")]);
    }
}
