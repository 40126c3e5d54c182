//! Whose events count: people's, bots', or both.

use super::{InvalidQuery, Reader};

/// Whose events a question is about. An event is a bot's if it has a `$bot_class`; none is ever deleted for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Traffic {
    /// Everybody's.
    #[default]
    All,
    Humans,
    Bots,
}

impl Traffic {
    /// What an insight asks about if it does not say.
    pub const OF_INSIGHTS: Self = Self::Humans;

    /// Every choice by its word: in `traffic` of a query (an extension of the query API) and in addresses.
    pub const WORDS: &[(&str, Self)] = &[("humans", Self::Humans), ("bots", Self::Bots), ("all", Self::All)];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Humans => "humans",
            Self::Bots => "bots",
            Self::All => "all",
        }
    }

    /// As a page says it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Humans => "Humans",
            Self::Bots => "Bots",
            Self::All => "All",
        }
    }

    /// What a page says below an answer, so that nothing that is left out looks lost.
    #[must_use]
    pub fn note(self) -> &'static str {
        match self {
            Self::Humans => "Without bots",
            Self::Bots => "Bots only",
            Self::All => "Humans and bots",
        }
    }

    /// Whether it is another choice than an insight's own.
    #[must_use]
    pub fn is_unusual(self) -> bool {
        self != Self::OF_INSIGHTS
    }

    /// The choice of this word, if there is one.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, traffic)| *traffic)
    }

    /// As a query has it.
    ///
    /// # Errors
    /// If it is none of the words.
    pub fn read(reader: &Reader<'_>) -> Result<Self, InvalidQuery> {
        Ok(reader.word(Self::WORDS)?.unwrap_or(Self::OF_INSIGHTS))
    }
}
