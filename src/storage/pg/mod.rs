//! Postgres: accounts, persons, insights. One file per resource, each adding its statements to [`Pg`].

mod accounts;
mod actions;
mod address;
mod cohorts;
mod cookieless;
mod dashboards;
mod definitions;
mod duplicates;
mod erase_subject;
mod erasures;
mod group_changes;
mod group_edits;
mod groups_read;
mod identity_tx;
mod insights;
mod invitations;
mod ledger;
mod merge_log;
mod migrate;
mod person_changes;
mod person_edits;
mod person_history;
mod person_merges;
mod personal_keys;
mod persons;
mod persons_list;
mod persons_read;
mod persons_search;
mod privacy;
mod project_settings;
mod projects;
mod property_filters;
mod recent_persons;
mod scrub;
mod setup;
mod sign_ins;
mod time;
mod turn;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

pub use accounts::{Member, MemberChange, UserWithPassword};
pub use actions::{ACTION_NAME_TAKEN, ActionChanges, ActionRow};
pub use address::{InvalidDatabaseUrl, PgAddress};
pub use cohorts::{CohortChanges, CohortRow, PeopleBy};
pub use dashboards::{NewTile, Tile};
pub use definitions::{EventDefinition, KnownProperty, PropertyDefinition, PropertyKind, SeenProperty};
pub use duplicates::{Duplicate, DuplicateSearch, MAX_DUPLICATES, MAX_SHARING, MergeCandidate};
pub use erase_subject::{ErasureSubject, SubjectName};
pub use erasures::{ErasureRow, ErasureStep, NewErasure, StoreCount};
pub use group_changes::GroupChanges;
pub use groups_read::{GroupPage, GroupQuery, GroupRow, GroupSlice, GroupTypeRow};
pub use identity_tx::{
    GroupChange, GroupType, IdentityAnswer, IdentityChanges, IdentityQuestion, KnownId, KnownProject, MergeCause,
    MergedPerson, NewDistinctId, NewMerge, PersonState,
};
pub use insights::{NewInsight, SavedInsight};
pub use invitations::{Invitation, NewInvitation, NewMember};
pub use ledger::{LedgerBatch, LedgerCount, LedgerOutcome, LedgerRow, UnstoredEvent, UnstoredKind, UnstoredRow};
pub use merge_log::{MergeLine, MergePage};
pub use migrate::{MigrateError, MigrationLock};
pub use person_changes::{PersonChanges, WrittenPersons};
pub use person_edits::{EditOutcome, PropertyEdit};
pub use person_history::{History, HistoryOf};
pub use person_merges::{MergeLink, Parting, PersonTree, RestoredPerson};
pub use personal_keys::{NewPersonalKey, PersonalKey};
pub use persons::{IdentityTx, OverrideChanges};
pub use persons_list::{
    InvalidPersonCursor, PersonCursor, PersonOrder, PersonPage, PersonQuery, PersonSlice, PersonSort, SEARCHED_INSIDE,
};
pub use persons_read::{PersonLabel, PersonRow};
pub use privacy::{ErasedId, LeftOutRows, OptOut};
pub use project_settings::ProjectSettingsChanges;
pub use projects::{NewProject, ProjectChanges, ProjectName};
pub use property_filters::askers_mistake;
pub use recent_persons::RecentPersons;
pub use scrub::Scrubbed;
pub use setup::{FirstOwner, NewUser};
pub use sign_ins::{NewSignIn, SignIn, SignedInUser};
pub use time::PgTime;
pub use turn::StoringTurn;

/// Why a statement failed.
pub type PgError = sqlx::Error;

/// A pool of connections to Postgres.
#[derive(Debug, Clone)]
pub struct Pg {
    pool: PgPool,
}

impl Pg {
    /// Makes a pool that connects when first used.
    #[must_use]
    pub fn new(options: PgConnectOptions, max_connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(options.application_name("tenrec"));
        Self { pool }
    }

    /// Whether Postgres answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<(), PgError> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }

    /// Postgres' clock and version.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn server_time_and_version(&self) -> Result<(PgTime, String), PgError> {
        sqlx::query_as::<_, (PgTime, String)>("SELECT clock_timestamp(), current_setting('server_version')")
            .fetch_one(&self.pool)
            .await
    }

    /// Gives back every connection; statements after this fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether the values themselves were refused (error class 22, such as a NUL in a text), so that trying again is vain.
#[must_use]
pub fn blames_data(error: &PgError) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code.starts_with("22"))
}

/// Whether a statement was given up because it took longer than it may.
#[must_use]
pub fn is_out_of_time(error: &PgError) -> bool {
    error.as_database_error().and_then(|e| e.code()).is_some_and(|code| code == "57014")
}

/// Whether a statement failed on the named constraint: how a race becomes a domain error.
#[must_use]
pub fn violates(error: &PgError, constraint: &str) -> bool {
    error.as_database_error().and_then(|e| e.constraint()) == Some(constraint)
}

/// Whether a statement failed because Postgres cannot be reached now: worth another try, unlike a wrong statement.
#[must_use]
pub fn is_unavailable(error: &PgError) -> bool {
    match error {
        PgError::Io(_) | PgError::Tls(_) | PgError::PoolTimedOut | PgError::PoolClosed | PgError::WorkerCrashed => true,
        // Class 57P: the server is starting, stopping or was told to end the connection; 53: it is out of something.
        PgError::Database(e) => e.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("53")),
        _ => false,
    }
}
