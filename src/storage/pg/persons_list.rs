//! Lists of people: searched, filtered, sorted, a page at a time.
//!
//! A page is read along the index of its order from a place on, so that the last page of a million people costs as much as
//! the first. A search first looks at the people that follow there, [`LOOKED_AT`] for each that the page shows: one that means
//! many finds its page among them. Any other asks the indexes for everybody it may mean; only if that is a large part of the
//! project, people are looked at one after the other, however many.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::{FromRow, Postgres, QueryBuilder};

use super::persons_read::{PersonColumns, PersonRow};
use super::persons_search::{LABEL, Transaction, beginning, find_hits, push_search};
use super::property_filters::{push_filters, storable};
use super::{Pg, PgError, PgTime};
use crate::model::query::PropertyGroup;
use crate::model::{PersonId, ProjectId};

/// By what a list of people is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PersonSort {
    /// When the profile was made.
    #[default]
    Created,
    LastSeen,
    /// What they are called: e-mail address, else name; those without either come last.
    Label,
}

/// How a list of people is sorted; the default is newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PersonOrder {
    pub by: PersonSort,
    pub is_descending: bool,
}

impl Default for PersonOrder {
    fn default() -> Self {
        Self { by: PersonSort::Created, is_descending: true }
    }
}

/// Which people; the default is all, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PersonQuery {
    /// The beginning of an e-mail address, a name or a distinct id; a UUID; among the newest [`SEARCHED_INSIDE`] people any
    /// part of address or name.
    pub search: Option<String>,
    /// Who has exactly this distinct id.
    pub distinct_id: Option<String>,
    /// Who has this e-mail address, in any case.
    pub email: Option<String>,
    /// Conditions on their properties.
    pub filters: PropertyGroup,
    pub order: PersonOrder,
}

/// A place in a list of people. Its text is for a URL and reads back as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonCursor {
    at: Place,
    id: PersonId,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Moment(Timestamp),
    Label(String),
}

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PersonPage {
    #[default]
    First,
    /// The people that follow this place.
    After(PersonCursor),
    /// The people just before this place.
    Before(PersonCursor),
}

/// A page of people, in the list's order.
#[derive(Debug, Clone, Default)]
pub struct PersonSlice {
    pub people: Vec<PersonRow>,
    /// Whether more follow in the direction that was read.
    pub has_more: bool,
    /// The places of the first and the last of them.
    pub edges: Option<(PersonCursor, PersonCursor)>,
}

/// Among how many of the newest people a search looks inside names and addresses, and not only at their beginning.
pub const SEARCHED_INSIDE: i64 = 10_000;

/// How many people a search looks at for each that a page shows, before it asks the indexes.
const LOOKED_AT: usize = 20;

/// How long a list that no index answers may be looked for, in milliseconds.
const MOST_MS: &str = "SET LOCAL statement_timeout = 10000";

#[derive(FromRow)]
struct ListColumns {
    #[sqlx(flatten)]
    person: PersonColumns,
    label: String,
}

impl PersonCursor {
    /// Whether it is a place in a list of this order.
    #[must_use]
    pub fn fits(&self, order: PersonOrder) -> bool {
        matches!(self.at, Place::Label(_)) == (order.by == PersonSort::Label)
    }

    fn of(person: &PersonRow, label: String, by: PersonSort) -> Self {
        let at = match by {
            PersonSort::Created => Place::Moment(person.created_at),
            PersonSort::LastSeen => Place::Moment(person.last_seen_at),
            PersonSort::Label => Place::Label(label),
        };
        Self { at, id: person.id }
    }
}

impl fmt::Display for PersonCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_row();
        match &self.at {
            Place::Moment(at) => write!(f, "{id}.{}", at.as_microsecond()),
            Place::Label(label) => write!(f, "{id}.~{label}"),
        }
    }
}

/// Not what a cursor looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in the list")]
pub struct InvalidPersonCursor;

impl FromStr for PersonCursor {
    type Err = InvalidPersonCursor;

    fn from_str(text: &str) -> Result<Self, InvalidPersonCursor> {
        let (id, place) = text.split_once('.').ok_or(InvalidPersonCursor)?;
        let id: i64 = id.parse().map_err(|_| InvalidPersonCursor)?;
        let at = match place.strip_prefix('~') {
            Some(label) if !label.contains('\0') => Place::Label(label.to_owned()),
            Some(_) => return Err(InvalidPersonCursor),
            None => {
                let micros = place.parse().map_err(|_| InvalidPersonCursor)?;
                Place::Moment(Timestamp::from_microsecond(micros).map_err(|_| InvalidPersonCursor)?)
            }
        };
        Ok(Self { at, id: PersonId::from_row(id) })
    }
}

