//! Coming in: set-up, sign-in, invitations, members, keys, and provisioning without a browser.

use std::time::Duration;

use tenrec::accounts::{Provisioned, provision, setup};
use tenrec::config::InitConfig;

use crate::support::{PASSWORD, TestApp, setup_fields};

async fn setup_token(app: &TestApp) -> Option<String> {
    setup::ensure_token(&app.state().pg, &app.state().clock).await.unwrap()
}

#[tokio::test]
async fn setup_makes_the_owner_once_and_is_closed_for_good() {
    let app = TestApp::start().await;
    let browser = app.browser();
    assert_eq!(browser.get("/").await.assert_status(303).header("location"), "/setup");
    assert_eq!(browser.get("/login").await.assert_status(303).header("location"), "/setup");
    browser.get("/setup").await.assert_ok();

    let token = setup_token(&app).await.unwrap();
    let form = browser.get(&format!("/setup?token={token}")).await;
    assert_eq!(form.assert_ok().attribute("input[name=token]", "value"), Some(token.clone()));

    let done = browser.post_form("/setup", &setup_fields(&token, "ada@example.com")).await;
    assert_eq!(done.assert_status(303).header("location"), "/project/1/onboarding");
    browser.get("/settings/account").await.assert_ok();
    assert_eq!(app.pg_value::<String>("SELECT role FROM memberships").await, "owner");
    assert_eq!(app.pg_value::<String>("SELECT time_zone FROM projects").await, "Europe/Berlin");

    browser.get(&format!("/setup?token={token}")).await.assert_status(404);
    browser.post_form("/setup", &setup_fields(&token, "eve@example.com")).await.assert_status(404);
    assert_eq!(setup_token(&app).await, None, "no token is made any more");
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn only_the_newest_setup_token_counts() {
    let app = TestApp::start().await;
    let old = setup_token(&app).await.unwrap();
    let new = setup_token(&app).await.unwrap();
    let browser = app.browser();
    browser.get(&format!("/setup?token={old}")).await.assert_status(403);
    browser.post_form("/setup", &setup_fields(&old, "eve@example.com")).await.assert_status(403);
    browser.post_form("/setup", &setup_fields("", "eve@example.com")).await.assert_status(403);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM users").await, 0);
    browser.post_form("/setup", &setup_fields(&new, "ada@example.com")).await.assert_status(303);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_the_token_at_once_one_becomes_owner() {
    let app = TestApp::start().await;
    let token = setup_token(&app).await.unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("racer{n}@example.com")).collect();
    let attempts = names.iter().map(|name| {
        let (browser, token) = (app.browser(), &token);
        async move { browser.post_form("/setup", &setup_fields(token, name)).await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(attempts).await;
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 403, 404].contains(status)), "{statuses:?}");
    for table in ["users", "organizations", "projects", "memberships"] {
        assert_eq!(app.pg_value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
    }
}

#[tokio::test]
async fn a_faulty_setup_form_comes_back_with_its_values_and_errors_and_keeps_the_token() {
    let app = TestApp::start().await;
    let token = setup_token(&app).await.unwrap();
    let browser = app.browser();
    let mut fields = setup_fields(&token, "no address");
    fields[3].1 = "password1";
    fields[6].1 = "Mars/Olympus";
    let again = browser.post_form("/setup", &fields).await;
    again.assert_status(422);
    assert_eq!(again.attribute("input[name=email]", "value").as_deref(), Some("no address"));
    assert_eq!(again.attribute("input[name=email]", "aria-invalid").as_deref(), Some("true"));
    assert!(again.element_text("#error-password").contains("tried first"));
    assert!(again.element_text("#error-time_zone").contains("Mars/Olympus"));
    assert_eq!(again.attribute("input[name=password]", "value").as_deref(), Some(""), "a password is never sent back");
    browser.post_form("/setup", &setup_fields(&token, "ada@example.com")).await.assert_status(303);
}

#[tokio::test]
async fn signing_in_and_out() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let browser = app.browser();
    let wrong = browser.sign_in(owner.email, "wrong horse battery").await;
    wrong.assert_status(422);
    assert_eq!(wrong.attribute("input[name=email]", "value").as_deref(), Some(owner.email));
    let unknown = browser.sign_in("nobody@example.com", PASSWORD).await;
    unknown.assert_status(422);
    assert_eq!(wrong.element_text("[role=alert]"), unknown.element_text("[role=alert]"), "no difference to tell");

    browser.sign_in(" ADA@example.com", PASSWORD).await.assert_status(303);
    assert_eq!(browser.get("/").await.assert_status(303).header("location"), "/project/1");
    let stolen = browser.cookie("tenrec").unwrap();
    browser.post_form("/logout", &[]).await.assert_status(303);
    assert_eq!(browser.cookie("tenrec"), None);
    browser.set_cookie("tenrec", &stolen);
    assert_eq!(
        browser.get("/settings/account").await.assert_status(303).header("location"),
        "/login?next=%2Fsettings%2Faccount"
    );
    owner.browser.get("/settings/account").await.assert_ok();
}

#[tokio::test]
async fn a_sign_in_ends_when_idle_and_ends_when_old() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let day = Duration::from_secs(24 * 60 * 60);
    app.clock.advance(13 * day);
    owner.browser.get("/settings/account").await.assert_ok();
    app.clock.advance(13 * day);
    owner.browser.get("/settings/account").await.assert_ok();
    app.clock.advance(4 * day);
    owner.browser.get("/settings/account").await.assert_status(303);

    owner.browser.sign_in(owner.email, PASSWORD).await.assert_status(303);
    app.clock.advance(14 * day);
    owner.browser.get("/settings/account").await.assert_status(303);
    // The first one ended when the same browser signed in anew.
    assert_eq!(tenrec::accounts::sign_ins::sweep(&app.state().pg, &app.clock).await.unwrap(), 1);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM sign_ins").await, 0);
}

