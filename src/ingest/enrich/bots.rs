//! Whether an event is a program's: which class of program, by which rule, and how sure that is.
//!
//! A short list of our own: the names that programs give themselves in public. Nothing is ever left out because of it;
//! questions choose whether to count humans, bots or all. An SDK on a server is no bot, whatever it calls itself: its
//! events tell of people.
//!
//! # The score
//!
//! From 0 (nothing speaks for a program; not written) to 100:
//!
//! | what was found | score |
//! |---|---|
//! | the name of a crawler, a preview or a monitor in the user agent: it says what it is | 100 |
//! | the name of a browser without a window | 95 |
//! | the name of a library or a tool that fetches | 90 |
//! | a word such as "bot" or "crawler" in a name that is not on the list | 80 |
//! | the property `$webdriver` or `webdriver` is true: the browser is driven by a program | 80 |
//! | weak signs in what the browser SDK says of itself: each 20 or 30, added up | 20 to 100 |
//!
//! From [`BOT_FROM`] on, an event has a class and so is a bot's. One weak sign never suffices, nor do the two that a person on
//! an unusual machine may well have; so who is honest is found, and who pretends well is not: a score is no proof.

use serde_json::Value;

use crate::model::Properties;

/// A rule that a user agent fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BotRule {
    pub class: &'static str,
    /// What was found, in lower case.
    pub name: &'static str,
    pub score: u8,
}

/// What speaks for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// None if the score is too low for one.
    pub class: Option<&'static str>,
    /// What was found; several joined by `+`.
    pub rule: String,
    /// 1 to 100.
    pub score: u8,
}

/// The score from which on an event is a bot's.
pub const BOT_FROM: u8 = 50;

/// Classes and what is searched for, in order; all in lower case.
const RULES: &[(&str, &[&str])] = &[
    (
        "ai_crawler",
        &[
            "gptbot",
            "chatgpt-user",
            "oai-searchbot",
            "claudebot",
            "claude-web",
            "claude-user",
            "claude-searchbot",
            "anthropic-ai",
            "perplexitybot",
            "perplexity-user",
            "ccbot",
            "google-extended",
            "bytespider",
            "amazonbot",
            "applebot-extended",
            "meta-externalagent",
            "meta-externalfetcher",
            "cohere-ai",
            "diffbot",
            "mistralai-user",
            "youbot",
            "ai2bot",
            "duckassistbot",
            "timpibot",
            "omgilibot",
            "imagesiftbot",
            "petalbot",
            "google-cloudvertexbot",
            "deepseekbot",
        ],
    ),
    (
        "search_crawler",
        &[
            "googlebot",
            "adsbot-google",
            "mediapartners-google",
            "storebot-google",
            "google-inspectiontool",
            "googleother",
            "bingbot",
            "bingpreview",
            "msnbot",
            "yandexbot",
            "yandex.com/bots",
            "baiduspider",
            "duckduckbot",
            "slurp",
            "sogou web spider",
            "sogou spider",
            "exabot",
            "seznambot",
            "naverbot",
            "yeti/",
            "qwantify",
            "qwantbot",
            "applebot",
            "mojeekbot",
            "coccocbot",
            "ia_archiver",
            "archive.org_bot",
            "360spider",
            "kagibot",
        ],
    ),
    (
        "preview",
        &[
            "facebookexternalhit",
            "facebookcatalog",
            "twitterbot",
            "linkedinbot",
            "slackbot",
            "slack-imgproxy",
            "telegrambot",
            "whatsapp/",
            "discordbot",
            "pinterestbot",
            "pinterest/0.",
            "redditbot",
            "skypeuripreview",
            "embedly",
            "iframely",
            "bitlybot",
            "mastodon/",
            "snap url preview",
            "google-read-aloud",
            "vkshare",
            "flipboardproxy",
            "tumblr/",
            "viber/",
        ],
    ),
    (
        "monitor",
        &[
            "uptimerobot",
            "pingdom",
            "statuscake",
            "site24x7",
            "betteruptime",
            "better uptime",
            "newrelicpinger",
            "datadogsynthetics",
            "datadog/synthetics",
            "checkly",
            "freshping",
            "hetrixtools",
            "updown.io",
            "googlestackdrivermonitoring",
            "google-hc/",
            "elb-healthchecker",
            "kube-probe",
            "nagios",
            "check_http",
            "zabbix",
            "catchpoint",
            "gtmetrix",
            "chrome-lighthouse",
            "pagespeed",
            "ptst/",
            "speedcurve",
            "uptime-kuma",
            "uptime/",
            "montastic",
            "cloudflare-healthchecks",
            "amazon-route53-health-check",
            "oh dear",
            "ohdear",
            "calibreapp",
            "rigor",
            "dareboost",
            "w3c_validator",
        ],
    ),
    (
        "seo_crawler",
        &[
            "ahrefsbot",
            "ahrefssiteaudit",
            "semrushbot",
            "siteauditbot",
            "mj12bot",
            "dotbot",
            "rogerbot",
            "screaming frog",
            "serpstatbot",
            "seokicks",
            "sistrix",
            "blexbot",
            "dataforseobot",
            "barkrowler",
            "megaindex",
            "linkdexbot",
            "seobilitybot",
            "sitebulb",
            "deepcrawl",
            "lumar",
            "oncrawl",
            "zoominfobot",
            "majestic",
            "netcraft",
            "censysinspect",
            "expanse",
            "internetmeasurement",
        ],
    ),
    (
        "headless",
        &[
            "headlesschrome",
            "phantomjs",
            "puppeteer",
            "playwright",
            "selenium",
            "webdriver",
            "slimerjs",
            "electron-headless",
            "jsdom",
            "happydom",
            "cypress",
            "splash",
            "nightmare",
            "zombie.js",
            "htmlunit",
            "prerender",
            "rendertron",
        ],
    ),
    (
        "script",
        &[
            "curl/",
            "wget",
            "python-requests",
            "python-urllib",
            "python-httpx",
            "aiohttp",
            "httpx/",
            "scrapy",
            "go-http-client",
            "java/",
            "apache-httpclient",
            "okhttp",
            "libwww-perl",
            "lwp::",
            "guzzlehttp",
            "php/",
            "ruby",
            "faraday",
            "axios/",
            "node-fetch",
            "undici",
            "got (",
            "superagent",
            "postmanruntime",
            "insomnia/",
            "httpie",
            "restsharp",
            "reqwest",
            "hyper/",
            "ureq",
            "deno/",
            "bun/",
            "winhttp",
            "powershell",
            "wordpress/",
            "feedfetcher",
            "feedly",
            "feedbin",
            "inoreader",
            "newsblur",
            "rss",
            "colly",
            "mechanize",
            "nutch",
            "heritrix",
            "zgrab",
            "masscan",
            "nmap",
            "nikto",
            "sqlmap",
            "nuclei",
            "wpscan",
            "dirbuster",
            "apachebench",
            "k6/",
            "locust",
            "jmeter",
            "vegeta",
        ],
    ),
];

