//! Where an address is, by a database in MaxMind's format.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// A database in memory. Clones share it.
#[derive(Clone)]
pub struct GeoIp(Arc<Reader<Vec<u8>>>);

impl fmt::Debug for GeoIp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeoIp").field("type", &self.0.metadata().database_type).finish()
    }
}

/// What the databases that are around say: DB-IP's small one a code, those of a city much more, in MaxMind's form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    country_code: Option<String>,
    continent: Option<Place>,
    country: Option<Place>,
    city: Option<Place>,
    subdivisions: Vec<Place>,
    postal: Option<Postal>,
    location: Option<Location>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    #[serde(alias = "code")]
    iso_code: Option<String>,
    names: Option<Names>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names {
    en: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Postal {
    code: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Location {
    time_zone: Option<String>,
}

impl GeoIp {
    /// Reads a database into memory.
    ///
    /// # Errors
    /// If the file cannot be read or is no such database.
    pub fn open(path: &Path) -> Result<Self, MaxMindDbError> {
        Ok(Self(Arc::new(Reader::open_readfile(path)?)))
    }

    /// Properties of the place, with their keys; none for an address that is not in the database.
    #[must_use]
    pub fn find(&self, ip: IpAddr) -> Vec<(&'static str, String)> {
        let record = self.0.lookup(ip.to_canonical()).and_then(|found| found.decode::<Record>());
        let Ok(Some(record)) = record else { return Vec::new() };
        let parts = |place: Option<Place>| {
            let place = place.unwrap_or_default();
            (place.iso_code, place.names.and_then(|names| names.en))
        };
        let (country_code, country_name) = parts(record.country);
        let (continent_code, continent_name) = parts(record.continent);
        let (_, city_name) = parts(record.city);
        let (subdivision_code, subdivision_name) = parts(record.subdivisions.into_iter().next());
        [
            ("$geoip_country_code", country_code.or(record.country_code)),
            ("$geoip_country_name", country_name),
            ("$geoip_continent_code", continent_code),
            ("$geoip_continent_name", continent_name),
            ("$geoip_city_name", city_name),
            ("$geoip_subdivision_1_code", subdivision_code),
            ("$geoip_subdivision_1_name", subdivision_name),
            ("$geoip_postal_code", record.postal.and_then(|postal| postal.code)),
            ("$geoip_time_zone", record.location.and_then(|location| location.time_zone)),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_empty())?)))
        .collect()
    }
}
