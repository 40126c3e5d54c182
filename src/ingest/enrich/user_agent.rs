//! Browser, system and device of a user agent, in the words that the browser SDK uses. The majors only: of what is not
//! known nothing is said.

/// What a user agent tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAgent {
    pub browser: Option<&'static str>,
    /// Major and minor, such as `140.0`.
    pub browser_version: Option<String>,
    pub os: Option<&'static str>,
    pub os_version: Option<String>,
    pub device_type: Option<&'static str>,
}

/// Names by the token in front of the version. The order matters: most browsers also claim to be those further down.
const BROWSERS: &[(&str, &str)] = &[
    ("EdgA/", "Microsoft Edge"),
    ("EdgiOS/", "Microsoft Edge"),
    ("Edg/", "Microsoft Edge"),
    ("Edge/", "Microsoft Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("Opera Mini/", "Opera Mini"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("UCBrowser/", "UC Browser"),
    ("YaBrowser/", "Yandex"),
    ("Vivaldi/", "Vivaldi"),
    ("FBAV/", "Facebook Mobile"),
    ("CriOS/", "Chrome iOS"),
    ("FxiOS/", "Firefox iOS"),
    ("Firefox/", "Firefox"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
];

/// Reads a user agent.
#[must_use]
pub fn parse(text: &str) -> UserAgent {
    let (browser, browser_version) = browser(text);
    let (os, os_version) = system(text);
    let device_type = os.map(|os| device_type(text, os));
    UserAgent { browser, browser_version, os, os_version, device_type }
}

fn browser(text: &str) -> (Option<&'static str>, Option<String>) {
    for (token, name) in BROWSERS {
        if let Some(version) = after(text, token) {
            return (Some(name), version_of(version, 2));
        }
    }
    if text.contains("Safari/") && text.contains("AppleWebKit/") {
        let name = if text.contains("Mobile/") { "Mobile Safari" } else { "Safari" };
        if let Some(version) = after(text, "Version/") {
            return (Some(name), version_of(version, 2));
        }
    }
    match after(text, "MSIE ").or_else(|| after(text, "Trident/").and(after(text, "rv:"))) {
        Some(version) => (Some("Internet Explorer"), version_of(version, 2)),
        None => (None, None),
    }
}

fn system(text: &str) -> (Option<&'static str>, Option<String>) {
    if let Some(rest) = after(text, "Windows NT ") {
        let version = version_of(rest, 2).map(|v| match v.as_str() {
            "10.0" => "10".to_owned(),
            "6.3" => "8.1".to_owned(),
            "6.2" => "8".to_owned(),
            "6.1" => "7".to_owned(),
            _ => v,
        });
        return (Some("Windows"), version);
    }
    if ["iPhone", "iPad", "iPod"].iter().any(|device| text.contains(device)) {
        return (Some("iOS"), after(text, " OS ").and_then(|rest| version_of(rest, 3)));
    }
    if let Some(rest) = after(text, "Android") {
        return (Some("Android"), version_of(rest.trim_start(), 3));
    }
    if let Some(rest) = after(text, "Mac OS X") {
        return (Some("Mac OS X"), version_of(rest.trim_start(), 3));
    }
    if text.contains("CrOS ") {
        return (Some("Chrome OS"), None);
    }
    if text.contains("Linux") { (Some("Linux"), None) } else { (None, None) }
}

fn device_type(text: &str, os: &str) -> &'static str {
    match os {
        _ if text.contains("iPad") || text.contains("Tablet") => "Tablet",
        "iOS" => "Mobile",
        "Android" if text.contains("Mobile") => "Mobile",
        "Android" => "Tablet",
        _ => "Desktop",
    }
}

fn after<'a>(text: &'a str, token: &str) -> Option<&'a str> {
    text.split_once(token).map(|(_, rest)| rest)
}

/// The first numbers of a version, joined by dots.
fn version_of(text: &str, parts: usize) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let numbers: Vec<&str> =
        text[..end].split(['.', '_']).filter(|n| !n.is_empty() && n.len() <= 9).take(parts).collect();
    if numbers.is_empty() { None } else { Some(numbers.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_majors_are_read() {
        for (agent, browser, version, os, os_version, device) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome",
                "140.0",
                "Windows",
                "10",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.3485.54",
                "Microsoft Edge",
                "140.0",
                "Windows",
                "10",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15",
                "Safari",
                "18.4",
                "Mac OS X",
                "10.15.7",
                "Desktop",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1",
                "Mobile Safari",
                "18.4",
                "iOS",
                "18.4.1",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "139.0",
                "Android",
                "14",
                "Mobile",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Safari/537.36",
                "Samsung Internet",
                "28.0",
                "Android",
                "13",
                "Tablet",
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
                "Internet Explorer",
                "11.0",
                "Windows",
                "7",
                "Desktop",
            ),
        ] {
            let expected = UserAgent {
                browser: Some(browser),
                browser_version: Some(version.to_owned()),
                os: Some(os),
                os_version: Some(os_version.to_owned()),
                device_type: Some(device),
            };
            assert_eq!(parse(agent), expected, "{agent}");
        }
        let linux = parse("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0");
        assert_eq!((linux.browser, linux.os, linux.os_version), (Some("Firefox"), Some("Linux"), None));
        assert_eq!(parse("something else"), UserAgent::default());
    }
}
