//! From referrer, campaign and click ids to a channel, in the manner of Google Analytics 4. The first rule that fits wins:
//!
//! 1. *Cross Network*: the campaign's name says so, or it is Performance Max.
//! 2. Paid, which is a paid `utm_medium` (`cpc`, `ppc`, `paid…`, …) or a click id that only advertisements have (`gclid`,
//!    `msclkid`, …; not `fbclid`, which Facebook adds to every link): the kind of the source decides, else that of the
//!    referring site, else the campaign's or medium's words; a click id alone is a search engine's. Else *Paid Other*.
//! 3. A `utm_medium` that names a channel: *Email*, *Affiliate*, *Display*, *SMS*, *Audio*, *Push*, *Referral*, *AI* and
//!    organic ones.
//! 4. The kind of the source, else of the referring site: *AI*, *Organic Search*, *Organic Social*, *Organic Video*,
//!    *Organic Shopping*, *Email*, *Display*; a campaign about shopping or video.
//! 5. *Direct*: no referring site and no campaign. *Other*: the rest, sites that no list knows included.

pub mod hosts;
mod initial;

pub use initial::{initial_channel_type, initial_referring_domain_type};

use hosts::{HostKind, kind_of_host, kind_of_source};

/// Where somebody came from, as far as is known. Empty texts say nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Acquisition<'a> {
    /// A host, or `$direct`.
    pub referring_domain: Option<&'a str>,
    pub source: Option<&'a str>,
    pub medium: Option<&'a str>,
    pub campaign: Option<&'a str>,
    /// Carries a click id that only advertisements have.
    pub is_ad_click: bool,
}

/// Click ids that only advertisements have.
pub const AD_CLICK_IDS: &[&str] = &[
    "gclid",
    "gad_source",
    "gbraid",
    "wbraid",
    "dclid",
    "gclsrc",
    "msclkid",
    "ttclid",
    "twclid",
    "li_fat_id",
    "rdt_cid",
    "epik",
    "qclid",
    "irclid",
    "ScCid",
];

