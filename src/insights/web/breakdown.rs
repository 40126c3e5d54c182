//! By what a table of the web has its rows.

use serde_json::Value;

use super::asked::number;
use crate::insights::sql::{field, made, text};
use crate::sql::{ArithmeticOp, CompareOp, Expr, ExprKind, Literal, Span};
use crate::storage::ch::{WebKeys, WebNones, WebRow, WebSessionKey};

/// By what a table has its rows; the words are those of `breakdownBy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakdown {
    Page,
    PreviousPage,
    ScreenName,
    Browser,
    Os,
    Viewport,
    DeviceType,
    Country,
    Region,
    City,
    Timezone,
    Language,
    FrustrationMetrics,
    OfSession(WebSessionKey),
}

impl Breakdown {
    /// Every one that can be asked for, by its word.
    pub const WORDS: &[(&str, Self)] = &[
        ("Page", Self::Page),
        ("InitialPage", Self::OfSession(WebSessionKey::EntryPath)),
        ("ExitPage", Self::OfSession(WebSessionKey::ExitPath)),
        ("ExitClick", Self::OfSession(WebSessionKey::ExitClick)),
        ("PreviousPage", Self::PreviousPage),
        ("ScreenName", Self::ScreenName),
        ("InitialChannelType", Self::OfSession(WebSessionKey::ChannelType)),
        ("InitialReferringDomain", Self::OfSession(WebSessionKey::ReferringDomain)),
        ("InitialReferringURL", Self::OfSession(WebSessionKey::ReferringUrl)),
        ("InitialUTMSource", Self::OfSession(WebSessionKey::UtmSource)),
        ("InitialUTMMedium", Self::OfSession(WebSessionKey::UtmMedium)),
        ("InitialUTMCampaign", Self::OfSession(WebSessionKey::UtmCampaign)),
        ("InitialUTMTerm", Self::OfSession(WebSessionKey::UtmTerm)),
        ("InitialUTMContent", Self::OfSession(WebSessionKey::UtmContent)),
        ("InitialUTMSourceMediumCampaign", Self::OfSession(WebSessionKey::SourceMediumCampaign)),
        ("Browser", Self::Browser),
        ("OS", Self::Os),
        ("Viewport", Self::Viewport),
        ("DeviceType", Self::DeviceType),
        ("Country", Self::Country),
        ("Region", Self::Region),
        ("City", Self::City),
        ("Timezone", Self::Timezone),
        ("Language", Self::Language),
        ("FrustrationMetrics", Self::FrustrationMetrics),
    ];

    /// Whether its values are paths, which the project's rules make alike.
    #[must_use]
    pub fn is_path(self) -> bool {
        let of_session = [WebSessionKey::EntryPath, WebSessionKey::ExitPath].map(Self::OfSession);
        matches!(self, Self::Page | Self::PreviousPage | Self::FrustrationMetrics) || of_session.contains(&self)
    }

    /// Whether a page of it can be told with its host.
    #[must_use]
    pub fn has_hosts(self) -> bool {
        let of_session = [WebSessionKey::EntryPath, WebSessionKey::ExitPath].map(Self::OfSession);
        self == Self::Page || of_session.contains(&self)
    }

    /// Which rows without a value are shown: as the peers have it, those of campaigns and languages, and of what is made of
    /// several.
    #[must_use]
    pub fn nones(self) -> WebNones {
        match self {
            Self::Language => WebNones::AreShown,
            Self::OfSession(
                WebSessionKey::UtmSource
                | WebSessionKey::UtmMedium
                | WebSessionKey::UtmCampaign
                | WebSessionKey::UtmTerm
                | WebSessionKey::UtmContent
                | WebSessionKey::SourceMediumCampaign,
            ) => WebNones::AreShown,
            Self::Region | Self::City => WebNones::OfSecondAreLeftOut,
            Self::Viewport => WebNones::AndZerosAreLeftOut,
            _ => WebNones::AreLeftOut,
        }
    }