#[tokio::test]
async fn a_new_password_ends_every_other_sign_in() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let other = app.browser();
    other.sign_in(owner.email, PASSWORD).await.assert_status(303);
    let path = "/settings/account/password";

    let wrong = owner.browser.post_form(path, &[("current", "wrong"), ("new", "staple of the horse")]).await;
    assert!(!wrong.assert_status(422).element_text("#error-current").is_empty());
    let weak = owner.browser.post_form(path, &[("current", PASSWORD), ("new", "short")]).await;
    assert!(!weak.assert_status(422).element_text("#error-new").is_empty());
    other.get("/settings/account").await.assert_ok();

    let before = owner.browser.cookie("tenrec");
    let done = owner.browser.post_form(path, &[("current", PASSWORD), ("new", "staple of the horse")]).await;
    done.assert_status(303);
    assert_ne!(owner.browser.cookie("tenrec"), before, "a new password comes with a new token");
    owner.browser.get("/settings/account").await.assert_ok();
    other.get("/settings/account").await.assert_status(303);
    other.sign_in(owner.email, PASSWORD).await.assert_status(422);
    other.sign_in(owner.email, "staple of the horse").await.assert_status(303);
}

#[tokio::test]
async fn browsers_are_listed_and_can_be_signed_out_by_their_owner_alone() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let other = app.browser();
    other.sign_in(owner.email, PASSWORD).await.assert_status(303);
    let page = owner.browser.get("/settings/account").await;
    assert_eq!(page.assert_ok().element_texts("#browsers, .table tbody tr").len(), 3);
    let end = page.attribute("form[action*='/sign-ins/'][action*='/end?']", "action").unwrap();

    let (stranger, ..) = app.stranger().await;
    stranger.post_form(&end, &[]).await.assert_status(404);
    other.get("/settings/account").await.assert_ok();
    owner.browser.post_form(&end, &[]).await.assert_status(303);
    other.get("/settings/account").await.assert_status(303);

    other.sign_in(owner.email, PASSWORD).await.assert_status(303);
    owner.browser.post_form("/settings/account/sign-ins/end-others", &[]).await.assert_status(303);
    other.get("/settings/account").await.assert_status(303);
    owner.browser.get("/settings/account").await.assert_ok();
}

#[tokio::test]
async fn an_invitation_works_once_can_be_taken_back_and_runs_out() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let guest = app.browser();
    let link = app.invitation(&owner, "member").await;
    assert!(guest.get(&link).await.assert_ok().text().contains("Shop &#38; Co"), "it names who invites");
    let weak = guest.post_form(&link, &[("name", ""), ("email", "x"), ("password", "short")]).await;
    assert_eq!(weak.assert_status(422).element_texts(".error").len(), 3);
    let fields = [("name", "Grace"), ("email", "grace@example.com"), ("password", PASSWORD)];
    guest.post_form(&link, &fields).await.assert_status(303);
    guest.get(&format!("/project/{}/settings", owner.project)).await.assert_ok();
    app.browser().get(&link).await.assert_status(404);
    app.browser().post_form(&link, &fields).await.assert_status(404);

    let taken_back = app.invitation(&owner, "admin").await;
    let page = owner.browser.get(&format!("/project/{}/settings/members", owner.project)).await;
    let revoke = page.attribute("form[action$='/revoke']", "action").unwrap();
    guest.post_form(&revoke, &[]).await.assert_status(403);
    owner.browser.post_form(&revoke, &[]).await.assert_status(303);
    app.browser().get(&taken_back).await.assert_status(404);

    let late = app.invitation(&owner, "viewer").await;
    app.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
    let closed = app.browser().get(&late).await;
    assert_eq!(
        closed.assert_status(404).element_text("h1"),
        "This invitation is closed",
        "no page is said to be missing"
    );
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM memberships").await, 2);
}

