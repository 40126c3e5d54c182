//! The turn to store events: one instance after the other looks up what is stored and inserts the rest.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::{Pg, PgError};

/// Takes the turn, in one round trip. A transaction holds it, not the session, so that a pooler in between does no harm.
/// Nobody waits for ever: who holds it and says nothing for two minutes has lost it, as a machine without power has. The
/// number of the lock means nothing, but is the same for ever.
const TAKE: &str = "BEGIN;
    SET LOCAL lock_timeout = '20s';
    SET LOCAL idle_in_transaction_session_timeout = '120s';
    SELECT pg_advisory_xact_lock(8391735945668001794)";

/// Longer than the lock is waited for.
const TAKE_WITHIN: Duration = Duration::from_secs(25);
/// A Postgres that is silent for so long is as good as away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The turn of one instance to store, on a connection of its own. The next waits until it is released or the connection
/// ends, in the order of asking. Whoever waits for the locks of [`Pg::begin_identity`] too has taken the turn before.
#[derive(Debug)]
pub struct StoringTurn {
    options: Arc<PgConnectOptions>,
    connection: Option<PgConnection>,
    is_held: bool,
}

impl Pg {
    /// A turn that is not taken yet.
    #[must_use]
    pub fn storing_turn(&self) -> StoringTurn {
        StoringTurn { options: self.pool.connect_options(), connection: None, is_held: false }
    }
}

impl StoringTurn {
    /// Waits for the turn, 20 seconds at most; makes sure of it if it is held already. Cancelled, it is not held.
    ///
    /// # Errors
    /// If Postgres does not answer, or others had their turns all the time.
    pub async fn take(&mut self) -> Result<(), PgError> {
        if self.is_held {
            return self.confirm().await;
        }
        // After a failure the connection is dropped: what becomes of its transaction is then Postgres' affair.
        let held = self.connection.take();
        let connection = within(TAKE_WITHIN, async {
            let mut connection = match held {
                Some(connection) => connection,
                None => PgConnection::connect_with(&self.options).await?,
            };
            sqlx::raw_sql(TAKE).execute(&mut connection).await?;
            Ok(connection)
        })
        .await?;
        (self.connection, self.is_held) = (Some(connection), true);
        Ok(())
    }

    /// Makes sure that the turn is still held.
    ///
    /// # Errors
    /// If it is not known to be: another may have it.
    pub async fn confirm(&mut self) -> Result<(), PgError> {
        let Some(mut connection) = self.connection.take().filter(|_| std::mem::take(&mut self.is_held)) else {
            return Err(PgError::protocol("the turn to store was lost"));
        };
        within(ANSWER_WITHIN, sqlx::raw_sql("SELECT 1").execute(&mut connection)).await?;
        (self.connection, self.is_held) = (Some(connection), true);
        Ok(())
    }

    /// Gives the turn to the next, if it is held.
    pub async fn release(&mut self) {
        if !std::mem::take(&mut self.is_held) {
            return;
        }
        if let Some(mut connection) = self.connection.take()
            // If this fails the connection is dropped, and the turn with it.
            && within(ANSWER_WITHIN, sqlx::raw_sql("COMMIT").execute(&mut connection)).await.is_ok()
        {
            self.connection = Some(connection);
        }
    }
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, PgError>>) -> Result<T, PgError> {
    let late = |_| PgError::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(limit, answer).await.map_err(late)?
}
