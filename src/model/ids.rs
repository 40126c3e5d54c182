//! Ids, each its own type, so that one cannot be handed over as another.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Takes a value that a store gave out.
            #[must_use]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The bare value, for a store or a URL.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = <$inner as std::str::FromStr>::Err;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

id! {
    /// A project: what events belong to. Small and positive, as in `/api/projects/1/`.
    ProjectId(i32)
}
id! {
    /// An organization: who owns projects.
    OrganizationId(Uuid)
}
id! {
    /// Somebody who signs in.
    UserId(Uuid)
}
id! {
    /// A personal API key; not the key itself.
    PersonalApiKeyId(Uuid)
}
id! {
    /// An invitation into an organization.
    InvitationId(Uuid)
}
id! {
    /// A signed-in browser; not the token in its cookie.
    SignInId(Uuid)
}
id! {
    /// A saved insight.
    InsightId(i64)
}
id! {
    /// An action: a name for events that are alike.
    ActionId(i64)
}
id! {
    /// A cohort: a name for a set of people.
    CohortId(i64)
}
id! {
    /// A dashboard.
    DashboardId(i64)
}

impl ProjectId {
    /// As ClickHouse's `UInt32`.
    #[must_use]
    pub const fn as_u32(self) -> u32 {
        self.0.cast_unsigned()
    }
}

/// A person as events carry it: a dense number, because every event row holds one and every unique count groups by it.
///
/// Two kinds share the space. A person with a profile has the number Postgres gave out. An id that never got a profile
/// has the top bit set and a hash of project and distinct id below it, so that its events need no row in Postgres; when
/// the id is identified later, one override row joins the two.
///
/// Of the latter, those of visitors without cookies have the sixteen topmost bits set. So narrow a mark leaves the hashes
/// that were stored before there was one what they are, but for one in 32,768.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(u64);

/// How the ids of visitors without cookies begin.
pub const COOKIELESS_PREFIX: &str = "cookieless_";

impl PersonId {
    const NO_PROFILE: u64 = 1 << 63;
    const COOKIELESS: u64 = 0xffff << 48;
    /// What a hash loses that would lie among those of visitors without cookies.
    const LOST_BIT: u64 = 1 << 48;
    /// From here on numbers are of visitors without cookies: known for a day, so that they are many for one person.
    pub const FIRST_COOKIELESS: Self = Self(Self::COOKIELESS);

    /// A person with a profile, by the number Postgres gave out.
    #[must_use]
    pub const fn from_row(id: i64) -> Self {
        Self(id.cast_unsigned())
    }

    /// As read from an event row.
    #[must_use]
    pub const fn from_event(id: u64) -> Self {
        Self(id)
    }

    /// The number for a distinct id without a profile: the same on every machine and for ever.
    #[must_use]
    pub fn without_profile(project: ProjectId, distinct_id: &str) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::new().chain_update(project.get().to_be_bytes()).chain_update(distinct_id).finalize();
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        let hash = u64::from_be_bytes(head) | Self::NO_PROFILE;
        if distinct_id.starts_with(COOKIELESS_PREFIX) { Self(hash | Self::COOKIELESS) } else { Self::unmarked(hash) }
    }

    /// A hash as the number of somebody who is no visitor without cookies.
    const fn unmarked(hash: u64) -> Self {
        if hash < Self::COOKIELESS { Self(hash) } else { Self(hash & !Self::LOST_BIT) }
    }

    /// Whether this person has a profile in Postgres.
    #[must_use]
    pub const fn has_profile(self) -> bool {
        self.0 & Self::NO_PROFILE == 0
    }

    /// As ClickHouse's `UInt64`.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As Postgres' `bigint`: the same bits.
    #[must_use]
    pub const fn as_row(self) -> i64 {
        self.0.cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_without_profile_differs_by_project_and_survives_postgres() {
        let one = PersonId::without_profile(ProjectId::new(1), "anon");
        let two = PersonId::without_profile(ProjectId::new(2), "anon");
        assert_ne!(one, two);
        assert!(!one.has_profile());
        assert_eq!(PersonId::from_row(one.as_row()), one);
        assert!(PersonId::from_row(7).has_profile());
    }

    #[test]
    fn an_id_without_profile_keeps_its_old_number_outside_of_those_without_cookies() {
        // As stored before visitors without cookies had numbers of their own: the top bit and a hash. Half of them have the
        // next bit set.
        for (id, old) in [
            ("anon-0", 0xb11c_ae45_034c_099b),
            ("anon-4", 0xfdf3_9be9_97bf_fe11),
            ("anon-5", 0xeed2_bbc4_4381_cfc9),
            ("anon-7", 0xe260_a257_c6c5_4b5a),
        ] {
            assert_eq!(PersonId::without_profile(ProjectId::new(1), id).get(), old, "{id}");
        }
        // This one's was 0xffff_45d8_f6ac_b666.
        let moved = PersonId::without_profile(ProjectId::new(1), "anon-91972");
        assert_eq!(moved.get(), 0xfffe_45d8_f6ac_b666);
        for (hash, number) in [
            (1 << 63, 1 << 63),
            (0xfffe_ffff_ffff_ffff, 0xfffe_ffff_ffff_ffff),
            (0xffff_0000_0000_0000, 0xfffe_0000_0000_0000),
            (0xffff_1234_5678_9abc, 0xfffe_1234_5678_9abc),
            (u64::MAX, 0xfffe_ffff_ffff_ffff),
        ] {
            let unmarked = PersonId::unmarked(hash);
            assert_eq!(unmarked.get(), number, "{hash:x}");
            assert!(unmarked < PersonId::FIRST_COOKIELESS && !unmarked.has_profile(), "{hash:x}");
        }
    }

    #[test]
    fn visitors_without_cookies_are_told_by_their_number_from_everybody_else() {
        let mut visitors = std::collections::HashSet::new();
        for n in 0..1_000 {
            let visitor = PersonId::without_profile(ProjectId::new(1), &format!("cookieless_{n}"));
            let other = PersonId::without_profile(ProjectId::new(1), &format!("anon-{n}"));
            assert!(visitor >= PersonId::FIRST_COOKIELESS && other < PersonId::FIRST_COOKIELESS, "{n}");
            assert!(!visitor.has_profile() && PersonId::from_row(visitor.as_row()) == visitor, "{n}");
            visitors.insert(visitor);
        }
        assert_eq!(visitors.len(), 1_000);
    }
}
