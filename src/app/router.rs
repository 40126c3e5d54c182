//! Every route of Tenrec.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, any, delete, get, post};

use super::sdk_routes::sdk_routes;
use crate::http::{AppState, assets, middleware};
use crate::{api, web};

/// All routes, for people and machines.
pub fn router(state: AppState) -> Router {
    let pages = middleware::inside_pages(pages(), &state).layer(from_fn(web::errors::render));
    let all = Router::new()
        .route("/assets/{name}", get(assets::get))
        .merge(health())
        .merge(sdk_routes(&state))
        .merge(middleware::for_api(management().layer(from_fn(api::errors::shape)), &state))
        .merge(middleware::for_pages(pages, &state));
    middleware::for_all(all).with_state(state)
}

/// How Tenrec is, for machines that watch it.
fn health() -> Router<AppState> {
    use api::health;
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/version", get(health::version))
        .route("/metrics", get(health::metrics))
}

/// What personal keys open.
fn management() -> Router<AppState> {
    use api::{errors, ingestion, projects, property_definitions, query, users};
    let list = || get(projects::list).post(projects::create);
    let one = || get(projects::get).patch(projects::update);
    Router::new()
        .route("/api/projects", list())
        .route("/api/projects/", list())
        .route("/api/projects/{project}", one())
        .route("/api/projects/{project}/", one())
        .route("/api/projects/{project}/ingestion", get(ingestion::get))
        .route("/api/projects/{project}/ingestion/", get(ingestion::get))
        .merge(of_project("/property_definitions", || get(property_definitions::list)))
        .merge(of_project("/property_definitions/{id}", || axum::routing::patch(property_definitions::update)))
        .merge(of_project("/query/export.csv", || post(query::export)))
        .merge(of_project("/query", || post(query::run)))
        .merge(of_project("/query/{id}", || get(query::get_status).delete(query::cancel)))
        .merge(privacy_api())
        .merge(people())
        .merge(definitions())
        .route("/api/users/@me", get(users::me))
        .route("/api/users/@me/", get(users::me))
        .route("/api/organizations/@current", get(users::current_organization))
        .route("/api/organizations/@current/", get(users::current_organization))
        .route("/api/{*rest}", any(errors::not_found))
}

/// A resource of a project: below `projects` and `environments`, each with and without a slash at its end.
fn of_project(path: &str, methods: impl Fn() -> MethodRouter<AppState>) -> Router<AppState> {
    ["projects", "environments"].into_iter().fold(Router::new(), |router, parent| {
        let path = format!("/api/{parent}/{{project}}{path}");
        router.route(&path, methods()).route(&format!("{path}/"), methods())
    })
}

/// Exporting and erasing people, and a project's privacy.
fn privacy_api() -> Router<AppState> {
    use api::{persons_erase as persons, privacy};
    let choices = || get(privacy::get).patch(privacy::update);
    let opt_outs = || get(privacy::list_opt_outs).post(privacy::add_opt_outs).delete(privacy::remove_opt_outs);
    Router::new()
        .merge(of_project("/persons/{uuid}", || delete(persons::delete)))
        .merge(of_project("/persons/bulk_delete", || post(persons::bulk_delete)))
        .merge(of_project("/persons/{uuid}/export", || get(persons::export)))
        .merge(of_project("/persons/{uuid}/erase_preview", || get(persons::preview)))
        .merge(of_project("/privacy", choices))
        .merge(of_project("/privacy/erasures", || get(privacy::list_erasures)))
        .merge(of_project("/privacy/erasures/{id}", || get(privacy::get_erasure)))
        .merge(of_project("/privacy/erasures/{id}/receipt", || get(privacy::get_receipt)))
        .merge(of_project("/privacy/opt_outs", opt_outs))
        .route("/api/privacy/public_key/", get(privacy::public_key))
        .route("/api/privacy/verify_receipt/", post(privacy::verify_receipt))
}

