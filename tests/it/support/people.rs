//! People who use the pages, each come in through the same doors as real ones.

use http::Method;
use http_body_util::Full;
use scraper::{Html, Selector};
use tenrec::accounts::setup;

use super::{Browser, Reply, TestApp};

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery";

/// The owner, signed in, and what they need.
pub struct Owner {
    pub browser: Browser,
    pub email: &'static str,
    /// The first project.
    pub project: i64,
    /// Its public key.
    pub api_key: String,
    /// The owner's private key.
    pub personal_key: String,
}

impl TestApp {
    /// Sets the server up through its set-up page.
    pub async fn set_up(&self) -> Owner {
        let token = setup::ensure_token(&self.state().pg, &self.state().clock).await.unwrap();
        let token = token.expect("nobody has an account yet");
        let browser = self.browser();
        let done = browser.post_form("/setup", &setup_fields(&token, "ada@example.com")).await;
        done.assert_status(303);
        let project = self.pg_value::<i32>("SELECT id FROM projects ORDER BY id LIMIT 1").await.into();
        let api_key = self.pg_value::<String>("SELECT api_key FROM projects ORDER BY id LIMIT 1").await;
        let shown = browser.post_form("/settings/api-keys", &[("label", "tests")]).await;
        let personal_key = shown.assert_ok().element_text("#personal-api-key");
        Owner { browser, email: "ada@example.com", project, api_key, personal_key }
    }

    /// Invites somebody into the owner's organization and accepts for them: a browser signed in with that role.
    pub async fn invite(&self, owner: &Owner, role: &str, email: &str) -> Browser {
        let guest = self.browser();
        let link = self.invitation(owner, role).await;
        let fields = [("name", email), ("email", email), ("password", PASSWORD)];
        guest.post_form(&link, &fields).await.assert_status(303);
        guest
    }

    /// The path of a fresh invitation link.
    pub async fn invitation(&self, owner: &Owner, role: &str) -> String {
        let path = format!("/project/{}/settings/invitations", owner.project);
        let page = owner.browser.post_form(&path, &[("email", ""), ("role", role)]).await;
        let link = page.assert_ok().element_text("#invitation-link");
        link.strip_prefix(&self.url("")).expect("the link leads here").to_owned()
    }

    /// An owner of an organization of their own on this server, with a project there: somebody else entirely. Gives the
    /// browser and the project's id and key.
    pub async fn stranger(&self) -> (Browser, i64, String) {
        self.pg_execute(
            "INSERT INTO users (id, email, name, password_hash, created_at)
             SELECT '00000000-0000-0000-0000-00000000eeee', 'eve@example.com', 'Eve', password_hash, now() FROM users LIMIT 1;
             INSERT INTO organizations VALUES ('00000000-0000-0000-0000-0000000000ee', 'Elsewhere', now());
             INSERT INTO memberships VALUES
                 ('00000000-0000-0000-0000-0000000000ee', '00000000-0000-0000-0000-00000000eeee', 'owner', now());
             INSERT INTO projects (organization_id, name, api_key, time_zone, created_at)
             VALUES ('00000000-0000-0000-0000-0000000000ee', 'Elsewhere', 'phc_elsewhere', 'UTC', now())",
        )
        .await;
        let browser = self.browser();
        browser.sign_in("eve@example.com", PASSWORD).await.assert_status(303);
        let id = self.pg_value::<i32>("SELECT id FROM projects WHERE api_key = 'phc_elsewhere'").await;
        (browser, id.into(), "phc_elsewhere".to_owned())
    }
}

impl Browser {
    /// Sends the sign-in form.
    pub async fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.post_form("/login", &[("email", email), ("password", password), ("next", "/")]).await
    }

    /// Sends a request without a body.
    pub async fn send_empty(&self, method: Method, path: &str) -> Reply {
        self.send(self.request(method, path).body(Full::default()).unwrap()).await
    }
}

impl Reply {
    /// The text of the one element that a selector selects.
    #[track_caller]
    pub fn element_text(&self, selector: &str) -> String {
        let texts = self.element_texts(selector);
        assert_eq!(texts.len(), 1, "{selector} in {}", self.text());
        texts.into_iter().next().unwrap()
    }

    /// The texts of all elements that a selector selects.
    pub fn element_texts(&self, selector: &str) -> Vec<String> {
        let document = Html::parse_document(self.text());
        let selector = Selector::parse(selector).unwrap();
        let text = |element: scraper::ElementRef| element.text().collect::<String>().trim().to_owned();
        document.select(&selector).map(text).collect()
    }

    /// An attribute of the first element that a selector selects.
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let document = Html::parse_document(self.text());
        let selector = Selector::parse(selector).unwrap();
        document.select(&selector).next()?.attr(name).map(str::to_owned)
    }
}

/// What the set-up form sends.
pub fn setup_fields<'a>(token: &'a str, email: &'a str) -> [(&'a str, &'a str); 7] {
    [
        ("token", token),
        ("name", "Ada"),
        ("email", email),
        ("password", PASSWORD),
        ("organization", "Shop & Co"),
        ("project", "Shop"),
        ("time_zone", "Europe/Berlin"),
    ]
}
