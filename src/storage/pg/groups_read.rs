//! Reading groups: the types of a project, lists of groups, one group.

use jiff::Timestamp;
use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{FromRow, QueryBuilder};

use super::property_filters::{push_filters, storable};
use super::{Pg, PgError, PgTime};
use crate::model::ProjectId;
use crate::model::query::PropertyGroup;

/// A kind of groups: at most five a project, numbered from 0 in the order in which they appeared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTypeRow {
    pub index: i16,
    pub name: String,
}

/// A group, such as a company.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRow {
    /// Which type of the project's.
    pub index: i16,
    pub key: String,
    pub properties: Map<String, Value>,
    pub created_at: Timestamp,
}

/// Which groups of a type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupQuery {
    /// Any part of a key or a name.
    pub search: Option<String>,
    pub filters: PropertyGroup,
}

/// Which page of a list of groups, which is sorted by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GroupPage {
    #[default]
    First,
    /// The groups that follow this key.
    After(String),
    /// The groups just before this key.
    Before(String),
}

/// A page of groups, sorted by key.
#[derive(Debug, Clone, Default)]
pub struct GroupSlice {
    pub groups: Vec<GroupRow>,
    /// Whether more follow in the direction that was read.
    pub has_more: bool,
}

#[derive(FromRow)]
struct GroupColumns {
    type_index: i16,
    key: String,
    properties: Json<Map<String, Value>>,
    created_at: PgTime,
}

impl From<GroupColumns> for GroupRow {
    fn from(row: GroupColumns) -> Self {
        let mut properties = row.properties.0;
        properties.sort_keys();
        Self { index: row.type_index, key: row.key, properties, created_at: row.created_at.into() }
    }
}

impl GroupRow {
    /// How the group is called: by its property `name`, else by its key.
    #[must_use]
    pub fn label(&self) -> &str {
        let name = self.properties.get("name").and_then(Value::as_str);
        name.filter(|name| !name.trim().is_empty()).unwrap_or(&self.key)
    }
}

const COLUMNS: &str = "SELECT type_index, key, properties, created_at\nFROM groups\nWHERE project_id = ";

impl Pg {
    /// The group types of a project, in their order.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_group_types(&self, project: ProjectId) -> Result<Vec<GroupTypeRow>, PgError> {
        let rows: Vec<(i16, String)> =
            sqlx::query_as("SELECT type_index, name FROM group_types WHERE project_id = $1 ORDER BY type_index")
                .bind(project)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|(index, name)| GroupTypeRow { index, name }).collect())
    }

    /// One page of the groups of a type.
    ///
    /// # Errors
    /// If Postgres does not answer, or the search takes longer than 10 seconds or cannot be worked out:
    /// [`askers_mistake`](super::askers_mistake) tells.
    pub async fn list_groups(
        &self,
        project: ProjectId,
        index: i16,
        query: &GroupQuery,
        page: &GroupPage,
        limit: usize,
    ) -> Result<GroupSlice, PgError> {
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push_bind(project).push(" AND type_index = ").push_bind(index);
        if let Some(search) = &query.search {
            let search = storable(search);
            sql.push("\n  AND (strpos(lower(key), lower(").push_bind(search.clone());
            sql.push(")) > 0 OR strpos(lower(properties ->> 'name'), lower(").push_bind(search).push(")) > 0)");
        }
        push_filters(&mut sql, &query.filters);
        match page {
            GroupPage::First => {}
            GroupPage::After(key) => drop(sql.push("\n  AND key > ").push_bind(storable(key))),
            GroupPage::Before(key) => drop(sql.push("\n  AND key < ").push_bind(storable(key))),
        }
        let is_upwards = matches!(page, GroupPage::Before(_));
        sql.push(if is_upwards { "\nORDER BY key DESC\nLIMIT " } else { "\nORDER BY key\nLIMIT " });
        sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let mut tx = self.pool.begin().await?;
        sqlx::query("SET LOCAL statement_timeout = 10000").execute(&mut *tx).await?;
        let rows: Vec<GroupColumns> = sql.build_query_as().fetch_all(&mut *tx).await?;
        tx.commit().await?;
        let has_more = rows.len() > limit;
        let mut groups: Vec<GroupRow> = rows.into_iter().take(limit).map(GroupRow::from).collect();
        if is_upwards {
            groups.reverse();
        }
        Ok(GroupSlice { groups, has_more })
    }

    /// One group.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn find_group(&self, project: ProjectId, index: i16, key: &str) -> Result<Option<GroupRow>, PgError> {
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push_bind(project).push(" AND type_index = ").push_bind(index);
        sql.push(" AND key = ").push_bind(storable(key));
        let row: Option<GroupColumns> = sql.build_query_as().fetch_optional(&self.pool).await?;
        Ok(row.map(GroupRow::from))
    }

    /// How the groups with these types and keys are called; those that were never described are left out.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn list_groups_by_key(
        &self,
        project: ProjectId,
        groups: &[(i16, String)],
    ) -> Result<Vec<GroupRow>, PgError> {
        let (indexes, keys): (Vec<i16>, Vec<String>) =
            groups.iter().map(|(index, key)| (*index, storable(key))).unzip();
        let mut sql = QueryBuilder::new(COLUMNS);
        sql.push_bind(project).push(" AND (type_index, key) IN (SELECT * FROM UNNEST(").push_bind(indexes);
        sql.push("::smallint[], ").push_bind(keys).push("::text[]))");
        let rows: Vec<GroupColumns> = sql.build_query_as().fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(GroupRow::from).collect())
    }
}
