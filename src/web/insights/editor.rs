//! The editor: a form that is an address, and its answer beside it.
//!
//! One handler, three sizes: the page; the editor inside it, when a row was added or taken away; the answer alone, when a
//! value changed.

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::super::{Section, Shell};
use super::form::{DATES, DISPLAYS, EditorForm, first_question, letter};
use super::result::{Outcome, ResultView};
use crate::http::{AppState, Cause, ProjectAccess, Reload, WebError, page};
use crate::insights::saved::{MAX_NAME_CHARS, suggested_name};
use crate::insights::suggestions::{SeenNames, seen_names};
use crate::model::query::{Interval, Math, Operator, Traffic, TrendsQuery};
use crate::model::{Project, Role};
use crate::storage::pg::SavedInsight;

#[derive(Debug, Template)]
#[template(path = "pages/insights/editor.html")]
struct Page {
    shell: Shell,
    editor: Editor,
}

#[derive(Debug, Template)]
#[template(path = "pages/insights/_editor.html")]
struct EditorPart {
    editor: Editor,
}

#[derive(Debug, Template)]
#[template(path = "pages/insights/_result.html")]
struct ResultPart {
    result: ResultView,
    zone: String,
}

/// The form, the answer, and what is saved of them.
#[derive(Debug)]
struct Editor {
    project: Project,
    saved: Option<SavedInsight>,
    can_change: bool,
    form: EditorForm,
    names: SeenNames,
    result: ResultView,
    suggested_name: String,
    /// A button did something: what.
    notice: Option<&'static str>,
}

impl Editor {
    fn base(&self) -> String {
        format!("/project/{}/insights", self.project.id)
    }

    fn path(&self) -> String {
        path(&self.project, self.saved.as_ref())
    }

    fn letter(&self, at: &usize) -> char {
        letter(*at)
    }

    fn maths(&self) -> Vec<(&'static str, &'static str)> {
        Math::WORDS.iter().map(|(word, math)| (*word, math.label())).collect()
    }

    fn operators(&self) -> Vec<(&'static str, &'static str)> {
        Operator::WORDS.iter().map(|(word, operator)| (*word, operator.label())).collect()
    }

    fn intervals(&self) -> Vec<&'static str> {
        Interval::WORDS.iter().map(|(word, _)| *word).collect()
    }

    fn displays(&self) -> Vec<(&'static str, &'static str)> {
        DISPLAYS.iter().map(|(word, label, _)| (*word, *label)).collect()
    }

    fn traffics(&self) -> Vec<(&'static str, &'static str)> {
        Traffic::WORDS.iter().map(|(word, traffic)| (*word, traffic.label())).collect()
    }

    fn dates(&self) -> Vec<(&'static str, &'static str)> {
        DATES.to_vec()
    }

    /// The two days of a range of one's own, for the date fields.
    fn custom_dates(&self) -> (String, String) {
        let day =
            |text: &str| text.get(..10).filter(|d| d.parse::<jiff::civil::Date>().is_ok()).unwrap_or("").to_owned();
        if !self.form.is_custom_date() {
            return (String::new(), String::new());
        }
        let (from, to) = self.form.bounds();
        (day(from), to.map(day).unwrap_or_default())
    }

    fn max_name_chars(&self) -> usize {
        MAX_NAME_CHARS
    }
}

fn path(project: &Project, saved: Option<&SavedInsight>) -> String {
    match saved {
        Some(insight) => format!("/project/{}/insights/{}", project.id, insight.short_id),
        None => format!("/project/{}/insights/new", project.id),
    }
}

/// `GET /project/{project}/insights/new`.
pub async fn get_new(
    State(state): State<AppState>,
    access: ProjectAccess,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    show(&state, access, None, &query.unwrap_or_default(), &headers).await
}

/// `GET /project/{project}/insights/{short_id}`.
pub async fn get(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, short_id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let saved = state.pg.find_insight(access.project.id, &short_id).await?.ok_or(Cause::NotFound)?;
    show(&state, access, Some(saved), &query.unwrap_or_default(), &headers).await
}