#[tokio::test]
async fn somebody_with_an_account_accepts_by_signing_in() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let (eve, ..) = app.stranger().await;
    let link = app.invitation(&owner, "viewer").await;
    let fields = [("name", "Eve"), ("email", "EVE@example.com"), ("password", PASSWORD)];
    let taken = app.browser().post_form(&link, &fields).await;
    taken.assert_status(422);
    assert_eq!(taken.attribute("[role=alert] a", "href"), Some(format!("/login?next={link}")));

    eve.get(&link).await.assert_ok();
    eve.post_form(&link, &[]).await.assert_status(303);
    eve.get(&format!("/project/{}/settings", owner.project)).await.assert_ok();
    eve.post_form(&link, &[]).await.assert_status(404);
}

#[tokio::test]
async fn roles_decide_and_the_last_owner_stays() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let admin = app.invite(&owner, "admin", "admin@example.com").await;
    let viewer = app.invite(&owner, "viewer", "viewer@example.com").await;
    let members = format!("/project/{}/settings/members", owner.project);
    let user = async |email: &str| {
        app.pg_value::<String>(&format!("SELECT id::text FROM users WHERE email = '{email}'")).await
    };
    let (owner_id, admin_id) = (user("ada@example.com").await, user("admin@example.com").await);

    for path in ["settings", "settings/invitations", "settings/organization"] {
        let path = format!("/project/{}/{path}", owner.project);
        viewer.post_form(&path, &[("name", "x"), ("time_zone", "UTC"), ("role", "admin")]).await.assert_status(403);
    }
    viewer.get(&members).await.assert_ok();
    viewer.post_form(&format!("{members}/{admin_id}/remove"), &[]).await.assert_status(403);
    viewer.get("/settings/projects/new").await.assert_status(403);

    // An admin can neither become owner nor touch one.
    admin.post_form(&format!("{members}/{admin_id}/role"), &[("role", "owner")]).await.assert_status(422);
    admin.post_form(&format!("{members}/{owner_id}/role"), &[("role", "viewer")]).await.assert_status(422);
    admin.post_form(&format!("{members}/{owner_id}/remove"), &[]).await.assert_status(422);
    let invited = format!("/project/{}/settings/invitations", owner.project);
    admin.post_form(&invited, &[("role", "owner")]).await.assert_status(400);

    owner.browser.post_form(&format!("{members}/{owner_id}/role"), &[("role", "admin")]).await.assert_status(422);
    owner.browser.post_form(&format!("{members}/{owner_id}/remove"), &[]).await.assert_status(422);
    owner.browser.post_form(&format!("{members}/{admin_id}/role"), &[("role", "owner")]).await.assert_status(303);
    owner.browser.post_form(&format!("{members}/{owner_id}/remove"), &[]).await.assert_status(303);
    owner.browser.get(&members).await.assert_status(404);
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM memberships WHERE role = 'owner'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_who_remove_each_other_leave_one() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let other = app.invite(&owner, "admin", "other@example.com").await;
    app.pg_execute("UPDATE memberships SET role = 'owner'").await;
    let members = format!("/project/{}/settings/members", owner.project);
    let user = async |email: &str| {
        app.pg_value::<String>(&format!("SELECT id::text FROM users WHERE email = '{email}'")).await
    };
    let (one, two) = (user("ada@example.com").await, user("other@example.com").await);
    let (remove_two, remove_one) = (format!("{members}/{two}/remove"), format!("{members}/{one}/remove"));
    let (a, b) = tokio::join!(owner.browser.post_form(&remove_two, &[]), other.post_form(&remove_one, &[]));
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM memberships").await, 1, "{} {}", a.status, b.status);
}