/// Among whom a page is looked for.
enum Among<'a> {
    Everybody,
    /// These, by number.
    These(Vec<i64>),
    /// Those that the search means, of so many who follow in the list's order; of all if it is not said how many.
    Meant(&'a str, Option<usize>),
}

impl Pg {
    /// One page of a project's people, each with at most `most_ids` of their distinct ids. A page's cursor must fit the
    /// query's order.
    ///
    /// # Errors
    /// If Postgres does not answer, or the filters cannot be worked out in 10 seconds, or not at all:
    /// [`askers_mistake`](super::askers_mistake) tells.
    pub async fn list_persons(
        &self,
        project: ProjectId,
        query: &PersonQuery,
        page: &PersonPage,
        limit: usize,
        most_ids: i32,
    ) -> Result<PersonSlice, PgError> {
        let mut tx = self.pool.begin().await?;
        if query.search.is_some() || !query.filters.is_empty() {
            sqlx::query(MOST_MS).execute(&mut *tx).await?;
        }
        let read = async |tx: &mut Transaction, among| {
            let mut sql = page_sql(project, query, among, page, limit, most_ids);
            sql.build_query_as::<ListColumns>().fetch_all(&mut **tx).await
        };
        let rows = match query.search.as_deref() {
            None => read(&mut tx, Among::Everybody).await?,
            Some(search) => {
                let near = match query.order.by {
                    PersonSort::Created | PersonSort::LastSeen => {
                        read(&mut tx, Among::Meant(search, Some(limit.saturating_mul(LOOKED_AT)))).await?
                    }
                    // Those who are meant stand together.
                    PersonSort::Label => Vec::new(),
                };
                match near.len() > limit {
                    true => near,
                    false => {
                        let among = find_hits(&mut tx, project, search).await?;
                        read(&mut tx, among.map_or(Among::Meant(search, None), Among::These)).await?
                    }
                }
            }
        };
        tx.commit().await?;
        let has_more = rows.len() > limit;
        let mut people: Vec<(PersonCursor, PersonRow)> = rows
            .into_iter()
            .take(limit)
            .map(|row| {
                let person = PersonRow::from(row.person);
                (PersonCursor::of(&person, row.label, query.order.by), person)
            })
            .collect();
        if matches!(page, PersonPage::Before(_)) {
            people.reverse();
        }
        let edges = people.first().zip(people.last()).map(|(first, last)| (first.0.clone(), last.0.clone()));
        Ok(PersonSlice { people: people.into_iter().map(|(_, person)| person).collect(), has_more, edges })
    }

    /// The most frequent values of a property among the newest [`SEARCHED_INSIDE`] people, those that contain `search`, each
    /// with how many have it; at most 50.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_person_property_values(
        &self,
        project: ProjectId,
        key: &str,
        search: &str,
    ) -> Result<Vec<(String, i64)>, PgError> {
        sqlx::query_as(
            r"
            SELECT value, count(*)
            FROM (
                SELECT properties ->> $2 AS value
                FROM persons
                WHERE project_id = $1
                ORDER BY created_at DESC, id DESC
                LIMIT $4
            ) newest
            WHERE value <> '' AND length(value) <= 400 AND strpos(lower(value), lower($3)) > 0
            GROUP BY value
            ORDER BY count(*) DESC, value
            LIMIT 50
            ",
        )
        .bind(project)
        .bind(storable(key))
        .bind(storable(search))
        .bind(SEARCHED_INSIDE)
        .fetch_all(&self.pool)
        .await
    }
}

