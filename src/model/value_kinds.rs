//! Which kinds of values were ever kept under a key.

use serde_json::Value;

/// Most properties of a project, of events and persons together, that are kept by name. Of a name that got no place nobody
/// knows what was kept under it: one that gets it later must not say that it does.
pub const MAX_PROPERTIES: usize = 10_000;

/// Whether a property's name is one that is kept.
#[must_use]
pub fn is_kept_name(name: &str) -> bool {
    name.len() <= 200 && !name.contains('\0')
}

/// A set of kinds of JSON values. `null` is of no kind: it is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ValueKinds(u8);

impl ValueKinds {
    pub const NONE: Self = Self(0);
    pub const TEXT: Self = Self(1);
    /// Whole numbers of 64 bits with a sign.
    pub const WHOLE: Self = Self(2);
    /// Numbers with a broken part, and those too large for any whole number.
    pub const BROKEN: Self = Self(4);
    pub const FLAG: Self = Self(8);
    pub const LIST: Self = Self(16);
    pub const OBJECT: Self = Self(32);
    /// Whole numbers that only fit 64 bits without a sign.
    pub const LARGE: Self = Self(64);
    pub const SCALARS: Self = Self::TEXT.with(Self::NUMBERS).with(Self::FLAG).with(Self::LARGE);
    pub const NUMBERS: Self = Self::WHOLE.with(Self::BROKEN);

    /// The kind of one value.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NONE,
            Value::Bool(_) => Self::FLAG,
            Value::Number(number) if number.is_i64() => Self::WHOLE,
            Value::Number(number) if number.is_u64() => Self::LARGE,
            Value::Number(_) => Self::BROKEN,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// All kinds of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there are no others than these.
    #[must_use]
    pub const fn are_among(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// As it is stored.
    #[must_use]
    pub const fn bits(self) -> i16 {
        self.0 as i16
    }

    /// As it was stored; none if that says more than is known here, as a later version may have written it.
    #[must_use]
    pub fn from_bits(bits: i16) -> Option<Self> {
        u8::try_from(bits).ok().filter(|bits| *bits < 128).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_have_kinds() {
        let cases = [
            (json!(null), ValueKinds::NONE),
            (json!("1"), ValueKinds::TEXT),
            (json!(i64::MIN), ValueKinds::WHOLE),
            (json!(u64::MAX), ValueKinds::LARGE),
            (json!(1.0), ValueKinds::BROKEN),
            (json!(true), ValueKinds::FLAG),
            (json!([1]), ValueKinds::LIST),
            (json!({}), ValueKinds::OBJECT),
        ];
        for (value, kind) in cases {
            assert_eq!(ValueKinds::of(&value), kind, "{value}");
            assert_eq!(ValueKinds::from_bits(kind.bits()), Some(kind));
        }
        assert!(ValueKinds::WHOLE.are_among(ValueKinds::NUMBERS));
        assert!(!ValueKinds::WHOLE.with(ValueKinds::TEXT).are_among(ValueKinds::NUMBERS));
        assert_eq!(ValueKinds::from_bits(128), None);
    }
}
