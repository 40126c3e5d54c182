//! A session as far as one node knows it, and how two such parts become one.
//!
//! Everything in a [`SessionPartial`] is a minimum, a maximum, a sum or a small set: in whatever order events come and
//! whichever node got them, the parts put together give the same session.

use super::PersonId;

/// Hashes of addresses that a part keeps: so many different pages are counted exactly, and no more.
pub const MAX_URLS: usize = 100;
/// Longest session id, in characters. A longer one makes no session.
pub const MAX_SESSION_ID_CHARS: usize = 200;

/// An attribute that a session takes from its entry or its exit.
#[derive(Debug, Clone, Copy)]
pub struct SessionText {
    /// The column's name.
    pub column: &'static str,
    /// The event's property.
    pub property: &'static str,
    /// Longer texts are cut.
    pub max_bytes: usize,
    /// Whether only a view of a page or screen says it.
    pub is_of_view: bool,
}

const fn address(column: &'static str, property: &'static str, is_of_view: bool) -> SessionText {
    SessionText { column, property, max_bytes: 2048, is_of_view }
}

const fn word(column: &'static str, property: &'static str, is_of_view: bool) -> SessionText {
    SessionText { column, property, max_bytes: 400, is_of_view }
}

/// What a session takes from its entry.
pub const ENTRY_TEXTS: [SessionText; 25] = [
    address("entry_url", "$current_url", true),
    address("entry_pathname", "$pathname", true),
    word("entry_host", "$host", true),
    word("entry_title", "title", true),
    word("entry_screen", "$screen_name", true),
    address("referrer", "$referrer", false),
    word("referring_domain", "$referring_domain", false),
    word("utm_source", "utm_source", false),
    word("utm_medium", "utm_medium", false),
    word("utm_campaign", "utm_campaign", false),
    word("utm_content", "utm_content", false),
    word("utm_term", "utm_term", false),
    word("channel_type", "$channel_type", false),
    word("device_type", "$device_type", false),
    word("browser", "$browser", false),
    word("os", "$os", false),
    word("country_code", "$geoip_country_code", false),
    word("country_name", "$geoip_country_name", false),
    word("region", "$geoip_subdivision_1_name", false),
    word("city", "$geoip_city_name", false),
    word("language", "$browser_language", false),
    word("timezone", "$timezone", false),
    word("lib", "$lib", false),
    word("bot_class", "$bot_class", false),
    word("bot_rule", "$bot_rule", false),
];

/// What a session takes from its exit.
pub const EXIT_TEXTS: [SessionText; 4] = [
    address("exit_url", "$current_url", true),
    address("exit_pathname", "$pathname", true),
    word("exit_host", "$host", true),
    word("exit_screen", "$screen_name", true),
];

/// Properties that a link of an advertisement or a network leaves on the first page; a session keeps those of its entry.
pub const CLICK_IDS: [&str; 18] = [
    "gclid",
    "gad_source",
    "gclsrc",
    "dclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "msclkid",
    "twclid",
    "li_fat_id",
    "mc_cid",
    "igshid",
    "ttclid",
    "rdt_cid",
    "epik",
    "qclid",
    "irclid",
    "ScCid",
];
/// Longest click id, in bytes.
pub const MAX_CLICK_ID_BYTES: usize = 400;

/// Where an event stands in a session: by its time, and by its uuid among events of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionPoint {
    /// Microseconds since the epoch.
    pub at: i64,
    /// Decides between events of one moment.
    pub tie: u64,
}

/// How a session begins: its first view of a page or screen, or its first event if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEntry {
    pub is_view: bool,
    pub point: SessionPoint,
    /// One for each of [`ENTRY_TEXTS`].
    pub texts: [Option<String>; ENTRY_TEXTS.len()],
    /// In the order of [`CLICK_IDS`].
    pub click_ids: Vec<(String, String)>,
}

/// The last view of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionExit {
    pub point: SessionPoint,
    /// One for each of [`EXIT_TEXTS`].
    pub texts: [Option<String>; EXIT_TEXTS.len()],
}

/// What some of a session's events say about it; never none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPartial {
    pub first: SessionPoint,
    pub first_distinct_id: String,
    pub last: SessionPoint,
    pub last_person: PersonId,
    pub events: u64,
    pub pageviews: u64,
    pub screens: u64,
    pub autocaptures: u64,
    /// Sorted; the smallest [`MAX_URLS`] hashes of pages' addresses.
    pub url_hashes: Vec<u64>,
    pub entry: SessionEntry,
    pub exit: Option<SessionExit>,
}

