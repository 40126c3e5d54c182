//! A glance at a request's JSON: is every event in it one that will be accepted?
//!
//! To acknowledge a request, little of it must be known: whose it is, and that nothing in it will be refused. A glance
//! reads just that, in one pass that builds nothing; the whole is read behind the spool. What is in any way unusual (an odd
//! shape, a key given twice, an event to be refused, an address to be taken out) is not glanced at but read at once.
//!
//! The contract: if [`glance`] gives something, [`super::parse`] and [`super::event::accept`] accept every event of the text.
//! A property test holds it to that.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use super::cookieless;
use super::event::unkept;
use crate::model::ProjectApiKey;

/// What a glance shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Glance {
    /// The one key that all of the request agrees on.
    pub key: ProjectApiKey,
    /// How many events there are: one or more.
    pub events: u32,
    /// How many of them have no uuid of their own.
    pub without_uuid: u32,
}

/// Looks at a request's JSON; `None` if it wants reading in full.
///
/// # Examples
/// ```
/// use tenrec::ingest::glance::glance;
///
/// let plain = glance(br#"{"api_key":"phc_1","event":"signup","distinct_id":"u1","properties":{"plan":"pro"}}"#);
/// assert_eq!(plain.map(|glance| (glance.events, glance.without_uuid)), Some((1, 1)));
/// assert_eq!(glance(br#"{"api_key":"phc_1","event":"signup"}"#), None, "nobody's event is refused elsewhere");
/// ```
#[must_use]
pub fn glance(json: &[u8]) -> Option<Glance> {
    // Ignored texts are not checked by the parser.
    let text = std::str::from_utf8(json).ok()?;
    let mut seen = Seen::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    Request(&mut seen).deserialize(&mut parser).ok()?;
    parser.end().ok()?;
    if seen.events == 0 {
        return None;
    }
    Some(Glance { key: seen.key?.parse().ok()?, events: seen.events, without_uuid: seen.without_uuid })
}

#[derive(Default)]
struct Seen<'de> {
    key: Option<Cow<'de, str>>,
    events: u32,
    without_uuid: u32,
}

/// Ends the glance: the request wants reading in full.
fn unusual<E: de::Error>() -> E {
    E::custom("unusual")
}

impl<'de> Seen<'de> {
    fn take_key<E: de::Error>(&mut self, value: Scalar<'de>) -> Result<(), E> {
        let key = match value {
            Scalar::Null => return Ok(()),
            Scalar::Text(key) => key,
            Scalar::Number => return Err(unusual()),
        };
        match &self.key {
            Some(known) if known.trim() == key.trim() => Ok(()),
            None if key.trim().is_empty() => Ok(()),
            None => {
                self.key = Some(key);
                Ok(())
            }
            Some(_) => Err(unusual()),
        }
    }
}

/// The names that matter, wherever they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Token,
    DollarToken,
    ApiKey,
    Batch,
    Event,
    Uuid,
    DistinctId,
    DollarDistinctId,
    Properties,
    Ip,
    CookielessMode,
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(match name {
                    "token" => Field::Token,
                    "$token" => Field::DollarToken,
                    "api_key" => Field::ApiKey,
                    "batch" => Field::Batch,
                    "event" => Field::Event,
                    "uuid" => Field::Uuid,
                    "distinct_id" => Field::DistinctId,
                    "$distinct_id" => Field::DollarDistinctId,
                    "properties" => Field::Properties,
                    "$ip" => Field::Ip,
                    cookieless::MODE => Field::CookielessMode,
                    _ => Field::Other,
                })
            }
        }
        deserializer.deserialize_str(Names)
    }
}

/// Which fields an object had. One given twice ends the glance: which of them counts is for the reader to decide.
#[derive(Default)]
struct Once(u16);

impl Once {
    fn see<E: de::Error>(&mut self, field: Field) -> Result<(), E> {
        let bit = 1 << field as u16;
        if field != Field::Other && self.0 & bit != 0 {
            return Err(unusual());
        }
        self.0 |= bit;
        Ok(())
    }

    fn has(&self, field: Field) -> bool {
        self.0 & (1 << field as u16) != 0
    }
}