/// Words that most other programs have in their name.
const WORDS: &[&str] =
    &["bot", "crawler", "spider", "crawl", "scraper", "scanner", "fetcher", "monitoring", "archiver", "checker"];

/// User agents of phones with "bot" in their model, which is no bot.
const NOT_BOTS: &[&str] = &["cubot", "m bot "];

/// The first rule that a user agent fits, or nothing if it may be a human's browser or is empty.
#[must_use]
pub fn classify(user_agent: &str) -> Option<BotRule> {
    let text = user_agent.to_ascii_lowercase();
    for (class, names) in RULES {
        if let Some(name) = names.iter().find(|name| text.contains(**name)) {
            return Some(BotRule { class, name, score: score_of_name(class) });
        }
    }
    if NOT_BOTS.iter().any(|model| text.contains(model)) {
        return None;
    }
    let words = || text.split(|c: char| !c.is_ascii_alphabetic());
    let name = WORDS.iter().find(|name| words().any(|word| word.ends_with(**name) || word == format!("{name}s")))?;
    Some(BotRule { class: "crawler", name, score: 80 })
}

const fn score_of_name(class: &str) -> u8 {
    match class.as_bytes() {
        b"headless" => 95,
        b"script" => 90,
        _ => 100,
    }
}

/// What speaks for a program in an event that is not a server's, if anything does: the name in its user agent, or what the
/// event says of its browser.
#[must_use]
pub fn judge(by_name: Option<BotRule>, user_agent: Option<&str>, properties: &Properties) -> Option<Verdict> {
    if let Some(BotRule { class, name, score }) = by_name {
        return Some(Verdict { class: Some(class), rule: name.to_owned(), score });
    }
    let is_true = |key: &str| properties.get(key) == Some(&Value::Bool(true));
    if is_true("$webdriver") || is_true("webdriver") {
        return Some(Verdict { class: Some("automation"), rule: "webdriver".to_owned(), score: 80 });
    }
    let signs: Vec<_> = weak_signs(user_agent, properties).collect();
    if signs.is_empty() {
        return None;
    }
    let score = signs.iter().map(|(_, score)| *score).sum::<u8>().min(100);
    let rule = signs.iter().map(|(name, _)| *name).collect::<Vec<_>>().join("+");
    Some(Verdict { class: (score >= BOT_FROM).then_some("suspected"), rule, score })
}

