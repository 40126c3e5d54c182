//! Whom a search means: those whose e-mail address, name or distinct id begins with it, who have it as their UUID, and among the
//! newest people those with it anywhere in address or name.
//!
//! It is asked in two ways that mean the same: everybody at once by the indexes, or each of some people.

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::PgError;
use super::persons_list::SEARCHED_INSIDE;
use super::property_filters::storable;
use crate::model::ProjectId;

/// How many people a search collects by each of its ways before it looks at everybody in order instead.
const MOST_HITS: i64 = 10_000;

/// As `persons_label` has it: the indexed beginning of what somebody is called.
pub(super) const LABEL: &str = r#"left(lower(coalesce(nullif(properties ->> 'email', ''), nullif(properties ->> 'name', ''), chr(1114109))), 200) COLLATE "C""#;
/// As `persons_name` has it.
const NAME: &str = r#"left(lower(properties ->> 'name'), 200) COLLATE "C""#;
/// How much of a text these hold.
const LABEL_CHARS: usize = 200;

/// The beginning of a text and the first text behind all that begin with it, in the order of bytes.
pub(super) fn beginning(text: &str) -> (String, String) {
    let from: String = storable(text).chars().take(LABEL_CHARS).collect();
    let until = format!("{from}\u{10ffff}");
    (from, until)
}

pub(super) type Transaction = sqlx::Transaction<'static, Postgres>;

/// Everybody that a search means; none if they are very many.
pub(super) async fn find_hits(
    tx: &mut Transaction,
    project: ProjectId,
    search: &str,
) -> Result<Option<Vec<i64>>, PgError> {
    let (from, until) = beginning(&search.to_lowercase());
    let (id_from, id_until) = beginning(search);
    let mut sql = QueryBuilder::new("(SELECT id FROM persons WHERE project_id = ");
    sql.push_bind(project);
    push_range(&mut sql, " AND ", LABEL, &from, &until).push(" LIMIT ").push_bind(MOST_HITS + 1);
    sql.push(")\nUNION\n(SELECT id FROM persons WHERE project_id = ").push_bind(project);
    sql.push(" AND properties ? 'email' AND properties ? 'name'");
    push_range(&mut sql, " AND ", NAME, &from, &until).push(" LIMIT ").push_bind(MOST_HITS + 1);
    sql.push(")\nUNION\n(SELECT person_id FROM person_distinct_ids WHERE project_id = ").push_bind(project);
    push_beginning(&mut sql, " AND distinct_id", &id_from, &id_until).push(" LIMIT ").push_bind(MOST_HITS + 1);
    if let Ok(uuid) = search.parse::<Uuid>() {
        sql.push(")\nUNION\n(SELECT id FROM persons WHERE project_id = ").push_bind(project);
        sql.push(" AND uuid = ").push_bind(uuid);
    }
    // There is no index of what stands inside.
    sql.push(")\nUNION\n(SELECT id FROM (SELECT id, properties FROM persons WHERE project_id = ").push_bind(project);
    sql.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(SEARCHED_INSIDE).push(") newest");
    sql.push(" WHERE strpos(lower(properties ->> 'email'), ").push_bind(from.clone());
    sql.push(") > 0 OR strpos(lower(properties ->> 'name'), ").push_bind(from).push(") > 0)");
    let ids: Vec<i64> = sql.build_query_scalar().fetch_all(&mut **tx).await?;
    Ok(Some(ids).filter(|ids| ids.len() as i64 <= MOST_HITS))
}

fn push_range<'a>(
    sql: &'a mut QueryBuilder<Postgres>,
    before: &'static str,
    what: &'static str,
    from: &str,
    until: &str,
) -> &'a mut QueryBuilder<Postgres> {
    sql.push(before).push(what).push(" >= ").push_bind(from.to_owned());
    sql.push(" AND ").push(what).push(" < ").push_bind(until.to_owned())
}

fn push_beginning<'a>(
    sql: &'a mut QueryBuilder<Postgres>,
    what: &'static str,
    from: &str,
    until: &str,
) -> &'a mut QueryBuilder<Postgres> {
    sql.push(what).push(" >= ").push_bind(from.to_owned());
    sql.push(what).push(" < ").push_bind(until.to_owned())
}

/// Pushes the condition that a search means somebody: it means those that `find_hits` finds.
pub(super) fn push_search(sql: &mut QueryBuilder<Postgres>, project: ProjectId, search: &str) {
    let (from, until) = beginning(&search.to_lowercase());
    let (id_from, id_until) = beginning(search);
    push_range(sql, "\n  AND (", LABEL, &from, &until);
    push_range(sql, " OR ", NAME, &from, &until);
    // Asked once whether anybody has such an id, and then person by person: OFFSET keeps it from collecting all such ids.
    sql.push(" OR EXISTS (SELECT FROM person_distinct_ids WHERE project_id = ").push_bind(project);
    push_beginning(sql, " AND distinct_id", &id_from, &id_until);
    sql.push(") AND EXISTS (SELECT FROM person_distinct_ids d WHERE d.person_id = persons.id");
    push_beginning(sql, " AND d.distinct_id", &id_from, &id_until).push(" OFFSET 0)");
    if let Ok(uuid) = search.parse::<Uuid>() {
        sql.push(" OR uuid = ").push_bind(uuid);
    }
    sql.push("\n    OR (strpos(lower(properties ->> 'email'), ").push_bind(from.clone());
    sql.push(") > 0 OR strpos(lower(properties ->> 'name'), ").push_bind(from);
    // Nobody stands there where all are among the newest.
    sql.push(") > 0) AND coalesce((created_at, id) >= (SELECT created_at, id FROM persons WHERE project_id = ");
    sql.push_bind(project).push(" ORDER BY created_at DESC, id DESC OFFSET ").push_bind(SEARCHED_INSIDE - 1);
    sql.push(" LIMIT 1), true))");
}
