//! Whether a user agent is a program's: which class of program, and by which rule.
//!
//! A short list of our own: the names that programs give themselves in public. Nothing is ever left out because of it;
//! questions choose whether to count humans, bots or all. An SDK on a server is no bot, whatever it calls itself: its
//! events tell of people.

/// A rule that a user agent fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BotRule {
    pub class: &'static str,
    /// What was found, in lower case.
    pub name: &'static str,
}

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
            return Some(BotRule { class, name });
        }
    }
    if NOT_BOTS.iter().any(|model| text.contains(model)) {
        return None;
    }
    let words = || text.split(|c: char| !c.is_ascii_alphabetic());
    let name = WORDS.iter().find(|name| words().any(|word| word.ends_with(**name) || word == format!("{name}s")))?;
    Some(BotRule { class: "crawler", name })
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn rules_are_lower_case() {
        let names = RULES.iter().flat_map(|(_, names)| names.iter()).chain(WORDS).chain(NOT_BOTS);
        assert!(names.clone().all(|name| name.to_ascii_lowercase() == **name && !name.is_empty()));
    }
}
