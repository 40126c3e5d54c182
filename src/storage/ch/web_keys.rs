//! By what a table of web analytics has its rows: values of events or sessions, and how pages among them are made alike.

use super::Sql;

/// A rule that makes paths of one page alike: what matches is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    pub pattern: String,
    pub replacement: String,
}

/// Which values a table has rows for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebKeys {
    /// Those of events: the columns `key0`, `key1` … of the events, so many.
    Event(usize),
    /// One of each session.
    Session(WebSessionKey),
}

/// What a session is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSessionKey {
    EntryPath,
    ExitPath,
    /// The address of the last link to another site that was clicked.
    ExitClick,
    ReferringDomain,
    /// The referrer's address without what follows `?` and `#`.
    ReferringUrl,
    UtmSource,
    UtmMedium,
    UtmCampaign,
    UtmTerm,
    UtmContent,
    /// `source / medium / campaign`; the referring domain stands for a source that is missing.
    SourceMediumCampaign,
    ChannelType,
}

impl WebSessionKey {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::EntryPath => "session.entry_pathname",
            Self::ExitPath => "session.exit_pathname",
            Self::ExitClick => "nullIf(click.url, '')",
            Self::ReferringDomain => "session.referring_domain",
            Self::ReferringUrl => "cutQueryStringAndFragment(session.referrer)",
            Self::UtmSource => "session.utm_source",
            Self::UtmMedium => "session.utm_medium",
            Self::UtmCampaign => "session.utm_campaign",
            Self::UtmTerm => "session.utm_term",
            Self::UtmContent => "session.utm_content",
            Self::SourceMediumCampaign => {
                "concat(coalesce(session.utm_source, concat('referrer:', session.referring_domain), '(none)'), ' / ', \
                 ifNull(session.utm_medium, '(none)'), ' / ', ifNull(session.utm_campaign, '(none)'))"
            }
            Self::ChannelType => "session.channel_type",
        }
    }

    pub(super) fn is_path(self) -> bool {
        matches!(self, Self::EntryPath | Self::ExitPath)
    }

    /// The same behind the host of its page.
    pub(super) fn with_host(self) -> &'static str {
        match self {
            Self::EntryPath => ENTRY_PAGE,
            Self::ExitPath => "nullIf(concat(ifNull(session.exit_host, ''), ifNull(session.exit_pathname, '')), '')",
            _ => self.sql(),
        }
    }
}

/// The page that a session began on, with its host.
pub(super) const ENTRY_PAGE: &str =
    "nullIf(concat(ifNull(session.entry_host, ''), ifNull(session.entry_pathname, '')), '')";

/// What becomes of rows whose value is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebNones {
    AreShown,
    AreLeftOut,
    /// Those whose second part is missing are.
    OfSecondAreLeftOut,
    /// Those of which any part is missing or zero are.
    AndZerosAreLeftOut,
}

impl WebNones {
    /// The condition that a row is shown, if not all are.
    pub(super) fn condition(self) -> Option<&'static str> {
        match self {
            Self::AreShown => None,
            Self::AreLeftOut => Some("isNotNull(key0)"),
            Self::OfSecondAreLeftOut => Some("isNotNull(key1)"),
            Self::AndZerosAreLeftOut => Some("ifNull(key0, 0) != 0 AND ifNull(key1, 0) != 0"),
        }
    }
}

/// A page with all rules applied to its path, which stands behind a host or alone.
pub(super) fn cleaned_page(rules: &[PathRule], has_hosts: bool, page: &Sql) -> Sql {
    if !has_hosts || rules.is_empty() {
        return cleaned(rules, page);
    }
    // A host has no slash in it, and a path begins with one.
    let mut path = Sql::new("substring(");
    path.append(page).push(", position(").append(page).push(", '/'))");
    let mut sql = Sql::new("if(position(ifNull(");
    sql.append(page)
        .push(", ''), '/') = 0, ")
        .append(page)
        .push(", concat(substring(")
        .append(page)
        .push(", 1, position(");
    sql.append(page).push(", '/') - 1), ").append(&cleaned(rules, &path)).push("))");
    sql
}

/// A path with all rules applied to it, each to what the one before it gave.
fn cleaned(rules: &[PathRule], path: &Sql) -> Sql {
    rules.iter().fold(path.clone(), |path, rule| {
        let mut sql = Sql::new("replaceRegexpAll(");
        sql.append(&path).push(", ").text_literal(&rule.pattern).push(", ").text_literal(&rule.replacement).push(")");
        sql
    })
}
