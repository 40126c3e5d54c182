//! How an answer is wished, and what comes of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::flights::Held;
use super::{Lane, QueryKey, QueryStatus};
use crate::model::ProjectId;

/// A question as it is run.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    pub project: ProjectId,
    pub key: QueryKey,
    pub lane: Lane,
    /// Answers from before are not used.
    pub void_before: Option<Timestamp>,
}

/// An answer that was just made.
#[derive(Debug)]
pub struct Ran<T> {
    pub value: T,
    /// What it takes of memory, about.
    pub bytes: usize,
    pub fresh_for: Duration,
}

/// How an answer is wanted, in the words of the query API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wish {
    /// A fresh one, waited for.
    #[default]
    Blocking,
    /// A new one, waited for.
    ForceBlocking,
    /// A fresh one, or the status of one that is on its way.
    Async,
    /// Any there is, or such a status.
    LazyAsync,
    /// Any there is, and if it is not fresh a new one on its way; without any, one that is waited for.
    AsyncExceptOnCacheMiss,
    /// The status of a new one.
    ForceAsync,
    /// Any there is.
    ForceCache,
}

/// What somebody who asks gets.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        answered: Answered,
        status: Option<QueryStatus>,
    },
    Pending(QueryStatus),
    /// Only a kept answer was wanted, and there is none.
    Missing,
}

/// An answer, and how old it is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Answered {
    held: Arc<Held>,
    is_cached: bool,
}

impl Answered {
    pub(super) fn new(held: Arc<Held>, is_cached: bool) -> Self {
        Self { held, is_cached }
    }

    /// The answer itself.
    ///
    /// # Panics
    /// If the question was run for another type: [`QueryKey::of`] keeps those apart.
    #[must_use]
    pub fn value<T: 'static>(&self) -> &T {
        self.held.value.downcast_ref().expect("a key is of one type")
    }

    /// Whether it was made for somebody else before.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.is_cached
    }

    /// When the store was asked.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.held.asked_at
    }

    /// When whoever asks gets a new one.
    #[must_use]
    pub fn fresh_until(&self) -> Timestamp {
        self.held.asked_at.checked_add(self.held.fresh_for).unwrap_or(self.held.asked_at)
    }

    pub(super) fn bytes(&self) -> usize {
        self.held.bytes
    }
}

impl Wish {
    /// Every wish by its word.
    pub const WORDS: &[(&str, Self)] = &[
        ("blocking", Self::Blocking),
        ("async", Self::Async),
        ("async_except_on_cache_miss", Self::AsyncExceptOnCacheMiss),
        ("lazy_async", Self::LazyAsync),
        ("force_blocking", Self::ForceBlocking),
        ("force_async", Self::ForceAsync),
        ("force_cache", Self::ForceCache),
    ];
}