/// People and groups of a project.
fn people() -> Router<AppState> {
    use api::{groups, groups_edit, persons, persons_edit, persons_part};
    of_project("/persons", || get(persons::list))
        .merge(of_project("/persons/values", || get(persons::values)))
        .merge(of_project("/persons/{uuid}", || get(persons::get).patch(persons_edit::update)))
        .merge(of_project("/persons/{uuid}/update_property", || post(persons_edit::update_property)))
        .merge(of_project("/persons/{uuid}/delete_property", || post(persons_edit::delete_property)))
        .merge(of_project("/persons/{uuid}/split", || post(persons_part::split)))
        .merge(of_project("/persons/{uuid}/merges", || get(persons_part::list)))
        .merge(of_project("/persons/{uuid}/merges/{merge}/undo", || post(persons_part::undo)))
        .merge(of_project("/groups", || get(groups::list)))
        .merge(of_project("/groups/find", || get(groups::find)))
        .merge(of_project("/groups/update_property", || post(groups_edit::update_property)))
        .merge(of_project("/groups/delete_property", || post(groups_edit::delete_property)))
        .merge(of_project("/groups_types", || get(groups::types)))
}

/// What a project gives names to.
fn definitions() -> Router<AppState> {
    use api::{actions, cohorts};
    use axum::routing::patch;
    let one_action = || get(actions::get).patch(actions::update).delete(actions::delete);
    let upload = || DefaultBodyLimit::max(cohorts::MAX_UPLOAD_BYTES);
    let one_cohort = || get(cohorts::get).patch(cohorts::update).delete(cohorts::delete).layer(upload());
    of_project("/actions", || get(actions::list).post(actions::create))
        .merge(of_project("/actions/{id}", one_action))
        .merge(of_project("/cohorts", || get(cohorts::list).post(cohorts::create).layer(upload())))
        .merge(of_project("/cohorts/size", || post(cohorts::size)))
        .merge(of_project("/cohorts/{id}", one_cohort))
        .merge(of_project("/cohorts/{id}/persons", || get(cohorts::persons)))
        .merge(of_project("/cohorts/{id}/add_persons_to_static_cohort", || patch(cohorts::add_persons)))
        .merge(of_project("/cohorts/{id}/remove_person_from_static_cohort", || patch(cohorts::remove_person)))
}

/// What people see. Every page of a project is below `/project/{project}` and takes `ProjectAccess`.
fn pages() -> Router<AppState> {
    use web::settings::{account, api_keys, members, new_project, project};
    use web::{errors, invitation, login, settings, setup, start, status};
    Router::new()
        .route("/", get(start::get))
        // Coming in
        .route("/setup", get(setup::get).post(setup::post))
        .route("/login", get(login::get).post(login::post))
        .route("/logout", post(login::end))
        .route("/invitations/{token}", get(invitation::get).post(invitation::post))
        // Settings
        .route("/settings", get(settings::get))
        .route("/settings/account", get(account::get).post(account::post))
        .route("/settings/account/password", post(account::post_password))
        .route("/settings/account/sign-ins/end-others", post(account::end_other_sign_ins))
        .route("/settings/account/sign-ins/{id}/end", post(account::end_sign_in))
        .route("/settings/api-keys", get(api_keys::get).post(api_keys::post))
        .route("/settings/api-keys/{id}/revoke", post(api_keys::revoke))
        .route("/settings/projects/new", get(new_project::get).post(new_project::post))
        .route("/project/{project}/settings", get(project::get).post(project::post))
        .route("/project/{project}/settings/members", get(members::get))
        .route("/project/{project}/settings/members/{id}/role", post(members::set_role))
        .route("/project/{project}/settings/members/{id}/remove", post(members::remove))
        .route("/project/{project}/settings/invitations", post(members::invite))
        .route("/project/{project}/settings/invitations/{id}/revoke", post(members::revoke_invitation))
        .route("/project/{project}/settings/organization", post(members::rename_organization))
        .route("/status", get(status::get))
        .merge(privacy_pages())
        .merge(explorer())
        .fallback(errors::not_found)
}

