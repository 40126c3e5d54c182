//! Cohorts as tables of the query language.

use crate::insights::sql::{field, from_table, made, text};
use crate::model::CohortId;
use crate::sql::{Expr, ExprKind, From, Literal, Query, Select, SelectItem, SetOp, Source, SourceKind, Span};

use super::Cohort;
use super::cohort::moment;

/// As many cohorts as one question may read the people of.
const MAX_COHORTS: usize = 30;

fn whole(number: i64) -> Expr {
    made(ExprKind::Literal(Literal::Whole(number.unsigned_abs())))
}

fn item(expr: Expr, name: &str) -> SelectItem {
    SelectItem { expr, alias: Some(name.to_owned()) }
}

/// The people for whom a condition holds, as those of a cohort.
pub(super) fn people_in(cohort: CohortId, condition: Expr) -> Query {
    let items = vec![item(field(&["id"]), "person_id"), item(whole(cohort.get()), "cohort_id")];
    from_table(Select { items, filter: Some(condition), ..Select::default() }, "persons")
}

/// All of them as one table; a reason if they are too many.
pub(super) fn people(of_cohorts: Vec<Query>) -> Result<Query, String> {
    if of_cohorts.len() > MAX_COHORTS {
        return Err(format!(
            "cohort_people has the people of at most {MAX_COHORTS} cohorts, and there are {}: person_id IN COHORT 7 \
             asks for those of one",
            of_cohorts.len()
        ));
    }
    let mut of_cohorts = of_cohorts.into_iter();
    let nobody = || people_in(CohortId::new(0), made(ExprKind::Literal(Literal::Flag(false))));
    let first = of_cohorts.next().unwrap_or_else(nobody);
    Ok(Query::Set { first: Box::new(first), rest: of_cohorts.map(|query| (SetOp::UnionAll, query)).collect() })
}

/// The table of cohorts: a row for each, from a list of what is known of them.
pub(super) fn cohorts<'c>(cohorts: impl Iterator<Item = &'c Cohort>) -> Query {
    let null = || made(ExprKind::Literal(Literal::Null));
    let row = |cohort: &Cohort| {
        made(ExprKind::Tuple(vec![
            whole(cohort.id.get()),
            text(cohort.name.as_str()),
            text(cohort.description.as_str()),
            made(ExprKind::Literal(Literal::Flag(cohort.is_static))),
            // What nobody looked at yet has no count.
            Expr::call("toInt", vec![cohort.last_count.map_or_else(null, whole)], Span::default()),
            Expr::call("toDateTime64", vec![moment(cohort.created_at)], Span::default()),
        ]))
    };
    let mut rows: Vec<Expr> = cohorts.map(row).collect();
    let is_empty = rows.is_empty();
    if is_empty {
        // A list of nothing would have no columns.
        let nothing = Cohort {
            id: CohortId::new(0),
            name: String::new(),
            description: String::new(),
            is_static: false,
            filters: serde_json::Value::Null,
            last_count: None,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        };
        rows.push(row(&nothing));
    }
    let each = Expr::call("arrayJoin", vec![made(ExprKind::Array(rows))], Span::default());
    let list = Query::Select(Box::new(Select { items: vec![item(each, "cohort")], ..Select::default() }));
    let names = ["id", "name", "description", "is_static", "count", "created_at"];
    let items = (1_u64..).zip(names).map(|(place, name)| {
        let place = made(ExprKind::Literal(Literal::Whole(place)));
        item(Expr::call("tupleElement", vec![field(&["cohort"]), place], Span::default()), name)
    });
    let source = Source { kind: SourceKind::Query(Box::new(list)), alias: None, span: Span::default() };
    Query::Select(Box::new(Select {
        items: items.collect(),
        from: Some(From { first: source, joins: Vec::new() }),
        filter: is_empty.then(|| made(ExprKind::Literal(Literal::Flag(false)))),
        ..Select::default()
    }))
}
