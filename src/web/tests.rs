//! What every page must be, whatever it shows.

use askama::Template;
use scraper::{Html, Selector};

/// Renders a page and asserts that it holds what `selector` selects, and what every page holds: a heading, a label for
/// each field, and nothing that the content security policy would refuse.
pub fn assert_page(page: &impl Template, selector: &str) {
    let html = page.render().expect("a page renders");
    let document = Html::parse_document(&html);
    let all = |selector: &str| {
        let selector = Selector::parse(selector).expect("a selector");
        document.select(&selector).map(|element| element.html()).collect::<Vec<_>>()
    };
    assert!(!all(selector).is_empty(), "no {selector} in\n{html}");
    assert_eq!(all("h1").len(), 1, "one heading of the page in\n{html}");
    assert_eq!(all("main").len(), 1, "one main part in\n{html}");
    assert_eq!(all("[style], style, script:not([src]):not([type='application/json'])"), Vec::<String>::new());
    for field in document.select(&Selector::parse("input:not([type=hidden]), select, textarea").expect("a selector")) {
        let id = field.attr("id").unwrap_or_default();
        let is_named = field.attr("aria-label").is_some()
            || field.attr("aria-hidden") == Some("true")
            || !all(&format!("label[for='{id}']")).is_empty();
        assert!(is_named, "no label for {}", field.html());
    }
    for element in document.select(&Selector::parse("*").expect("a selector")) {
        let handler = element.value().attrs().find(|(name, _)| name.starts_with("on"));
        assert!(handler.is_none(), "an inline handler: {}", element.html());
    }
}

/// A project to render pages with.
pub fn sample_project() -> crate::model::Project {
    crate::model::Project {
        id: crate::model::ProjectId::new(1),
        organization_id: crate::model::OrganizationId::new(uuid::Uuid::nil()),
        name: "Shop".to_owned(),
        api_key: "phc_sample".parse().expect("a key"),
        time_zone: "Europe/Berlin".parse().expect("a zone"),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    }
}