/// The channel's name.
#[must_use]
pub fn channel_type(from: &Acquisition<'_>) -> &'static str {
    let lower = |text: Option<&str>| text.unwrap_or_default().trim().to_ascii_lowercase();
    let (medium, campaign, source) = (lower(from.medium), lower(from.campaign), lower(from.source));
    if [&campaign, &medium].into_iter().any(|text| is_cross_network(text)) {
        return "Cross Network";
    }
    let domain = from.referring_domain.unwrap_or_default().trim();
    let is_shopping = words(&campaign).any(|word| matches!(word, "shop" | "shopping"));
    let is_video = words(&campaign).any(|word| matches!(word, "video" | "youtube"));
    let kind = kind_of_source(&source);
    if from.is_ad_click || is_paid(&medium) {
        let by_campaign = is_shopping.then_some(HostKind::Shopping);
        let by_words = is_video.then_some(HostKind::Video).or_else(|| kind_in_medium(&medium));
        let kind = kind.or(by_campaign).or_else(|| kind_of_host(domain)).or(by_words);
        return match kind {
            Some(HostKind::Search) => "Paid Search",
            Some(HostKind::Social) => "Paid Social",
            Some(HostKind::Video) => "Paid Video",
            Some(HostKind::Shopping) => "Paid Shopping",
            Some(HostKind::Display) => "Display",
            None if from.is_ad_click => "Paid Search",
            Some(HostKind::Ai | HostKind::Email) | None => "Paid Other",
        };
    }
    if let Some(channel) = by_medium(&medium).or_else(|| by_source(&source)) {
        return channel;
    }
    let kind = kind.or(is_shopping.then_some(HostKind::Shopping)).or_else(|| kind_of_host(domain));
    match kind.or(is_video.then_some(HostKind::Video)) {
        Some(HostKind::Ai) => "AI",
        Some(HostKind::Search) => "Organic Search",
        Some(HostKind::Social) => "Organic Social",
        Some(HostKind::Video) => "Organic Video",
        Some(HostKind::Shopping) => "Organic Shopping",
        Some(HostKind::Email) => "Email",
        Some(HostKind::Display) => "Display",
        None if domain == "$direct" && source.is_empty() && medium.is_empty() && campaign.is_empty() => "Direct",
        None => "Other",
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

fn is_cross_network(text: &str) -> bool {
    text.contains("cross-network") || text.contains("cross network") || words(text).any(|word| word == "pmax")
}

fn is_paid(medium: &str) -> bool {
    matches!(medium, "cpc" | "ppc" | "retargeting" | "cpm" | "cpv" | "cpa" | "cpp" | "ads" | "ad" | "sem")
        || medium.starts_with("paid")
}

fn kind_in_medium(medium: &str) -> Option<HostKind> {
    words(medium).find_map(|word| match word {
        "search" | "paidsearch" | "sem" => Some(HostKind::Search),
        "social" | "paidsocial" => Some(HostKind::Social),
        "video" | "paidvideo" | "cpv" => Some(HostKind::Video),
        "shopping" | "paidshopping" => Some(HostKind::Shopping),
        "display" | "cpm" => Some(HostKind::Display),
        _ => None,
    })
}

fn by_medium(medium: &str) -> Option<&'static str> {
    Some(match medium {
        "display" | "banner" | "expandable" | "interstitial" => "Display",
        "social" | "social-network" | "social-media" | "sm" | "social network" | "social media" => "Organic Social",
        "organic" => "Organic Search",
        "video" => "Organic Video",
        "email" | "e-mail" | "e_mail" | "e mail" | "newsletter" | "mail" => "Email",
        "affiliate" | "affiliates" => "Affiliate",
        "referral" | "app" | "link" => "Referral",
        "audio" | "podcast" => "Audio",
        "sms" => "SMS",
        "ai" | "llm" | "ai-assistant" => "AI",
        _ if medium.ends_with("push")
            || medium.contains("notification")
            || words(medium).any(|word| word == "mobile") =>
        {
            "Push"
        }
        _ => return None,
    })
}

fn by_source(source: &str) -> Option<&'static str> {
    Some(match source {
        "email" | "e-mail" | "e_mail" | "e mail" => "Email",
        "sms" => "SMS",
        "firebase" | "onesignal" => "Push",
        "podcast" => "Audio",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Domain, source, medium, campaign, whether it has an advertisement's click id; the channel.
    const TABLE: &[(&str, &str, &str, &str, bool, &str)] = &[
        ("$direct", "", "", "", false, "Direct"),
        ("", "", "", "", false, "Other"),
        ("$direct", "google", "pmax", "PMax // UK", true, "Cross Network"),
        ("$direct", "", "", "", true, "Paid Search"),
        ("a.safeframe.googlesyndication.com", "", "", "", true, "Display"),
        ("l.facebook.com", "", "", "", false, "Organic Social"),
        ("www.ebay.de", "", "", "", false, "Organic Shopping"),
        ("chatgpt.com", "", "", "", false, "AI"),
        ("www.perplexity.ai", "", "", "", false, "AI"),
        ("", "chatgpt.com", "", "", false, "AI"),
        ("gemini.google.com", "", "", "", false, "AI"),
        ("mail.google.com", "", "", "", false, "Email"),
        ("$direct", "weekly", "email", "may", false, "Email"),
        ("$direct", "partner", "affiliate", "", false, "Affiliate"),
        ("blog.example", "", "referral", "", false, "Referral"),
        ("blog.example", "", "banner", "", false, "Display"),
        ("$direct", "", "sms", "", false, "SMS"),
        ("$direct", "", "podcast", "", false, "Audio"),
        ("$direct", "", "web-push", "", false, "Push"),
        ("$direct", "somewhere", "cpc", "", false, "Paid Other"),
        ("$direct", "somewhere", "paid-social", "", false, "Paid Social"),
        ("$direct", "", "cpc", "spring video", false, "Paid Video"),
        ("$direct", "unknown", "", "", false, "Other"),
        ("example.com", "123", "123", "123", false, "Other"),
    ];

    #[test]
    fn every_rule_gives_its_channel() {
        for &(domain, source, medium, campaign, is_ad_click, channel) in TABLE {
            let from = Acquisition {
                referring_domain: Some(domain),
                source: Some(source),
                medium: Some(medium),
                campaign: Some(campaign),
                is_ad_click,
            };
            assert_eq!(channel_type(&from), channel, "{from:?}");
        }
    }
}