    /// What the store is told.
    #[must_use]
    pub fn keys(self) -> WebKeys {
        match self {
            Self::OfSession(key) => WebKeys::Session(key),
            _ => WebKeys::Event(self.columns(false).len()),
        }
    }

    /// The parts of the value that an event has.
    #[must_use]
    pub fn columns(self, with_host: bool) -> Vec<Expr> {
        let of = |key: &str| field(&["properties", key]);
        let number = |key: &str| call("toFloat", vec![of(key)]);
        match self {
            Self::Page if with_host => vec![beside_host(of("$pathname"))],
            Self::Page | Self::FrustrationMetrics => vec![of("$pathname")],
            Self::PreviousPage => vec![previous_page()],
            Self::ScreenName => vec![of("$screen_name")],
            Self::Browser => vec![of("$browser")],
            Self::Os => vec![of("$os")],
            Self::Viewport => vec![number("$viewport_width"), number("$viewport_height")],
            Self::DeviceType => vec![of("$device_type")],
            Self::Country => vec![of("$geoip_country_code")],
            Self::Region => {
                vec![of("$geoip_country_code"), of("$geoip_subdivision_1_code"), of("$geoip_subdivision_1_name")]
            }
            Self::City => vec![of("$geoip_country_code"), of("$geoip_city_name")],
            // Browsers say by how many minutes UTC is ahead; people say by how many hours they are.
            Self::Timezone => {
                let behind = made(ExprKind::Negate(Box::new(number("$timezone_offset"))));
                let sixty = made(ExprKind::Literal(Literal::Whole(60)));
                vec![made(ExprKind::Arithmetic(ArithmeticOp::Divide, Box::new(behind), Box::new(sixty)))]
            }
            Self::Language => vec![of("$browser_language")],
            Self::OfSession(_) => Vec::new(),
        }
    }

    /// The value of a row, as the query API writes it.
    #[must_use]
    pub fn value(self, row: &WebRow) -> Value {
        let parsed = |text: &Option<String>| number(text.as_ref().and_then(|text| text.parse().ok()));
        match (self, row.keys.as_slice()) {
            (Self::Timezone, [hours]) => parsed(hours),
            (Self::Viewport, sides) => sides.iter().map(parsed).collect(),
            (Self::Language, [Some(language)]) => format!("{language}-{}", row.beside).into(),
            (_, [text]) => text.clone().into(),
            (_, parts) => parts.iter().cloned().map(Value::from).collect(),
        }
    }
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(name, args, Span::default())
}

/// A path behind the host of its event; null if there is neither.
pub fn beside_host(path: Expr) -> Expr {
    let or_empty = |of: Expr| call("ifNull", vec![call("toString", vec![of]), text("")]);
    let whole = call("concat", vec![or_empty(field(&["properties", "$host"])), or_empty(path)]);
    call("nullIf", vec![whole, text("")])
}

/// Where a view came from: the path of the page before it on the same site, or the whole address elsewhere.
fn previous_page() -> Expr {
    let of = |key: &str| field(&["properties", key]);
    let told = made(ExprKind::IsNull { of: Box::new(of("$prev_pageview_pathname")), is_negated: true });
    let domain = |key: &str| call("domain", vec![of(key)]);
    let same = [domain("$current_url"), domain("$referrer")].map(Box::new);
    let [here, there] = same;
    let is_same_site = made(ExprKind::Compare(CompareOp::Equal, here, there));
    let is_said = made(ExprKind::Compare(CompareOp::NotEqual, Box::new(domain("$referrer")), Box::new(text(""))));
    let is_inside = made(ExprKind::And(vec![is_same_site, is_said]));
    let path = call("path", vec![of("$referrer")]);
    let by_referrer = made(ExprKind::If(Box::new(is_inside), Box::new(path), Box::new(of("$referrer"))));
    made(ExprKind::If(Box::new(told), Box::new(of("$prev_pageview_pathname")), Box::new(by_referrer)))
}
