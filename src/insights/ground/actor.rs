//! Whom a question counts.

use super::{EventRows, Ground};
use crate::insights::sql::{compare, field, text};
use crate::model::query::{InvalidQuery, Reader};
use crate::sql::CompareOp;
use crate::storage::ch::Counted;

const GROUPS: [&str; 5] = ["$group_0", "$group_1", "$group_2", "$group_3", "$group_4"];

/// People, or groups of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    Person,
    /// The column of events that holds the group's key.
    Group(&'static str),
}

impl Actor {
    /// Reads the index of a type of groups; people if there is none.
    ///
    /// # Errors
    /// If it is no such index.
    pub fn read(place: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let index = place.count(0, 4)?;
        Ok(index.and_then(|index| GROUPS.get(index as usize)).map_or(Self::Person, |column| Self::Group(column)))
    }

    /// Reads whom a series counts that says so itself, by `math_group_type_index`; else what the whole question says.
    ///
    /// # Errors
    /// If either is no such index.
    pub fn of_series(series: &Reader<'_>, query: &Reader<'_>) -> Result<Self, InvalidQuery> {
        let of_all = Self::read(&query.get("aggregation_group_type_index")?)?;
        let own = Self::read(&series.get("math_group_type_index")?)?;
        Ok(if own == Self::Person { of_all } else { own })
    }

    /// What the store is told to count.
    #[must_use]
    pub fn counted(self) -> Counted {
        match self {
            Self::Person => Counted::People,
            Self::Group(_) => Counted::Groups,
        }
    }

    /// The column `actor` of these rows, who it is before merges; only those of somebody who counts.
    #[must_use]
    pub fn of(self, rows: EventRows, ground: &Ground<'_>) -> EventRows {
        match self {
            Self::Person => rows.column("actor", field(&["stored_person_number"])).only(ground.known_people()),
            Self::Group(column) => {
                rows.column("actor", field(&[column])).only([compare(CompareOp::NotEqual, field(&[column]), text(""))])
            }
        }
    }

    /// The type of the groups; none if people are counted.
    #[must_use]
    pub fn group_index(self) -> Option<usize> {
        match self {
            Self::Person => None,
            Self::Group(column) => GROUPS.iter().position(|known| *known == column),
        }
    }
}