/// Signs that a few people show, too. Looked for only on events of the browser SDK that describe a screen: there, what is
/// missing was missing in the browser.
fn weak_signs<'a>(user_agent: Option<&'a str>, properties: &'a Properties) -> impl Iterator<Item = (&'static str, u8)> {
    let text = |key: &str| properties.get(key).and_then(Value::as_str);
    let number = |key: &str| properties.get(key).and_then(Value::as_f64);
    let screen = number("$screen_width").zip(number("$screen_height"));
    let describes_browser = text("$lib") == Some("web") && screen.is_some();
    let signs = [
        ("odd_user_agent", 30, user_agent.is_none_or(|agent| !agent.starts_with("Mozilla/"))),
        ("no_language", 30, text("$browser_language").is_none_or(str::is_empty)),
        // What a browser without a window takes if nobody says otherwise, and what a made-up one leaves out.
        ("default_screen", 20, matches!(screen, Some((w, h)) if (w, h) == (800.0, 600.0) || (w, h) == (0.0, 0.0))),
        // As machines in data centres are set up.
        (
            "server_clock",
            20,
            text("$timezone") == Some("UTC") && user_agent.is_some_and(|agent| agent.contains("X11; Linux x86_64")),
        ),
    ];
    signs.into_iter().filter(move |(.., holds)| describes_browser && *holds).map(|(name, score, _)| (name, score))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn programs_are_told_from_people() {
        for (agent, class) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Some("search_crawler")),
            ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", Some("search_crawler")),
            ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", Some("ai_crawler")),
            ("Mozilla/5.0 (compatible; ClaudeBot/1.0)", Some("ai_crawler")),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36",
                Some("headless"),
            ),
            ("curl/8.5.0", Some("script")),
            ("python-requests/2.32", Some("script")),
            ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", Some("monitor")),
            ("facebookexternalhit/1.1", Some("preview")),
            ("Mozilla/5.0 (compatible; AhrefsBot/7.0)", Some("seo_crawler")),
            ("SomethingNewBot/0.1", Some("crawler")),
            ("example-crawler (+https://example.com)", Some("crawler")),
            ("Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36", None),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                None,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
                None,
            ),
            ("", None),
        ] {
            assert_eq!(classify(agent).map(|rule| rule.class), class, "{agent}");
        }
    }

    fn judged(user_agent: &str, properties: Value) -> Option<(Option<&'static str>, String, u8)> {
        let properties = serde_json::from_value(properties).expect("an object");
        let agent = Some(user_agent).filter(|agent| !agent.is_empty());
        judge(classify(user_agent), agent, &properties).map(|v| (v.class, v.rule, v.score))
    }

    const LINUX: &str =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

    #[test]
    fn each_rule_has_its_score() {
        let of_name = |agent| judged(agent, json!({})).map(|(_, _, score)| score);
        assert_eq!(of_name("Mozilla/5.0 (compatible; Googlebot/2.1)"), Some(100));
        assert_eq!(of_name("HeadlessChrome/140.0"), Some(95));
        assert_eq!(of_name("curl/8.5.0"), Some(90));
        assert_eq!(of_name("SomethingNewBot/0.1"), Some(80));
        assert_eq!(of_name(LINUX), None);
        assert_eq!(judged(LINUX, json!({"$webdriver": true})), Some((Some("automation"), "webdriver".to_owned(), 80)));
        assert_eq!(judged(LINUX, json!({"$webdriver": "true"})), None);
    }

    #[test]
    fn weak_signs_add_up_and_none_suffices_alone() {
        let person = json!({"$lib": "web", "$screen_width": 1920, "$screen_height": 1080, "$browser_language": "de", "$timezone": "Europe/Berlin"});
        let with = |changes: Value| {
            let mut properties = person.clone();
            properties.as_object_mut().expect("an object").extend(changes.as_object().expect("an object").clone());
            properties
        };
        assert_eq!(judged(LINUX, person.clone()), None);
        for (agent, changes, rule, score) in [
            (LINUX, json!({"$browser_language": null}), "no_language", 30),
            (LINUX, json!({"$timezone": "UTC"}), "server_clock", 20),
            (LINUX, json!({"$screen_width": 800, "$screen_height": 600}), "default_screen", 20),
            (
                LINUX,
                json!({"$timezone": "UTC", "$screen_width": 800, "$screen_height": 600}),
                "default_screen+server_clock",
                40,
            ),
            ("Opera/9.80", json!({}), "odd_user_agent", 30),
            ("", json!({}), "odd_user_agent", 30),
        ] {
            assert_eq!(judged(agent, with(changes)), Some((None, rule.to_owned(), score)), "{rule}");
        }
        let suspect = with(json!({"$timezone": "UTC", "$browser_language": ""}));
        assert_eq!(judged(LINUX, suspect), Some((Some("suspected"), "no_language+server_clock".to_owned(), 50)));
        // An event that somebody made by hand says nothing of its browser.
        assert_eq!(judged("", json!({"$lib": "web"})), None);
        assert_eq!(judged("Opera/9.80", json!({"$lib": "posthog-ios", "$screen_width": 0, "$screen_height": 0})), None);
        let all = with(json!({"$browser_language": "", "$screen_width": 0, "$screen_height": 0, "$timezone": "UTC"}));
        assert_eq!(judged("", all).map(|(_, _, score)| score), Some(80));
    }

    #[test]
    fn rules_are_lower_case() {
        let names = RULES.iter().flat_map(|(_, names)| names.iter()).chain(WORDS).chain(NOT_BOTS);
        assert!(names.clone().all(|name| name.to_ascii_lowercase() == **name && !name.is_empty()));
    }
}
