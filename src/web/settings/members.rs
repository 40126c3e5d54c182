//! Members of the project's organization and open invitations.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::super::{Section, Shell, links};
use super::tabs::{Tab, Tabs};
use super::{parse_role, role_label, role_word};
use crate::accounts::members::{self, Changed};
use crate::accounts::{DisplayName, EmailAddress, invitations};
use crate::http::{AppState, Cause, FieldErrors, Form, ProjectAccess, Site, WebError, form_again, page};
use crate::model::{InvitationId, Organization, Project, Role, UserId};
use crate::storage::pg::{Invitation, Member};

#[derive(Debug, Template)]
#[template(path = "pages/settings/members.html")]
struct Page {
    shell: Shell,
    tabs: Tabs,
    project: Project,
    organization: Organization,
    members: Vec<MemberRow>,
    invitations: Vec<InvitationRow>,
    /// The roles that this user may give.
    roles: Vec<RoleChoice>,
    can_manage: bool,
    /// A link that was just made: the one time it is shown.
    new_link: Option<String>,
    problem: Option<&'static str>,
    invite_email: String,
    invite_role: String,
    organization_name: String,
    errors: FieldErrors,
}

#[derive(Debug)]
struct MemberRow {
    member: Member,
    role_label: &'static str,
    is_you: bool,
    can_change: bool,
}

#[derive(Debug)]
struct InvitationRow {
    invitation: Invitation,
    role_label: &'static str,
}

#[derive(Debug)]
struct RoleChoice {
    role: Role,
    word: &'static str,
    label: &'static str,
}

/// The form that makes an invitation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct InviteFields {
    email: String,
    role: String,
}

/// The form that changes a role.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RoleFields {
    role: String,
}

/// The form that renames the organization.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct OrganizationFields {
    name: String,
}

/// `GET /project/{project}/settings/members`.
pub async fn get(State(state): State<AppState>, access: ProjectAccess) -> Result<Response, WebError> {
    page(&Page::load(&state, access).await?)
}

/// `POST /project/{project}/settings/invitations`. Answers with the page itself and not with 303: the link must stand
/// nowhere but in this answer.
pub async fn invite(
    State(state): State<AppState>,
    access: ProjectAccess,
    site: Site,
    Form(fields): Form<InviteFields>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    let mut errors = FieldErrors::default();
    let email = match fields.email.trim() {
        "" => None,
        text => errors.parse::<EmailAddress>("email", text),
    };
    // Owners are made from members, by owners.
    let role = parse_role(&fields.role).filter(|role| *role < Role::Owner);
    let role = role.ok_or_else(|| Cause::invalid("role", "An invitation is for a viewer, a member or an admin."))?;
    if !errors.is_empty() {
        let page = Page::load(&state, access).await?;
        return form_again(&Page { invite_email: fields.email, invite_role: fields.role, errors, ..page });
    }
    let organization = access.project.organization_id;
    let token = invitations::create(&state.pg, &state.clock, organization, access.user.id, role, email).await?;
    let link = format!("{}/invitations/{token}", site.url);
    page(&Page { new_link: Some(link), ..Page::load(&state, access).await? })
}

/// `POST /project/{project}/settings/invitations/{id}/revoke`.
pub async fn revoke_invitation(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, id)): Path<(String, InvitationId)>,
) -> Result<Redirect, WebError> {
    access.require(Role::Admin)?;
    if !state.pg.delete_invitation(access.project.organization_id, id).await? {
        return Err(Cause::NotFound.into());
    }
    Ok(here(&access))
}

/// `POST /project/{project}/settings/members/{id}/role`.
pub async fn set_role(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, id)): Path<(String, UserId)>,
    Form(fields): Form<RoleFields>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    let role = parse_role(&fields.role).ok_or_else(|| Cause::invalid("role", "There is no such role."))?;
    let changed = members::set_role(&state.pg, access.role, access.project.organization_id, id, role).await?;
    answer(&state, access, changed).await
}

/// `POST /project/{project}/settings/members/{id}/remove`.
pub async fn remove(
    State(state): State<AppState>,
    access: ProjectAccess,
    Path((_, id)): Path<(String, UserId)>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    let changed = members::remove(&state.pg, access.role, access.project.organization_id, id).await?;
    if changed == Changed::Done && id == access.user.id {
        return Ok(Redirect::to("/").into_response());
    }
    answer(&state, access, changed).await
}

/// `POST /project/{project}/settings/organization`.
pub async fn rename_organization(
    State(state): State<AppState>,
    access: ProjectAccess,
    Form(fields): Form<OrganizationFields>,
) -> Result<Response, WebError> {
    access.require(Role::Admin)?;
    let mut errors = FieldErrors::default();
    let Some(name) = errors.parse::<DisplayName>("name", &fields.name) else {
        let page = Page::load(&state, access).await?;
        return form_again(&Page { organization_name: fields.name, errors, ..page });
    };
    state.pg.update_organization_name(access.project.organization_id, name.as_str()).await?;
    Ok(here(&access).into_response())
}

