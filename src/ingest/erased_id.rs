//! Distinct ids of erased people, as they are remembered: by a keyed hash, so that neither the mark nor the receipt says who
//! it was, and somebody who knows the id and has this installation's key can still tell.

use ring::hmac;

use crate::model::ProjectId;
use crate::storage::pg::{Pg, PgError};

/// What ids are hashed with: this installation's, made on first use.
#[derive(Debug, Clone)]
pub struct IdSecret(hmac::Key);

impl IdSecret {
    /// With this secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The installation's.
    ///
    /// # Errors
    /// If Postgres does not answer, or the system has no random numbers.
    pub async fn load(pg: &Pg) -> Result<Self, PgError> {
        let mut fresh = [0; 32];
        getrandom::fill(&mut fresh).map_err(|e| PgError::Io(std::io::Error::other(e.to_string())))?;
        Ok(Self::new(&pg.install_secret("erased_ids", &fresh).await?))
    }

    /// The hash of a project's distinct id: 16 bytes.
    #[must_use]
    pub fn hash(&self, project: ProjectId, distinct_id: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&project.get().to_be_bytes());
        context.update(distinct_id.as_bytes());
        context.sign().as_ref()[..16].to_vec()
    }
}