/// Erasures, opt-outs, visitors without cookies.
fn privacy_pages() -> Router<AppState> {
    use web::privacy;
    Router::new()
        .route("/project/{project}/privacy", get(privacy::get))
        .route("/project/{project}/privacy/choices", post(privacy::post_choices))
        .route("/project/{project}/privacy/opt-outs", post(privacy::add_opt_out))
        .route("/project/{project}/privacy/opt-outs/remove", post(privacy::remove_opt_out))
        .route("/project/{project}/privacy/erase", get(privacy::get_erase).post(privacy::post_erase))
        .route("/project/{project}/privacy/export", get(privacy::get_export))
        .route("/project/{project}/privacy/erasures/{id}", get(privacy::get_erasure))
        .route("/project/{project}/privacy/erasures/{id}/receipt", get(privacy::get_receipt))
}

/// Events and people, from the first one on.
fn explorer() -> Router<AppState> {
    use web::{events, groups, home, ingestion, insights, merges, onboarding, persons, sessions};
    Router::new()
        .route("/project/{project}", get(home::get))
        .route("/project/{project}/home/tiles/{id}", get(home::get_tile))
        .route("/project/{project}/home/tiles/{id}/remove", post(home::remove_tile))
        .route("/project/{project}/insights", get(insights::get_list).post(insights::create))
        .route("/project/{project}/insights/new", get(insights::get_new))
        .route("/project/{project}/insights/values", get(insights::get_values))
        .route("/project/{project}/insights/{short_id}", get(insights::get_saved).post(insights::update))
        .route("/project/{project}/insights/{short_id}/duplicate", post(insights::duplicate))
        .route("/project/{project}/insights/{short_id}/delete", post(insights::delete))
        .route("/project/{project}/insights/{short_id}/home", post(insights::add_to_home))
        .route("/project/{project}/onboarding", get(onboarding::get))
        .route("/project/{project}/onboarding/events", get(onboarding::poll))
        .route("/project/{project}/events", get(events::get))
        .route("/project/{project}/events/live", get(events::get_live))
        .route("/project/{project}/events/live/feed", get(events::poll_live))
        .route("/project/{project}/events/{uuid}", get(events::get_detail))
        .route("/project/{project}/sessions", get(sessions::get_list))
        .route("/project/{project}/sessions/{session}", get(sessions::get_one))
        .route("/project/{project}/ingestion", get(ingestion::get))
        .route("/project/{project}/ingestion/rejected", get(ingestion::get_rejected))
        .route("/project/{project}/ingestion/quarantined", get(ingestion::get_quarantined))
        .route("/project/{project}/ingestion/find", get(ingestion::get_find))
        .route("/project/{project}/persons", get(persons::get_list))
        .route("/project/{project}/persons/export.csv", get(persons::get_export))
        .route("/project/{project}/persons/{uuid}", get(persons::get_by_uuid))
        .route("/project/{project}/persons/{uuid}/facts", get(persons::get_facts_by_uuid))
        .route(
            "/project/{project}/persons/{uuid}/properties",
            get(persons::get_properties).post(persons::post_property),
        )
        .route("/project/{project}/persons/{uuid}/properties/delete", post(persons::delete_property))
        .route("/project/{project}/person/{distinct_id}", get(persons::get_by_distinct_id))
        .route("/project/{project}/person/{distinct_id}/facts", get(persons::get_facts_by_distinct_id))
        .route("/project/{project}/merges", post(merges::merge))
        .route("/project/{project}/merges/new", get(merges::get_merge))
        .route("/project/{project}/merges/split", get(merges::get_split).post(merges::split))
        .route("/project/{project}/merges/{id}/undo", get(merges::get_undo).post(merges::undo))
        .route("/project/{project}/duplicates", get(merges::get_duplicates).post(merges::search_duplicates))
        .route("/project/{project}/duplicates/merge", get(merges::get_merge_all).post(merges::merge_all))
        .route("/project/{project}/groups", get(groups::get_first))
        .route("/project/{project}/groups/{type}", get(groups::get_list))
        .route("/project/{project}/groups/{type}/{key}", get(groups::get_one))
        .route("/project/{project}/groups/{type}/{key}/activity", get(groups::get_activity))
        .route("/project/{project}/groups/{type}/{key}/properties", post(groups::post_property))
        .route("/project/{project}/groups/{type}/{key}/properties/delete", post(groups::delete_property))
}
