//! A project's privacy: who was erased and with what receipt, who opted out, visitors without cookies.

mod erase;
mod erasure;
mod overview;

pub use erase::{get_erase, get_export, post_erase};
pub use erasure::{get_erasure, get_receipt};
pub use overview::{add_opt_out, get, post_choices, remove_opt_out};

use crate::http::{AppState, Cause};
use crate::model::ProjectId;
use crate::storage::pg::{ErasureRow, ErasureStep, StoreCount, SubjectName};
use crate::web::insights::grouped;

/// The address of the page.
fn href(project: ProjectId) -> String {
    format!("/project/{project}/privacy")
}

/// Whom a text means: a person by UUID, whoever has the distinct id or the e-mail address, else the distinct id itself.
async fn named(state: &AppState, project: ProjectId, text: &str) -> Result<SubjectName, Cause> {
    let text = text.trim();
    if text.is_empty() || text.contains('\0') {
        return Err(Cause::NotFound);
    }
    if let Ok(uuid) = text.parse()
        && state.pg.find_person_by_uuid(project, uuid).await?.is_some()
    {
        return Ok(SubjectName::Uuid(uuid));
    }
    if state.pg.find_person_uuid(project, text).await?.is_some() {
        return Ok(SubjectName::DistinctId(text.to_owned()));
    }
    match state.pg.list_persons_by_email(project, &[text.to_owned()]).await?[..] {
        [] => Ok(SubjectName::DistinctId(text.to_owned())),
        [uuid] => Ok(SubjectName::Uuid(uuid)),
        [..] => {
            let detail = "Several people have this e-mail address. Search for it in People: each has a page from which they are \
                          exported and erased.";
            Err(Cause::invalid("person", detail))
        }
    }
}

/// What a store is called.
fn store_label(store: &str) -> &str {
    match store {
        "postgres.persons" => "Profile",
        "postgres.distinct_ids" => "Distinct IDs",
        "postgres.merges" => "Records of merged ids",
        "postgres.merge_log" => "Lines of the merge log",
        "postgres.merged_profiles" => "Profiles from before merges",
        "postgres.edits" => "Changes by hand",
        "postgres.duplicates" => "Values found by the search for duplicates",
        "postgres.unstored_samples" => "Samples of rejected and quarantined events",
        "clickhouse.events" => "Events",
        "clickhouse.sessions" => "Session rows",
        "clickhouse.person_overrides" => "Copies of those records for queries",
        "clickhouse.persons" => "Copies of the profile for queries",
        "clickhouse.cohort_members" => "Places in static cohorts",
        "clickhouse.person_distinct_ids" => "Copies of the distinct IDs for queries",
        "quarantine.events" => "Events in the quarantine's files",
        "spool.events" => "Events in the spool",
        other => other,
    }
}

/// One line of counts.
#[derive(Debug)]
struct CountLine {
    label: String,
    place: &'static str,
    /// How many, in words.
    before: String,
    /// What it says once it is known.
    after: Option<String>,
}

fn count_lines(stores: &[StoreCount]) -> Vec<CountLine> {
    let place = |store: &str| match store.split('.').next() {
        Some("postgres") => "Postgres",
        Some("clickhouse") => "ClickHouse",
        _ => "Disk of this server",
    };
    let line = |count: &StoreCount| CountLine {
        label: store_label(&count.store).to_owned(),
        place: place(&count.store),
        before: grouped(count.before),
        after: count.after.map(grouped),
    };
    stores.iter().map(line).collect()
}

/// How far an erasure is: a word, what it means, and the badge's look.
fn progress(row: &ErasureRow) -> (&'static str, &'static str, &'static str) {
    match row.step {
        ErasureStep::Hide | ErasureStep::Settle => {
            ("Deleting", "The person's rows are leaving every query. This takes seconds.", "is-accent")
        }
        ErasureStep::Scrub => (
            "Gone from queries",
            "Nothing finds the person any more. The stores' files are being written anew without them.",
            "is-accent",
        ),
        ErasureStep::Wait => (
            "Gone from queries",
            "Nothing finds the person any more. The files that were replaced go in a few minutes; then the receipt is signed.",
            "is-accent",
        ),
        ErasureStep::Done => ("Erased", "Nothing of the person is left, and the receipt is signed.", "is-good"),
    }
}