async fn answer(state: &AppState, access: ProjectAccess, changed: Changed) -> Result<Response, WebError> {
    let problem = match changed {
        Changed::Done => return Ok(here(&access).into_response()),
        Changed::NoMember => return Err(Cause::NotFound.into()),
        Changed::LastOwner => "An organization needs an owner. Make somebody else owner first.",
        Changed::OwnersOnly => "Only an owner can do this.",
    };
    form_again(&Page { problem: Some(problem), ..Page::load(state, access).await? })
}

fn here(access: &ProjectAccess) -> Redirect {
    Redirect::to(&format!("{}/members", links::settings(access.project.id)))
}

impl Page {
    async fn load(state: &AppState, access: ProjectAccess) -> Result<Self, WebError> {
        let shell = Shell::load(state, &access.user, Some(&access.project), Section::Settings).await?;
        let id = access.project.organization_id;
        let organization = state.pg.find_organization(id).await?.ok_or(Cause::NotFound)?;
        let can_manage = access.is_at_least(Role::Admin);
        let members = state.pg.list_members(id).await?;
        let is_only_owner = members.iter().filter(|member| member.role == Role::Owner).count() == 1;
        let member = |member: Member| MemberRow {
            role_label: role_label(member.role),
            is_you: member.user.id == access.user.id,
            can_change: can_manage && (member.role < Role::Owner || access.role == Role::Owner && !is_only_owner),
            member,
        };
        let members = members.into_iter().map(member).collect();
        let invitations = if can_manage { state.pg.list_invitations(id, state.clock.now()).await? } else { Vec::new() };
        let invitation = |invitation: Invitation| InvitationRow { role_label: role_label(invitation.role), invitation };
        Ok(Self {
            shell,
            tabs: Tabs::new(Some(access.project.id), Tab::Members),
            members,
            invitations: invitations.into_iter().map(invitation).collect(),
            roles: choices(access.role),
            can_manage,
            new_link: None,
            problem: None,
            invite_email: String::new(),
            invite_role: role_word(Role::Member).to_owned(),
            organization_name: organization.name.clone(),
            organization,
            project: access.project,
            errors: FieldErrors::default(),
        })
    }
}

fn choices(up_to: Role) -> Vec<RoleChoice> {
    let all = [Role::Viewer, Role::Member, Role::Admin, Role::Owner].into_iter();
    let choice = |role| RoleChoice { role, word: role_word(role), label: role_label(role) };
    all.filter(|role| *role <= up_to).map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OrganizationId, ProjectId, TimeZoneName, User};
    use crate::web::tests::assert_page;

    fn sample(can_manage: bool) -> Page {
        let now = "2026-11-01T12:00:00Z".parse().expect("a timestamp");
        let organization_id = OrganizationId::new(uuid::Uuid::from_u128(1));
        let user = |id, name: &str| User {
            id: UserId::new(uuid::Uuid::from_u128(id)),
            email: format!("{name}@example.com"),
            name: name.to_owned(),
            created_at: now,
        };
        let row = |id, name, role, is_you| MemberRow {
            member: Member { user: user(id, name), role, joined_at: now },
            role_label: role_label(role),
            is_you,
            can_change: can_manage,
        };
        Page {
            shell: Shell::sample(Section::Settings),
            tabs: Tabs::new(Some(ProjectId::new(1)), Tab::Members),
            project: Project {
                id: ProjectId::new(1),
                organization_id,
                name: "Shop".to_owned(),
                api_key: "phc_sample".parse().expect("a key"),
                time_zone: TimeZoneName::utc(),
                created_at: now,
            },
            organization: Organization { id: organization_id, name: "Shop & Co".to_owned(), created_at: now },
            members: vec![row(1, "Ada", Role::Owner, true), row(2, "Grace", Role::Viewer, false)],
            invitations: vec![InvitationRow {
                invitation: Invitation {
                    id: InvitationId::new(uuid::Uuid::from_u128(3)),
                    organization_id,
                    organization_name: "Shop & Co".to_owned(),
                    email: None,
                    role: Role::Admin,
                    created_by: UserId::new(uuid::Uuid::from_u128(1)),
                    created_by_name: "Ada".to_owned(),
                    created_at: now,
                    expires_at: now,
                },
                role_label: "Admin",
            }],
            roles: choices(Role::Owner),
            can_manage,
            new_link: Some("http://localhost:8000/invitations/abc".to_owned()),
            problem: Some("Only an owner can do this."),
            invite_email: String::new(),
            invite_role: "member".to_owned(),
            organization_name: "Shop & Co".to_owned(),
            errors: FieldErrors::default(),
        }
    }

    #[test]
    fn the_page_renders_for_admins_and_for_others() {
        assert_page(&sample(true), "select[name=role] option[selected][value=owner]");
        assert_page(&sample(true), "#invitation-link");
        assert_page(&sample(true), "form[action$='/revoke'] button");
        assert_page(&sample(false), "table");
        assert_eq!(choices(Role::Admin).len(), 3);
    }
}
