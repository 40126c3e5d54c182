//! How sessions are put into words.

use crate::model::ProjectId;
use crate::storage::ch::SessionRecord;
use crate::web::events::path_segment;

/// The page of a session.
#[must_use]
pub fn session_href(project: ProjectId, session_id: &str) -> String {
    format!("/project/{project}/sessions/{}", path_segment(session_id))
}

/// A length of time as people say it, in at most two units: `45s`, `3m 5s`, `2h 10m`, `3d 4h`.
#[must_use]
pub fn duration_text(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large: i64, unit: char, small: i64, lesser: char| match small {
        0 => format!("{large}{unit}"),
        _ => format!("{large}{unit} {small}{lesser}"),
    };
    match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3600 => two(minutes, 'm', seconds % 60, 's'),
        3600..86_400 => two(hours, 'h', minutes, 'm'),
        _ => two(days, 'd', hours, 'h'),
    }
}

/// Where a session was entered: the page's path, or the screen's name in an app.
#[must_use]
pub fn entry_text(session: &SessionRecord) -> Option<&str> {
    session.text("entry_pathname").or_else(|| session.text("entry_screen"))
}

/// Where it was left.
#[must_use]
pub fn exit_text(session: &SessionRecord) -> Option<&str> {
    session.text("exit_pathname").or_else(|| session.text("exit_screen"))
}

/// With what it was visited.
#[must_use]
pub fn device_text(session: &SessionRecord) -> Option<String> {
    let parts: Vec<&str> = ["device_type", "browser"].into_iter().filter_map(|name| session.text(name)).collect();
    (!parts.is_empty()).then(|| parts.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (185, "3m 5s"),
            (3600, "1h"),
            (7830, "2h 10m"),
            (86_399, "23h 59m"),
            (273_600, "3d 4h"),
        ] {
            assert_eq!(duration_text(seconds), text);
        }
    }

    #[test]
    fn any_id_is_one_segment_of_the_path() {
        assert_eq!(session_href(ProjectId::new(1), "a/b ?"), "/project/1/sessions/a%2Fb%20%3F");
    }
}