impl SessionEntry {
    /// Whether this one is the entry of a session that has both.
    #[must_use]
    pub fn is_before(&self, is_view: bool, point: SessionPoint) -> bool {
        (!self.is_view, self.point) < (!is_view, point)
    }
}

impl SessionPartial {
    /// Adds what other events of the same session say. An event that is in both counts twice.
    pub fn merge(&mut self, other: &Self) {
        if other.first < self.first {
            self.first = other.first;
            self.first_distinct_id.clone_from(&other.first_distinct_id);
        }
        if other.last > self.last {
            self.last = other.last;
            self.last_person = other.last_person;
        }
        self.events += other.events;
        self.pageviews += other.pageviews;
        self.screens += other.screens;
        self.autocaptures += other.autocaptures;
        for hash in &other.url_hashes {
            self.add_url_hash(*hash);
        }
        if other.entry.is_before(self.entry.is_view, self.entry.point) {
            self.entry.clone_from(&other.entry);
        }
        if let Some(exit) = &other.exit
            && self.exit.as_ref().is_none_or(|own| exit.point > own.point)
        {
            self.exit = Some(exit.clone());
        }
    }

    /// Notes a page's address.
    pub fn add_url_hash(&mut self, hash: u64) {
        if let Err(at) = self.url_hashes.binary_search(&hash)
            && at < MAX_URLS
        {
            self.url_hashes.insert(at, hash);
            self.url_hashes.truncate(MAX_URLS);
        }
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn weight(&self) -> usize {
        let lengths = |texts: &[Option<String>]| texts.iter().flatten().map(String::len).sum::<usize>();
        let clicks: usize = self.entry.click_ids.iter().map(|(key, id)| key.len() + id.len() + 48).sum();
        let exit = self.exit.as_ref().map_or(0, |exit| lengths(&exit.texts));
        size_of::<Self>()
            + self.first_distinct_id.len()
            + self.url_hashes.len() * 8
            + lengths(&self.entry.texts)
            + clicks
            + exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(n: u64, is_view: bool) -> SessionPartial {
        let point = SessionPoint { at: i64::try_from(n % 7).expect("small"), tie: n };
        let exit = SessionExit { point, texts: [const { None }; EXIT_TEXTS.len()] };
        SessionPartial {
            first: point,
            first_distinct_id: n.to_string(),
            last: point,
            last_person: PersonId::from_event(n),
            events: 1,
            pageviews: n % 2,
            screens: 0,
            autocaptures: 0,
            url_hashes: vec![n * 31 % 257],
            entry: SessionEntry {
                is_view,
                point,
                texts: std::array::from_fn(|at| Some(format!("{n} {at}"))),
                click_ids: Vec::new(),
            },
            exit: is_view.then_some(exit),
        }
    }

    #[test]
    fn parts_give_the_same_session_in_any_order_and_grouping() {
        let parts: Vec<_> = (1..=300).map(|n| partial(n, n % 3 == 0)).collect();
        let fold = |parts: &mut dyn Iterator<Item = &SessionPartial>| {
            let mut whole = parts.next().expect("one").clone();
            parts.for_each(|part| whole.merge(part));
            whole
        };
        let whole = fold(&mut parts.iter());
        assert_eq!(fold(&mut parts.iter().rev()), whole);
        let (even, odd) = (fold(&mut parts.iter().step_by(2)), fold(&mut parts.iter().skip(1).step_by(2)));
        assert_eq!(fold(&mut [odd, even].iter()), whole);
        assert_eq!((whole.events, whole.url_hashes.len(), whole.entry.point.tie), (300, MAX_URLS, 21));
        assert!(whole.url_hashes.is_sorted() && whole.url_hashes[MAX_URLS - 1] < 150, "the smallest ones");
    }

    #[test]
    fn the_table_has_a_column_for_each_text() {
        let migration = include_str!("../../migrations/clickhouse/0003_sessions.sql");
        for text in ENTRY_TEXTS.iter().chain(&EXIT_TEXTS) {
            assert!(migration.contains(&format!("\n    {} ", text.column)), "0003_sessions.sql lacks {}", text.column);
        }
    }
}