async fn show(
    state: &AppState,
    access: ProjectAccess,
    saved: Option<SavedInsight>,
    query_string: &str,
    headers: &HeaderMap,
) -> Result<Response, WebError> {
    let project = &access.project;
    let path = path(project, saved.as_ref());
    let kept = saved.as_ref().map(|insight| TrendsQuery::parse(&insight.query)).transpose();
    let (kept_form, problem) = match kept {
        Ok(kept) => (EditorForm::of(&kept.unwrap_or_else(first_question)), None),
        Err(wrong) => (EditorForm::of(&first_question()), Some(wrong)),
    };
    let asked = EditorForm::read(query_string);
    let form = asked.clone().unwrap_or(kept_form);
    let mut result = ResultView::ask(state, project, &form, &path, Reload::of(headers)).await;
    if let (Some(wrong), None) = (problem, &asked) {
        result.outcome = Outcome::failed(&wrong.into());
    }

    let target = |name: &str| headers.get("hx-target").is_some_and(|t| t.as_bytes() == name.as_bytes());
    let is_fragment = headers.contains_key("hx-request") && !headers.contains_key("hx-history-restore-request");
    let address = format!("{path}?{}", result.state);
    let response = if is_fragment && target("result") {
        page(&ResultPart { result, zone: project.time_zone.to_string() })?
    } else {
        let editor = Editor {
            can_change: access.is_at_least(Role::Member),
            suggested_name: form.to_query().map(|q| suggested_name(&q)).unwrap_or_default(),
            names: seen_names(&state.pg, project.id).await?,
            notice: notice(query_string),
            project: access.project.clone(),
            saved,
            form,
            result,
        };
        if is_fragment && target("insight") {
            page(&EditorPart { editor })?
        } else {
            let shell = Shell::load(state, &access.user, Some(&access.project), Section::Insights).await?;
            return Ok((VARY, page(&Page { shell, editor })?).into_response());
        }
    };
    let address = HeaderValue::try_from(address).map_err(Cause::internal)?;
    Ok((VARY, [("hx-push-url", address)], response).into_response())
}

const VARY: [(&str, &str); 1] = [("vary", "HX-Request, HX-Target")];

/// What a button did, as the address it led to says.
fn notice(query_string: &str) -> Option<&'static str> {
    match query_string {
        "done=saved" => Some("Saved."),
        "done=home" => Some("It is on the home page now."),
        "done=copied" => Some("This is the copy."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::insights::result::Answer;
    use crate::web::insights::{Chart, Column, Figure, Line};

    fn editor(outcome: Outcome) -> Editor {
        let form = EditorForm::read(
            "event=%24pageview&math=dau&event=sign+up&math=total&filter_key=plan&filter_op=exact&filter_value=pro\
             &filter_on=1&breakdown=%24browser&date=2026-10-01..2026-10-31&add=filter",
        );
        let form = form.expect("a question");
        Editor {
            project: crate::web::tests::sample_project(),
            saved: None,
            can_change: true,
            names: SeenNames { events: vec!["sign up".to_owned()], ..SeenNames::default() },
            result: ResultView {
                outcome,
                state: form.query_string(),
                wider: Some(("last 30 days", "/x".to_owned())),
                with_bots: None,
            },
            suggested_name: "$pageview".to_owned(),
            notice: None,
            form,
        }
    }

    fn answer(is_empty: bool, kind: &'static str) -> Outcome {
        let column = |n: u8| Column {
            day: format!("2026-11-0{n}"),
            label: format!("{n} Nov"),
            title: format!("{n}-Nov-2026"),
            is_incomplete: n == 2,
        };
        let line = Line {
            label: "<b>$pageview</b>".to_owned(),
            is_previous: false,
            color: 0,
            cells: vec![Figure::of(1), Figure::of(1234)],
            whole: Figure::of(1235),
            average: "617.5".to_owned(),
        };
        let columns = vec![column(1), column(2)];
        let chart = Chart { kind, columns, lines: vec![line], numbers: Vec::new(), whole_label: "Total" };
        Outcome::Answer(Box::new(Answer {
            chart,
            is_empty,
            range: "1 Nov 2026 – 2 Nov 2026".to_owned(),
            traffic: Traffic::Humans,
            computed_at: Timestamp::UNIX_EPOCH,
            cost: "3 ms".to_owned(),
            statements: vec!["SELECT 1".to_owned()],
        }))
    }

    use jiff::Timestamp;

    #[test]
    fn the_editor_renders_with_an_answer_with_none_and_with_an_error() {
        let render = |outcome, selector: &str| {
            let shell = Shell::sample(Section::Insights);
            crate::web::tests::assert_page(&Page { shell, editor: editor(outcome) }, selector);
        };
        render(answer(false, "line"), "figure[data-chart=line] table[data-series] td[data-v='1234']");
        render(answer(false, "table"), "figure table td.num");
        render(answer(true, "line"), "#result .empty a[href='/x']");
        let failed = Outcome::Failed { message: "Too slow.".to_owned(), may_pass: true };
        render(failed, "#result .notice.is-error");
    }
}
