//! What each reason means, in words, and what to do about it.

/// A reason for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    pub title: &'static str,
    pub advice: &'static str,
}

/// The words for a code of the ledger.
#[must_use]
pub fn explain(code: &str) -> Reason {
    let (title, advice) = match code {
        "not_an_object" => (
            "Not a JSON object",
            "An element of the batch is a text, a number or a list. Look at the code that builds the batch.",
        ),
        "missing_event_name" => ("No event name", "Give every event a name: posthog.capture(\"name\")."),
        "missing_distinct_id" => (
            "No distinct_id",
            "Say whose event it is. Browser SDKs do it by themselves; on a server pass the distinct id to capture.",
        ),
        "invalid_uuid" => (
            "The uuid is not a UUID",
            "Leave the field uuid out, or send a UUID such as 01a1fbbe-c8df-76b3-94c7-dae158d25385.",
        ),
        "invalid_properties" => ("The properties are not an object", "Send properties as a JSON object with keys."),
        "event_too_large" => (
            "Too large",
            "Send less in one event: long texts, pictures and whole documents are the usual cause. The server's limit is TENREC_MAX_EVENT_BYTES.",
        ),
        "recording" => (
            "A session recording",
            "Recordings are not stored here yet. Set disable_session_recording in the SDK, and they are no longer sent.",
        ),
        "client_warning" => (
            "A warning of the SDK about itself",
            "Nothing is lost: the SDK reports that it held something back. The sample says what.",
        ),
        "event_name_too_long" => (
            "The event name is too long",
            "Use at most 200 characters. Put what varies, such as an id, into a property.",
        ),
        "distinct_id_too_large" => ("The distinct_id is too long", "Use at most 200 characters."),
        "invalid_event_timestamp" => ("The timestamp is not a time", "Send it as ISO 8601: 2026-11-21T12:00:00Z."),
        "invalid_options" => ("An option has a wrong value", "Update the SDK; its options are true or false."),
        "opted_out" => (
            "The person opted out",
            "The distinct id is on the project's list of people who are not counted. Nothing of the event is kept.",
        ),
        "erased" => (
            "The person was erased",
            "The event is from before the erasure: it waited or was sent again. Nothing of it is kept. What the id does later is stored, as a new person's.",
        ),
        "cookieless_off" => (
            "From a visitor without cookies",
            "The SDK runs in cookieless mode and this project does not take such events. Switch cookieless mode on in Privacy.",
        ),
        "cookieless_incomplete" => (
            "Cookieless, and something is missing",
            "A visitor without cookies is told apart by address, $host and user agent. Behind a proxy, set TENREC_TRUSTED_PROXIES.",
        ),
        "cookieless_day_over" => (
            "Cookieless, and its day is over",
            "The salt of that day is destroyed, so nobody can tell whose event it is. Events that wait longer than a day end here.",
        ),
        "cookieless_identity" => (
            "Cookieless, and wants to identify",
            "A visitor without cookies stays unknown: identify, alias and merge do nothing in cookieless mode.",
        ),
        "bot" => {
            ("Sent by a bot", "Stored and marked. Insights leave these events out unless they are told to count bots.")
        }
        "unknown_project" => ("The project is gone", "The project was deleted while the event was on its way."),
        "invalid_event_when_process_person_profile_is_false" => (
            "Changes a person that it must not have",
            "The event identifies or merges somebody and says $process_person_profile: false. Send one or the other.",
        ),
        "insert" | "look-up" => (
            "ClickHouse refuses it",
            "The store cannot hold a value in it. What it said stands with the event; the whole event is in the directory quarantine of the server's data.",
        ),
        "identity" | "definitions" | "overrides" => (
            "Postgres refuses it",
            "The store cannot hold a value in it. What it said stands with the event; the whole event is in the directory quarantine of the server's data.",
        ),
        _ => ("Another reason", "This version of Tenrec has no words for it; the code is shown with the event."),
    };
    Reason { title, advice }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Rejection;

    #[test]
    fn every_rejection_has_words_of_its_own() {
        let titles: std::collections::HashSet<_> =
            Rejection::ALL.into_iter().map(|reason| explain(reason.code()).title).collect();
        assert_eq!(titles.len(), Rejection::ALL.len());
    }
}