fn page_sql(
    project: ProjectId,
    query: &PersonQuery,
    among: Among<'_>,
    page: &PersonPage,
    limit: usize,
    most_ids: i32,
) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(
        "SELECT p.*, d.distinct_ids, d.distinct_id_count\nFROM (\n  SELECT id, uuid, properties, is_identified, \
         created_at, last_seen_at, ",
    );
    sql.push(LABEL).push(" AS label\n  FROM ");
    let along = Along::new(query, page);
    if let Among::Meant(_, Some(most)) = among {
        sql.push("(\n    SELECT * FROM persons\n    WHERE project_id = ").push_bind(project);
        along.push_place(&mut sql);
        along.push_order(&mut sql);
        sql.push(" LIMIT ").push_bind(count(most)).push("\n  ) AS ");
    }
    sql.push("persons\n  WHERE project_id = ").push_bind(project);
    match among {
        Among::Everybody => {}
        Among::These(ids) => drop(sql.push("\n  AND id = ANY(").push_bind(ids).push(")")),
        Among::Meant(search, _) => push_search(&mut sql, project, search),
    }
    if let Some(distinct_id) = &query.distinct_id {
        sql.push("\n  AND id = (SELECT person_id FROM person_distinct_ids WHERE project_id = ").push_bind(project);
        sql.push(" AND distinct_id = ").push_bind(storable(distinct_id)).push(")");
    }
    if let Some(email) = &query.email {
        let (label, _) = beginning(&email.to_lowercase());
        sql.push("\n  AND ").push(LABEL).push(" = ").push_bind(label);
        sql.push(" AND lower(properties ->> 'email') = lower(").push_bind(storable(email)).push(")");
    }
    push_filters(&mut sql, &query.filters);
    along.push_place(&mut sql);
    along.push_order(&mut sql);
    sql.push("\n  LIMIT ").push_bind(count(limit).saturating_add(1));
    sql.push(
        "\n) p\nCROSS JOIN LATERAL (\n  SELECT coalesce((array_agg(distinct_id ORDER BY length(distinct_id), \
         distinct_id))[1:",
    );
    sql.push_bind(most_ids);
    sql.push("], '{}') AS distinct_ids, count(*) AS distinct_id_count\n  FROM person_distinct_ids\n  WHERE person_id = p.id\n) d");
    let (column, direction) = (along.column, along.direction());
    sql.push(format_args!("\nORDER BY p.{column} {direction}, p.id {direction}"));
    sql
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The way a page is read along.
struct Along<'a> {
    /// What the list is sorted by: in its own columns, and in the table.
    column: &'static str,
    key: &'static str,
    is_descending: bool,
    from: Option<&'a PersonCursor>,
}

impl<'a> Along<'a> {
    fn new(query: &PersonQuery, page: &'a PersonPage) -> Self {
        let (column, key) = match query.order.by {
            PersonSort::Created => ("created_at", "created_at"),
            PersonSort::LastSeen => ("last_seen_at", "last_seen_at"),
            PersonSort::Label => ("label", LABEL),
        };
        let from = match page {
            PersonPage::First => None,
            PersonPage::After(cursor) | PersonPage::Before(cursor) => Some(cursor),
        };
        let is_descending = query.order.is_descending != matches!(page, PersonPage::Before(_));
        Self { column, key, is_descending, from }
    }

    fn direction(&self) -> &'static str {
        if self.is_descending { "DESC" } else { "ASC" }
    }

    fn push_place(&self, sql: &mut QueryBuilder<Postgres>) {
        let Some(cursor) = self.from else { return };
        sql.push("\n  AND (").push(self.key).push(", id) ").push(if self.is_descending { "<" } else { ">" }).push(" (");
        match &cursor.at {
            Place::Moment(at) => sql.push_bind(PgTime(*at)),
            Place::Label(label) => sql.push_bind(label.clone()),
        };
        sql.push(", ").push_bind(cursor.id.as_row()).push(")");
    }

    fn push_order(&self, sql: &mut QueryBuilder<Postgres>) {
        let (key, direction) = (self.key, self.direction());
        sql.push(format_args!("\n  ORDER BY {key} {direction}, id {direction}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_it_was_written() {
        let id = PersonId::from_row(7);
        for at in [
            Place::Moment(Timestamp::UNIX_EPOCH),
            Place::Label("a.b~c@example.com".into()),
            Place::Label(String::new()),
        ] {
            let cursor = PersonCursor { at, id };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "7", "7.", "x.1", "7.99999999999999999999", "7.~\0"] {
            assert_eq!(text.parse::<PersonCursor>(), Err(InvalidPersonCursor), "{text:?}");
        }
    }

    #[test]
    fn a_place_fits_lists_of_its_order_only() {
        let cursor: PersonCursor = "7.~ada".parse().expect("a place");
        assert!(cursor.fits(PersonOrder { by: PersonSort::Label, is_descending: true }));
        assert!(!cursor.fits(PersonOrder::default()));
    }
}
