//! Which columns a table of events has.

use std::fmt;

use crate::storage::ch::Wanted;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Event,
    Person,
    /// The page's address, or the screen's name in an app.
    Address,
    Library,
    Time,
    DistinctId,
    ReceivedAt,
    /// Any property, by its key.
    Property(String),
}

/// What marks the event of a bot.
pub const BOT_KEY: &str = "$bot_class";

/// How a property's column is named in a URL: a property may be called like one of ours.
const PROPERTY: &str = "properties.";

/// What the words for an event are made of, the address, the library.
pub const LABEL_KEYS: [&str; 3] = ["$event_type", "$el_text", "$elements_chain"];
pub const ADDRESS_KEYS: [&str; 2] = ["$current_url", "$screen_name"];
pub const LIBRARY_KEYS: [&str; 2] = ["$lib", "$lib_version"];

impl Column {
    /// What a table shows unless told otherwise.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![Self::Event, Self::Person, Self::Address, Self::Library, Self::Time]
    }

    /// Those the picker offers besides the chosen ones.
    #[must_use]
    pub fn offered() -> Vec<Self> {
        let properties = [
            "$browser",
            "$os",
            "$device_type",
            "$referring_domain",
            "$geoip_country_name",
            "$session_id",
            "utm_source",
            "title",
        ];
        let ours =
            [Self::Event, Self::Person, Self::DistinctId, Self::Address, Self::Library, Self::Time, Self::ReceivedAt];
        ours.into_iter().chain(properties.map(|key| Self::Property(key.to_owned()))).collect()
    }

    /// Reads a column from a URL or from what was typed: our names, or a property's key with or without `properties.`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "" => None,
            "event" => Some(Self::Event),
            "person" => Some(Self::Person),
            "url" => Some(Self::Address),
            "lib" => Some(Self::Library),
            "time" => Some(Self::Time),
            "distinct_id" => Some(Self::DistinctId),
            "received_at" => Some(Self::ReceivedAt),
            text => Some(Self::Property(text.strip_prefix(PROPERTY).unwrap_or(text).to_owned())),
        }
    }

    /// The properties that these columns show.
    #[must_use]
    pub fn wanted(columns: &[Self]) -> Wanted {
        let mut keys = Vec::new();
        for column in columns {
            match column {
                Self::Event => keys.extend(LABEL_KEYS.into_iter().chain([BOT_KEY]).map(str::to_owned)),
                Self::Address => keys.extend(ADDRESS_KEYS.map(str::to_owned)),
                Self::Library => keys.extend(LIBRARY_KEYS.map(str::to_owned)),
                Self::Property(key) => keys.push(key.clone()),
                Self::Person | Self::Time | Self::DistinctId | Self::ReceivedAt => {}
            }
        }
        Wanted::Keys(keys)
    }

    /// What stands above the column.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Event => "Event",
            Self::Person => "Person",
            Self::Address => "URL / screen",
            Self::Library => "Library",
            Self::Time => "Time",
            Self::DistinctId => "Distinct ID",
            Self::ReceivedAt => "Received",
            Self::Property(key) => key,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "event",
            Self::Person => "person",
            Self::Address => "url",
            Self::Library => "lib",
            Self::Time => "time",
            Self::DistinctId => "distinct_id",
            Self::ReceivedAt => "received_at",
            Self::Property(key) => return write!(f, "{PROPERTY}{key}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_may_be_called_like_a_column_of_ours() {
        let column = Column::Property("event".to_owned());
        assert_eq!(Column::parse(&column.to_string()), Some(column));
        for column in Column::offered() {
            assert_eq!(Column::parse(&column.to_string()), Some(column));
        }
    }
}
