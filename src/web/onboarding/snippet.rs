//! What a user pastes into their site.

use serde_json::Value;

use crate::model::ProjectApiKey;

/// The settings that posthog-js takes by the name of this date. Newer dates change what it captures by default.
const DEFAULTS: &str = "2026-05-30";

/// Everything there is to paste, for one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippets {
    /// A script for the head of every page.
    pub html: String,
    pub npm_install: &'static str,
    pub npm: String,
    /// The options of somebody who uses posthog-js already.
    pub moved: String,
    /// A command that sends one event.
    pub curl: String,
}

/// Keeps calls until the bundle is there and plays them back: the bundle looks for `_i`, the calls of `init`, and for
/// lists of `[method, arguments…]` in `posthog` and `posthog.people`.
const LOADER: &str = r#"<script>
  !(function (w, d) {
    if (w.posthog && w.posthog.__SV) return;
    var main = (w.posthog = []);
    var methods = "capture identify alias set_config register register_once register_for_session unregister unregister_for_session reset group resetGroups setPersonProperties setPersonPropertiesForFlags resetPersonPropertiesForFlags setGroupPropertiesForFlags resetGroupPropertiesForFlags createPersonProfile getFeatureFlag getFeatureFlagPayload isFeatureEnabled reloadFeatureFlags onFeatureFlags updateEarlyAccessFeatureEnrollment getEarlyAccessFeatures onSessionId onSurveysLoaded getSurveys getActiveMatchingSurveys captureException startSessionRecording stopSessionRecording sessionRecordingStarted opt_in_capturing opt_out_capturing has_opted_in_capturing has_opted_out_capturing clear_opt_in_out_capturing get_distinct_id getGroups get_session_id get_session_replay_url get_property getSessionProperty debug".split(" ");
    function queue(list, name) {
      list[name] = function () { list.push([name].concat(Array.prototype.slice.call(arguments))); };
    }
    main._i = [];
    main.people = [];
    main.init = function (key, options, name) {
      var list = name && name !== "posthog" ? (main[name] = []) : main;
      list.people = list.people || [];
      methods.forEach(function (method) { queue(list, method); });
      ["set", "set_once"].forEach(function (method) { queue(list.people, method); });
      main._i.push([key, options, name || "posthog"]);
    };
    main.__SV = 1;
    var script = d.createElement("script");
    script.async = true;
    script.crossOrigin = "anonymous";
    script.src = {{source}};
    d.head.appendChild(script);
  })(window, document);
  posthog.init({{key}}, {
    api_host: {{site}},
    defaults: {{defaults}},
    person_profiles: "identified_only",
  });
</script>"#;

impl Snippets {
    /// The snippets of a project on a Tenrec at this address (no slash at its end).
    #[must_use]
    pub fn new(site: &str, key: &ProjectApiKey) -> Self {
        let key = key.to_string();
        let html = LOADER
            .replace("{{source}}", &quoted(&format!("{site}/static/array.js")))
            .replace("{{site}}", &quoted(site))
            .replace("{{defaults}}", &quoted(DEFAULTS))
            .replace("{{key}}", &quoted(&key));
        let options = format!(
            "posthog.init({}, {{\n  api_host: {},\n  defaults: {},\n  person_profiles: \"identified_only\",\n}});",
            quoted(&key),
            quoted(site),
            quoted(DEFAULTS),
        );
        let body = serde_json::json!({ "api_key": key, "event": "test event", "distinct_id": "me" }).to_string();
        Self {
            html,
            npm_install: "npm install posthog-js",
            npm: format!("import posthog from \"posthog-js\";\n\n{options}"),
            moved: format!(
                "posthog.init({}, {{\n  api_host: {}, // ← was https://us.i.posthog.com or similar\n  // everything else stays as it is\n}});",
                quoted(&key),
                quoted(site),
            ),
            curl: format!(
                "curl -X POST {} \\\n  -H 'Content-Type: application/json' \\\n  -d {}",
                shell_quoted(&format!("{site}/i/v0/e/")),
                shell_quoted(&body),
            ),
        }
    }
}

/// Text as a string of JavaScript that may stand inside a script element.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('<', "\\u003c")
}

/// Text as one word of a shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ProjectApiKey {
        format!("phc_{}", "a".repeat(43)).parse().expect("a key")
    }

    #[test]
    fn every_place_is_filled() {
        let snippets = Snippets::new("https://t.example", &key());
        for text in [&snippets.html, &snippets.npm, &snippets.moved, &snippets.curl] {
            assert!(text.contains("https://t.example") && text.contains(&key().to_string()), "{text}");
            assert!(!text.contains("{{"), "{text}");
        }
        assert!(snippets.html.contains(r#"script.src = "https://t.example/static/array.js";"#));
    }

    #[test]
    fn a_hostile_address_stays_a_string() {
        let snippets = Snippets::new("http://x</script>\"'", &key());
        assert_eq!(snippets.html.matches("</script>").count(), 1);
        assert!(snippets.html.contains(r#"api_host: "http://x\u003c/script>\"'""#));
        assert!(snippets.curl.contains(r"'\''"));
    }
}