/// A value that is no object, array or truth value.
enum Scalar<'de> {
    Null,
    Text(Cow<'de, str>),
    Number,
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalars;
        impl<'de> Visitor<'de> for Scalars {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Null)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Number)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Number)
            }
        }
        deserializer.deserialize_any(Scalars)
    }
}

/// Whether this names somebody.
fn is_id<E: de::Error>(value: &Scalar<'_>) -> Result<bool, E> {
    match value {
        Scalar::Null => Ok(false),
        Scalar::Text(text) if text == cookieless::NO_ID => Err(unusual()),
        Scalar::Text(text) => Ok(!text.is_empty()),
        Scalar::Number => Ok(true),
    }
}

/// The whole request: an event, an array of them, or an object with a batch.
struct Request<'a, 'de>(&'a mut Seen<'de>);

/// The events of an array.
struct Events<'a, 'de>(&'a mut Seen<'de>);

/// One event.
struct Event<'a, 'de>(&'a mut Seen<'de>);

/// An event's properties; gives whether they name somebody.
struct Properties<'a, 'de>(&'a mut Seen<'de>);

/// An object of fields: an event, or the envelope of a batch.
fn visit_fields<'de, A: MapAccess<'de>>(
    seen: &mut Seen<'de>,
    may_hold_batch: bool,
    mut fields: A,
) -> Result<(), A::Error> {
    let mut once = Once::default();
    let (mut is_named, mut has_uuid, mut names_somebody) = (false, false, false);
    while let Some(field) = fields.next_key::<Field>()? {
        once.see(field)?;
        match field {
            Field::Token | Field::DollarToken | Field::ApiKey => seen.take_key(fields.next_value()?)?,
            Field::Batch if may_hold_batch => fields.next_value_seed(Events(seen))?,
            Field::Event => match fields.next_value::<Scalar<'_>>()? {
                Scalar::Text(name) if !name.is_empty() && unkept(&name).is_none() => is_named = true,
                _ => return Err(unusual()),
            },
            Field::Uuid => match fields.next_value::<Scalar<'_>>()? {
                Scalar::Null => {}
                Scalar::Text(text) if text.is_empty() => {}
                Scalar::Text(text) if Uuid::parse_str(text.trim()).is_ok() => has_uuid = true,
                _ => return Err(unusual()),
            },
            Field::DistinctId | Field::DollarDistinctId => names_somebody |= is_id(&fields.next_value()?)?,
            Field::Properties => names_somebody |= fields.next_value_seed(Properties(seen))?,
            Field::Batch | Field::Ip | Field::CookielessMode | Field::Other => drop(fields.next_value::<IgnoredAny>()?),
        }
    }
    if may_hold_batch && once.has(Field::Batch) {
        // An envelope that is also an event: only a full reading says what it is.
        return if once.has(Field::Event) || once.has(Field::Properties) { Err(unusual()) } else { Ok(()) };
    }
    if !is_named || !names_somebody {
        return Err(unusual());
    }
    seen.events = seen.events.checked_add(1).ok_or_else(unusual)?;
    seen.without_uuid += u32::from(!has_uuid);
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Request<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Request<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event or events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, events: A) -> Result<(), A::Error> {
        Events(self.0).visit_seq(events)
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        visit_fields(self.0, true, fields)
    }
}

impl<'de> DeserializeSeed<'de> for Events<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while events.next_element_seed(Event(self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Event<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Event<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<(), A::Error> {
        visit_fields(self.0, false, fields)
    }
}

impl<'de> DeserializeSeed<'de> for Properties<'_, 'de> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Properties<'_, 'de> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("properties")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut properties: A) -> Result<bool, A::Error> {
        let mut once = Once::default();
        let mut names_somebody = false;
        while let Some(field) = properties.next_key::<Field>()? {
            match field {
                Field::Token => {
                    once.see(field)?;
                    self.0.take_key(properties.next_value()?)?;
                }
                Field::DistinctId => {
                    once.see(field)?;
                    names_somebody = is_id(&properties.next_value()?)?;
                }
                // An address must not reach the disk: it is looked up and taken out first.
                Field::Ip => return Err(unusual()),
                // An id is made of the address, which only the door knows.
                Field::CookielessMode => return Err(unusual()),
                _ => drop(properties.next_value::<IgnoredAny>()?),
            }
        }
        Ok(names_somebody)
    }
}

#[cfg(test)]
mod tests;
