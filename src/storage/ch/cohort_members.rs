//! Who was put into static cohorts, by number: who that is after merges is looked up when it is asked.

use super::row_binary::RowBinary;
use super::{ChError, ClickHouse, Sql};
use crate::model::{CohortId, PersonId, ProjectId};

impl ClickHouse {
    /// Puts people into a cohort, or takes them out. Of what is said of one, the highest version counts. Saying it again
    /// changes nothing.
    ///
    /// # Errors
    /// If ClickHouse refuses or does not answer.
    pub async fn set_cohort_members(
        &self,
        project: ProjectId,
        cohort: CohortId,
        people: &[PersonId],
        is_in: bool,
        version: u64,
    ) -> Result<(), ChError> {
        if people.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(people.len() * 29);
        for person in people {
            rows.put_u32(project.as_u32());
            rows.put_u64(cohort.get().cast_unsigned());
            rows.put_u64(person.get());
            rows.put_u64(version);
            rows.push(u8::from(!is_in));
        }
        let sql = "INSERT INTO cohort_members (project_id, cohort_id, person, version, is_deleted) FORMAT RowBinary";
        self.insert_mirror(sql, rows).await
    }

    /// Puts those whom a statement gives into a cohort: its one column holds numbers.
    ///
    /// # Errors
    /// If ClickHouse refuses, takes too long or does not answer.
    pub async fn fill_cohort(
        &self,
        project: ProjectId,
        cohort: CohortId,
        people: &Sql,
        version: u64,
    ) -> Result<(), ChError> {
        let mut sql = Sql::new(
            "INSERT INTO cohort_members (project_id, cohort_id, person, version, is_deleted)\nSELECT DISTINCT ",
        );
        sql.param("UInt32", project).push(", ").param("UInt64", cohort.get().cast_unsigned());
        sql.push(", people.*, ").param("UInt64", version).push(", false\nFROM (").append(people).push(") AS people");
        let fill = self
            .client()
            .query_raw(sql.text())
            .with_setting("async_insert", "0")
            .with_setting("max_execution_time", "60")
            .with_setting("max_memory_usage", "1000000000");
        let fill =
            sql.params().iter().enumerate().fold(fill, |fill, (at, value)| fill.param(&Sql::param_name(at), value));
        fill.execute().await
    }

    /// The cohorts into which somebody was put under any of these numbers.
    ///
    /// # Errors
    /// If ClickHouse does not answer.
    pub async fn list_cohorts_of(&self, project: ProjectId, people: &[PersonId]) -> Result<Vec<CohortId>, ChError> {
        let numbers: Vec<u64> = people.iter().map(|person| person.get()).collect();
        let mut sql = Sql::new("SELECT DISTINCT cohort_id FROM cohort_members FINAL WHERE project_id = ");
        sql.param("UInt32", project).push(" AND NOT is_deleted AND person IN ").param("Array(UInt64)", numbers);
        sql.push(" ORDER BY cohort_id");
        let found: Vec<u64> = self.ask(&sql).fetch_all().await?;
        Ok(found.into_iter().map(|id| CohortId::new(id.cast_signed())).collect())
    }

    /// Forgets who was in a cohort.
    ///
    /// # Errors
    /// If ClickHouse does not answer; doing it again is harmless.
    pub async fn delete_cohort_members(&self, project: ProjectId, cohort: CohortId) -> Result<(), ChError> {
        let (project, cohort) = (project.as_u32(), cohort.get().cast_unsigned());
        self.mutate(&format!("DELETE FROM cohort_members WHERE project_id = {project} AND cohort_id = {cohort}")).await
    }
}
