//! Accepting an invitation: by making an account, or with the one that is signed in.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::login;
use super::settings::role_label;
use crate::accounts::invitations::{self, Accepted, Newcomer};
use crate::http::{
    AppState, ClientIp, ErrorPage, FieldErrors, Form, SignInCookie, SignedIn, WebError, form_again, page,
};
use crate::storage::pg::Invitation;

#[derive(Debug, Template)]
#[template(path = "pages/invitation.html")]
struct Page {
    token: String,
    organization: String,
    invited_by: String,
    role: &'static str,
    guest: Guest,
    is_email_taken: bool,
    errors: FieldErrors,
}

#[derive(Debug)]
enum Guest {
    SignedIn { name: String, email: String },
    New(Fields),
}

/// What the form sends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Fields {
    name: String,
    email: String,
    password: String,
}

/// `GET /invitations/{token}`.
pub async fn get(
    State(state): State<AppState>,
    ip: ClientIp,
    signed_in: Option<SignedIn>,
    Path(token): Path<String>,
) -> Result<Response, WebError> {
    let Some(invitation) = find(&state, ip, &token).await? else { return Ok(closed()) };
    let guest = match signed_in {
        Some(SignedIn { user, .. }) => {
            if state.pg.find_role(user.id, invitation.organization_id).await?.is_some() {
                return Ok(Redirect::to("/").into_response());
            }
            Guest::SignedIn { name: user.name, email: user.email }
        }
        None => Guest::New(Fields { email: invitation.email.clone().unwrap_or_default(), ..Fields::default() }),
    };
    page(&Page::new(token, &invitation, guest))
}

/// `POST /invitations/{token}`.
pub async fn post(
    State(state): State<AppState>,
    ip: ClientIp,
    signed_in: Option<SignedIn>,
    cookie: SignInCookie,
    headers: HeaderMap,
    Path(token): Path<String>,
    Form(fields): Form<Fields>,
) -> Result<Response, WebError> {
    let Some(invitation) = find(&state, ip, &token).await? else { return Ok(closed()) };
    if let Some(SignedIn { user, .. }) = signed_in {
        return match invitations::accept_as(&state.pg, &state.clock, &token, user.id).await? {
            Accepted::Done(_) => Ok(Redirect::to("/").into_response()),
            _ => Ok(closed()),
        };
    }
    let mut errors = FieldErrors::default();
    let newcomer = (
        errors.parse("name", &fields.name),
        errors.parse("email", &fields.email),
        errors.parse("password", &fields.password),
    );
    let (Some(name), Some(email), Some(password)) = newcomer else {
        return form_again(&Page { errors, ..Page::new(token, &invitation, Guest::New(fields)) });
    };
    let newcomer = Newcomer { name, email, password };
    match invitations::accept_as_new(&state.pg, &state.clock, &token, newcomer).await? {
        Accepted::Done(user) => login::sign_in(&state, &cookie, &headers, user, "/").await,
        Accepted::Closed => Ok(closed()),
        Accepted::EmailTaken => {
            form_again(&Page { is_email_taken: true, ..Page::new(token, &invitation, Guest::New(fields)) })
        }
    }
}

/// The open invitation behind the link.
async fn find(state: &AppState, ip: ClientIp, token: &str) -> Result<Option<Invitation>, WebError> {
    state.limits().links.check(&ip.limit_key())?;
    Ok(invitations::find(&state.pg, &state.clock, token).await?)
}

/// The answer to a link that was used, taken back, has run out or never was; it does not tell which.
fn closed() -> Response {
    ErrorPage {
        status: StatusCode::NOT_FOUND,
        title: "This invitation is closed",
        detail: "A link works once, within seven days, and can be taken back. Ask whoever invited you for a new one."
            .to_owned(),
    }
    .into_response()
}

impl Page {
    fn new(token: String, invitation: &Invitation, guest: Guest) -> Self {
        Self {
            token,
            organization: invitation.organization_name.clone(),
            invited_by: invitation.created_by_name.clone(),
            role: role_label(invitation.role),
            guest,
            is_email_taken: false,
            errors: FieldErrors::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::tests::assert_page;

    fn sample(guest: Guest) -> Page {
        Page {
            token: "t".to_owned(),
            organization: "Shop & Co".to_owned(),
            invited_by: "Ada".to_owned(),
            role: "Member",
            guest,
            is_email_taken: true,
            errors: FieldErrors::default(),
        }
    }

    #[test]
    fn the_page_renders_for_newcomers_and_users() {
        assert_page(&sample(Guest::New(Fields::default())), "input[name=password][autocomplete=new-password]");
        assert_page(&sample(Guest::New(Fields::default())), "[role=alert] a[href='/login?next=/invitations/t']");
        let user = Guest::SignedIn { name: "Grace".to_owned(), email: "grace@example.com".to_owned() };
        assert_page(&sample(user), "form[action='/invitations/t'] button");
    }
}