#[tokio::test]
async fn a_personal_key_is_shown_once_kept_as_a_hash_and_can_be_revoked() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let key = &owner.personal_key;
    assert!(key.starts_with("phx_") && key.len() > 40, "{key}");
    let list = owner.browser.get("/settings/api-keys").await;
    assert!(!list.assert_ok().text().contains(key.as_str()));
    assert!(list.text().contains(&format!("phx_…{}", &key[key.len() - 4..])));
    assert_eq!(
        app.pg_value::<i64>(&format!("SELECT count(*) FROM personal_api_keys k WHERE k::text LIKE '%{key}%'")).await,
        0
    );

    app.get_with_key("/api/users/@me/", key).await.assert_ok();
    let used = app.pg_value::<bool>("SELECT last_used_at IS NOT NULL FROM personal_api_keys").await;
    assert!(used);
    let revoke = list.attribute("form[action*='/revoke']", "action").unwrap();
    let (stranger, ..) = app.stranger().await;
    stranger.post_form(&revoke, &[]).await.assert_status(404);
    app.get_with_key("/api/users/@me/", key).await.assert_ok();
    owner.browser.post_form(&revoke, &[]).await.assert_status(303);
    app.get_with_key("/api/users/@me/", key).await.assert_status(401);
}

fn init(email: &str, password: &str, project_key: &str, personal_key: &str) -> InitConfig {
    InitConfig {
        init_email: Some(email.to_owned()),
        init_password: Some(password.parse().unwrap()),
        init_project_key: Some(project_key.to_owned()),
        init_personal_key: Some(personal_key.parse().unwrap()),
    }
}

#[tokio::test]
async fn provisioning_fills_an_empty_database_and_changes_nothing_after_that() {
    let app = TestApp::start().await;
    let (pg, clock) = (&app.state().pg, &app.clock);
    let asked_nothing = provision(pg, clock, &InitConfig::default()).await.unwrap();
    assert!(matches!(asked_nothing, Provisioned::NotAsked));
    let stale = setup_token(&app).await.unwrap();

    let wanted = init("ada@example.com", PASSWORD, "phc_given", "phx_given_by_a_script");
    let Provisioned::Created(project) = provision(pg, clock, &wanted).await.unwrap() else { panic!("not created") };
    assert_eq!(project.api_key.as_str(), "phc_given");
    app.browser().get(&format!("/setup?token={stale}")).await.assert_status(404);
    app.browser().sign_in("ada@example.com", PASSWORD).await.assert_status(303);
    let me = app.get_with_key("/api/users/@me/", "phx_given_by_a_script").await;
    assert_eq!(me.assert_ok().json()["team"]["api_token"], "phc_given");

    let other = init("eve@example.com", "another good password", "phc_other", "phx_other_by_a_script");
    assert!(matches!(provision(pg, clock, &other).await.unwrap(), Provisioned::HasData));
    app.get_with_key("/api/users/@me/", "phx_other_by_a_script").await.assert_status(401);
    for table in ["users", "organizations", "projects", "personal_api_keys"] {
        assert_eq!(app.pg_value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 1, "{table}");
    }
}

#[tokio::test]
async fn provisioning_names_the_variable_that_is_wrong_and_shows_no_secret() {
    let app = TestApp::start().await;
    let cases = [
        (init("ada", PASSWORD, "phc_a", "phx_given_by_a_script"), "TENREC_INIT_EMAIL"),
        (init("ada@example.com", "shorty", "phc_a", "phx_given_by_a_script"), "TENREC_INIT_PASSWORD"),
        (init("ada@example.com", PASSWORD, "phx_wrong_kind", "phx_given_by_a_script"), "TENREC_INIT_PROJECT_KEY"),
        (init("ada@example.com", PASSWORD, "phc_a", "phc_wrong_kind"), "TENREC_INIT_PERSONAL_KEY"),
    ];
    for (wanted, variable) in cases {
        let error = provision(&app.state().pg, &app.clock, &wanted).await.expect_err(variable).to_string();
        assert!(error.contains(variable), "{error}");
        assert!(!error.contains("shorty") && !error.contains("wrong_kind"), "{error}");
    }
    assert_eq!(app.pg_value::<i64>("SELECT count(*) FROM users").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_provision_together_make_one_owner() {
    let app = TestApp::start().await;
    let wanted = init("ada@example.com", PASSWORD, "phc_given", "phx_given_by_a_script");
    let all = (0..4).map(|_| provision(&app.state().pg, &app.clock, &wanted));
    let made = futures_util::future::join_all(all).await;
    let created = made.iter().filter(|one| matches!(one, Ok(Provisioned::Created(_)))).count();
    assert_eq!((created, made.iter().filter(|one| one.is_err()).count()), (1, 0), "{made:?}");
}
