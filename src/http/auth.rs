//! Who asks, and what they may do: extractors, so that a handler that names one cannot be reached without.
//!
//! Pages know people by the cookie of a signed-in browser, the API knows them by a personal key; neither takes the
//! other's proof, so a cookie never authorises an API call from somebody else's page.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts, OriginalUri, RawPathParams};
use axum::http::request::Parts;
use axum::http::{Method, Uri, header};

use super::{ApiError, AppState, Cause, SignInCookie, WebError};
use crate::accounts::sign_ins;
use crate::model::{PersonalApiKey, Project, Role, SignInId, User};
use crate::storage::pg::ProjectName;

/// A person at a page. Without one, the request is sent to sign in, or to set-up while nobody has an account.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: User,
    /// By which sign-in: this browser's.
    pub sign_in_id: SignInId,
}

/// A person at a page of a project, `/project/{project}/…`, that is theirs to see. `{project}` is its id, its project API
/// key, or `@current`.
#[derive(Debug, Clone)]
pub struct ProjectAccess {
    pub user: User,
    pub role: Role,
    pub project: Project,
}

/// The owner of the personal API key that a request to the API carries.
#[derive(Debug, Clone)]
pub struct ApiUser {
    pub user: User,
}

/// The owner of a personal API key, at a project of theirs: `/api/projects/{project}/…`.
#[derive(Debug, Clone)]
pub struct ApiProjectAccess {
    pub user: User,
    pub role: Role,
    pub project: Project,
}

impl ProjectAccess {
    /// Goes on only with this role or a higher one.
    ///
    /// # Errors
    /// If the user's role in the project is lower.
    pub fn require(&self, role: Role) -> Result<(), WebError> {
        Ok(require(self.role, role)?)
    }

    /// Whether the user has this role or a higher one: for what to show.
    #[must_use]
    pub fn is_at_least(&self, role: Role) -> bool {
        self.role >= role
    }
}

impl ApiProjectAccess {
    /// Goes on only with this role or a higher one.
    ///
    /// # Errors
    /// If the user's role in the project is lower.
    pub fn require(&self, role: Role) -> Result<(), ApiError> {
        Ok(require(self.role, role)?)
    }
}

fn require(has: Role, needed: Role) -> Result<(), Cause> {
    if has >= needed { Ok(()) } else { Err(Cause::Forbidden(needed)) }
}

/// Found once per request, though several extractors ask.
#[derive(Clone)]
struct Found(Option<Arc<SignedIn>>);

async fn find_signed_in(parts: &mut Parts, state: &AppState) -> Result<Option<SignedIn>, Cause> {
    if let Some(Found(found)) = parts.extensions.get::<Found>() {
        return Ok(found.as_deref().cloned());
    }
    let Ok(cookie) = SignInCookie::from_request_parts(parts, state).await;
    let found = match &cookie.token {
        Some(token) => sign_ins::find(&state.pg, &state.clock, token).await?,
        None => None,
    };
    let found = found.map(|(user, sign_in_id)| SignedIn { user, sign_in_id });
    parts.extensions.insert(Found(found.clone().map(Arc::new)));
    Ok(found)
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        if let Some(found) = find_signed_in(parts, state).await? {
            return Ok(found);
        }
        if !state.pg.has_users().await? {
            return Err(Cause::SetupNeeded.into());
        }
        Err(sign_in_needed(parts).into())
    }
}

impl OptionalFromRequestParts<AppState> for SignedIn {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Option<Self>, WebError> {
        Ok(find_signed_in(parts, state).await?)
    }
}

/// Remembers where a person wanted to go, when that is a page that can be asked for again.
fn sign_in_needed(parts: &Parts) -> Cause {
    let is_fragment = parts.headers.contains_key("hx-request");
    let next = if is_fragment {
        let page = parts.headers.get("hx-current-url").and_then(|url| url.to_str().ok()?.parse::<Uri>().ok());
        page.and_then(|url| Some(url.path_and_query()?.to_string()))
    } else if parts.method == Method::GET {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
        uri.path_and_query().map(ToString::to_string)
    } else {
        None
    };
    Cause::SignInNeeded { next: next.filter(|next| next != "/"), is_fragment }
}

impl FromRequestParts<AppState> for ProjectAccess {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, WebError> {
        let SignedIn { user, .. } = <SignedIn as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        let (project, role) = find_project(parts, state, &user).await?;
        Ok(Self { user, role, project })
    }
}

/// The project that the path names, if it is the user's to see; that it exists at all is not told to anybody else.
async fn find_project(parts: &mut Parts, state: &AppState, user: &User) -> Result<(Project, Role), Cause> {
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Cause::NotFound)?;
    let name = params.iter().find(|(name, _)| *name == "project").map(|(_, value)| value.parse::<ProjectName>());
    let name = name.ok_or_else(|| Cause::internal("the route has no {project}"))?.map_err(|_| Cause::NotFound)?;
    state.pg.find_project_for_user(user.id, &name).await?.ok_or(Cause::NotFound)
}

impl FromRequestParts<AppState> for ApiUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let key = personal_key(parts).ok_or(Cause::InvalidKey)?;
        let user = state.pg.find_user_by_personal_key(&key.hash(), state.clock.now()).await?;
        Ok(Self { user: user.ok_or(Cause::InvalidKey)? })
    }
}

/// From `Authorization: Bearer phx_…`, or `?personal_api_key=phx_…`.
fn personal_key(parts: &Parts) -> Option<PersonalApiKey> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.parse().ok())?;
    }
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(parts.uri.query()?).ok()?;
    pairs.iter().find(|(name, _)| name == "personal_api_key")?.1.parse().ok()
}

impl FromRequestParts<AppState> for ApiProjectAccess {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let ApiUser { user } = ApiUser::from_request_parts(parts, state).await?;
        let (project, role) = find_project(parts, state, &user).await?;
        Ok(Self { user, role, project })
    }
}
