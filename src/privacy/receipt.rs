//! Receipts: what an erasure did, signed with a key of this installation (Ed25519). It names nobody: the subject is a keyed
//! hash.
//!
//! To check one without Tenrec, verify `signature` over the bytes of `receipt` with `public_key`; all three stand in the
//! download, the last two in base64. That the key is this installation's says `GET /api/privacy/public_key/`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Privacy, PrivacyError};
use crate::storage::pg::{ErasureRow, Pg};

/// A receipt as it is downloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// The exact text that is signed: JSON.
    pub receipt: String,
    pub algorithm: String,
    /// In base64.
    pub public_key: String,
    /// In base64.
    pub signature: String,
}

/// What receipts are signed with.
pub(super) struct Signer(Ed25519KeyPair);

impl Signer {
    /// The installation's, made on first use.
    pub async fn load(pg: &Pg) -> Result<Self, PrivacyError> {
        const DAMAGED: PrivacyError = PrivacyError::Damaged("the key of receipts cannot be made or read");
        let fresh = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| DAMAGED)?;
        let secret = pg.install_secret("receipts", fresh.as_ref()).await?;
        Ed25519KeyPair::from_pkcs8(&secret).map(Self).map_err(|_| DAMAGED)
    }

    /// The receipt's text and its signature.
    pub fn sign(&self, row: &ErasureRow, notes: &[String]) -> (String, Vec<u8>) {
        let text = text(row, notes);
        let signature = self.0.sign(text.as_bytes()).as_ref().to_vec();
        (text, signature)
    }

    fn public_key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }
}

fn text(row: &ErasureRow, notes: &[String]) -> String {
    let receipt = json!({
        "kind": "tenrec.erasure",
        "version": 1,
        "id": row.id,
        "project_id": row.project_id,
        "subject": row.subject,
        "subject_is": "HMAC-SHA256 of the project's number and the first distinct id, 16 bytes, with a key of this installation",
        "requested_by": row.requested_by,
        "requested_at": row.requested_at,
        "erased_until": row.until,
        "events_kept": row.keeps_events,
        "gone_from_queries_at": row.hidden_at,
        "gone_from_disk_at": row.finished_at,
        "stores": row.stores,
        "notes": notes,
        "server": concat!("tenrec ", env!("CARGO_PKG_VERSION")),
    });
    serde_json::to_string_pretty(&receipt).expect("texts and numbers are JSON")
}

impl Privacy {
    /// A finished erasure's receipt; none before.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn receipt(&self, row: &ErasureRow) -> Result<Option<SignedReceipt>, PrivacyError> {
        let Some((receipt, signature)) = &row.receipt else { return Ok(None) };
        Ok(Some(SignedReceipt {
            receipt: receipt.clone(),
            algorithm: "Ed25519".to_owned(),
            public_key: self.public_key().await?,
            signature: STANDARD.encode(signature),
        }))
    }

    /// The key that receipts of this installation are verified with, in base64.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn public_key(&self) -> Result<String, PrivacyError> {
        Ok(Signer::load(&self.pg).await?.public_key())
    }

    /// Whether this installation signed a receipt, and nobody has changed it since.
    ///
    /// # Errors
    /// If Postgres does not answer.
    pub async fn is_ours(&self, receipt: &SignedReceipt) -> Result<bool, PrivacyError> {
        Ok(receipt.public_key == self.public_key().await? && verify(receipt))
    }
}

/// Whether the signature is right for the text and the key. Whose key it is, is another question.
#[must_use]
pub fn verify(receipt: &SignedReceipt) -> bool {
    let (Ok(key), Ok(signature)) = (STANDARD.decode(&receipt.public_key), STANDARD.decode(&receipt.signature)) else {
        return false;
    };
    receipt.algorithm == "Ed25519"
        && UnparsedPublicKey::new(&ED25519, key).verify(receipt.receipt.as_bytes(), &signature).is_ok()
}
