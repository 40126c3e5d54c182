//! Doors against those who should not come in: other sites' forms, guessed passwords, planted cookies, crafted addresses.

use std::time::Duration;

use http::{Method, header};
use http_body_util::Full;

use crate::support::{Browser, PASSWORD, Reply, TestApp};

/// A form that a browser sends with these headers about where it comes from.
async fn post_from(app: &TestApp, cookie: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = app
        .request(Method::POST, "/settings/account")
        .header(header::COOKIE, format!("tenrec={cookie}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.send(request.body(Full::from("name=Changed")).unwrap()).await
}

#[tokio::test]
async fn a_form_from_another_site_is_refused() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let cookie = owner.browser.cookie("tenrec").unwrap();
    let here = app.url("");
    let foreign: &[&[(&str, &str)]] = &[
        &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "same-site"), ("origin", "http://other.localhost")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &here)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1:1")],
    ];
    for headers in foreign {
        let refused = post_from(&app, &cookie, headers).await;
        refused.assert_status(403);
        assert_eq!(refused.element_text("h1"), "Not allowed", "{headers:?}");
    }
    assert_eq!(app.pg_value::<String>("SELECT name FROM users").await, "Ada");
    let own: &[&[(&str, &str)]] = &[
        &[("sec-fetch-site", "same-origin"), ("origin", &here)],
        // Plain http in an old browser, and a script without a browser.
        &[("origin", &here)],
        &[],
    ];
    for headers in own {
        post_from(&app, &cookie, headers).await.assert_status(303);
    }
    // Signing somebody in as oneself is an attack too.
    let login = app.request(Method::POST, "/login").header("sec-fetch-site", "cross-site");
    app.send(login.body(Full::from("email=a&password=b")).unwrap()).await.assert_status(403);
}

#[tokio::test]
async fn behind_a_proxy_that_rewrites_the_host_the_configured_address_is_ours() {
    let app = TestApp::builder().config(|c| c.server.site_url = Some("http://tenrec.example".to_owned())).start().await;
    let owner = app.set_up().await;
    let cookie = owner.browser.cookie("tenrec").unwrap();
    post_from(&app, &cookie, &[("origin", "http://tenrec.example")]).await.assert_status(303);
    post_from(&app, &cookie, &[("origin", "https://tenrec.example")]).await.assert_status(403);
}

#[tokio::test]
async fn pages_carry_a_strict_policy_and_are_not_kept() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    for path in ["/settings/account", "/login", "/no-such-page"] {
        let page = owner.browser.get(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        for part in ["base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("strict-transport-security"), "", "plain http must stay reachable");
    }
    // What other sites load keeps its own headers.
    let asset = app.get("/healthz").await;
    assert_eq!(asset.header("content-security-policy"), "");
}

#[tokio::test]
async fn names_are_text_and_never_markup() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let name = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    owner.browser.post_form("/settings/account", &[("name", name)]).await.assert_status(303);
    let project = format!("/project/{}/settings", owner.project);
    owner.browser.post_form(&project, &[("name", name), ("time_zone", "UTC")]).await.assert_status(303);
    for path in ["/settings/account", &project, &format!("{project}/members")] {
        let page = owner.browser.get(path).await;
        assert!(page.assert_ok().element_texts("script:not([src]), img[onerror]").is_empty(), "{path}");
        assert!(page.text().contains("&#60;script&#62;"), "{path}");
    }
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_script_and_of_other_sites() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let plain = app.browser().sign_in(owner.email, PASSWORD).await;
    let cookie = plain.assert_status(303).header("set-cookie");
    assert!(
        cookie.starts_with("tenrec=") && cookie.ends_with("; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let token = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(token.len(), 43);
    let kept = app.pg_value::<i64>(&format!("SELECT count(*) FROM sign_ins s WHERE s::text LIKE '%{token}%'")).await;
    assert_eq!(kept, 0, "only a hash is kept");
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_the_host() {
    let proxy = |c: &mut tenrec::config::Config| c.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let app = TestApp::builder().config(proxy).start().await;
    let owner = app.set_up().await;
    let browser = app.browser();
    let fields = format!("email=ada%40example.com&password={}", PASSWORD.replace(' ', "+"));
    let request = browser
        .request(Method::POST, "/login")
        .header("x-forwarded-proto", "https")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let reply = browser.send(request.body(Full::from(fields)).unwrap()).await;
    let cookie = reply.assert_status(303).header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-tenrec=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(reply.header("strict-transport-security"), "max-age=31536000");

    // A plain cookie, which anybody on the network could have planted, is not read over https.
    let planted = owner.browser.cookie("tenrec").unwrap();
    let request = app
        .request(Method::GET, "/settings/account")
        .header("x-forwarded-proto", "https")
        .header(header::COOKIE, format!("tenrec={planted}"));
    app.send(request.body(Full::default()).unwrap()).await.assert_status(303);
}

#[tokio::test]
async fn a_planted_token_is_not_taken_over() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    // Unknown to the server, and the attacker's own valid one: after signing in neither stands for the victim.
    let (attacker, ..) = app.stranger().await;
    for planted in ["x".repeat(43), attacker.cookie("tenrec").unwrap()] {
        let victim = app.browser();
        victim.set_cookie("tenrec", &planted);
        victim.sign_in(owner.email, PASSWORD).await.assert_status(303);
        assert_ne!(victim.cookie("tenrec"), Some(planted.clone()));
        let thief = app.browser();
        thief.set_cookie("tenrec", &planted);
        thief.get("/settings/account").await.assert_status(303);
    }
}

#[tokio::test]
async fn after_signing_in_nobody_is_sent_to_another_site() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let payloads = [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/%0d%0aLocation: //evil.example\r\nX: y",
        "/\r\n/evil.example",
        " /settings",
        "evil.example",
    ];
    for next in payloads {
        // Every one is a right sign-in, but they come fast: an address has its limit.
        app.clock.advance(Duration::from_secs(60));
        let fields = [("email", owner.email), ("password", PASSWORD), ("next", next)];
        let reply = app.browser().post_form("/login", &fields).await;
        assert_eq!(reply.assert_status(303).header("location"), "/", "{next:?}");
        let query = serde_urlencoded::to_string([("next", next)]).unwrap();
        let signed_in = owner.browser.get(&format!("/login?{query}")).await;
        assert_eq!(signed_in.assert_status(303).header("location"), "/", "{next:?}");
    }
    let fields = [("email", owner.email), ("password", PASSWORD), ("next", "/project/1/settings?a=b")];
    let reply = app.browser().post_form("/login", &fields).await;
    assert_eq!(reply.assert_status(303).header("location"), "/project/1/settings?a=b");
}

/// Signs in from an address, as a trusted proxy reports it.
async fn sign_in_from(browser: &Browser, address: &str, email: &str, password: &str) -> Reply {
    let fields = serde_urlencoded::to_string([("email", email), ("password", password)]).unwrap();
    let request = browser
        .request(Method::POST, "/login")
        .header("x-forwarded-for", address)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    browser.send(request.body(Full::from(fields)).unwrap()).await
}

#[tokio::test]
async fn guessing_from_one_address_is_slowed_and_says_for_how_long() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let thief = app.browser();
    let mut statuses = Vec::new();
    for n in 0..12 {
        // Other names do not help, nor does a header that nobody trusts.
        let reply = sign_in_from(&thief, &format!("192.0.2.{n}"), &format!("user{n}@example.com"), PASSWORD).await;
        statuses.push(reply.status.as_u16());
        if reply.status.as_u16() == 429 {
            assert!((1..=60).contains(&reply.header("retry-after").parse::<u32>().unwrap()));
            assert_eq!(reply.element_text("h1"), "Too many requests");
        }
    }
    assert_eq!(statuses, [[422; 10].as_slice(), &[429; 2]].concat());
    app.clock.advance(Duration::from_secs(60));
    app.browser().sign_in(owner.email, PASSWORD).await.assert_status(303);
}

#[tokio::test]
async fn guessing_one_password_from_many_addresses_does_not_lock_its_owner_out() {
    let proxy = |c: &mut tenrec::config::Config| {
        c.server.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()]
    };
    let app = TestApp::builder().config(proxy).start().await;
    let owner = app.set_up().await;
    let thief = app.browser();
    // One address: five tries, then it waits, though it has more left at other accounts.
    for _ in 0..5 {
        sign_in_from(&thief, "198.51.100.1", owner.email, "wrong").await.assert_status(422);
    }
    // The sixth is let through, and being right it clears the count of its address.
    for _ in 0..2 {
        sign_in_from(&thief, "198.51.100.1", owner.email, PASSWORD).await.assert_status(303);
    }
    for n in 0..60 {
        let reply = sign_in_from(&thief, &format!("203.0.113.{n}"), owner.email, "wrong").await;
        assert!([422, 429].contains(&reply.status.as_u16()));
    }
    let refused = sign_in_from(&app.browser(), "192.0.2.77", owner.email, PASSWORD).await;
    let wait: u64 = refused.assert_status(429).header("retry-after").parse().unwrap();
    assert!(wait <= 60, "{wait}");
    app.clock.advance(Duration::from_secs(wait));
    sign_in_from(&app.browser(), "192.0.2.77", owner.email, PASSWORD).await.assert_status(303);
}

#[tokio::test]
async fn who_is_not_signed_in_gets_the_sign_in_page_and_fragments_get_no_page() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let guest = app.browser();
    let path = format!("/project/{}/settings?x=1", owner.project);
    let sent = guest.get(&path).await;
    let to = sent.assert_status(303).header("location").to_owned();
    let form = guest.get(&to).await;
    assert_eq!(form.assert_ok().attribute("input[name=next]", "value"), Some(path));
    for path in [
        "/settings",
        "/settings/account",
        "/settings/api-keys",
        "/settings/projects/new",
        "/project/1/settings/members",
    ] {
        assert!(guest.get(path).await.assert_status(303).header("location").starts_with("/login?next="), "{path}");
        assert!(guest.post_form(&format!("{path}/x"), &[]).await.status.is_client_error(), "{path}");
    }
    let fragment = guest
        .request(Method::GET, "/project/1/settings")
        .header("hx-request", "true")
        .header("hx-current-url", app.url("/project/1/settings?tab=2"));
    let reply = guest.send(fragment.body(Full::default()).unwrap()).await;
    assert_eq!(reply.assert_status(401).header("hx-redirect"), "/login?next=%2Fproject%2F1%2Fsettings%3Ftab%3D2");
}

#[tokio::test]
async fn errors_of_every_origin_are_pages_with_a_way_on() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let browser = &owner.browser;
    let large = "x".repeat(1 << 20);
    let cases = [
        (browser.get("/no-such-page").await, 404),
        (browser.get("/project/999/settings").await, 404),
        (browser.get("/project/%20/settings").await, 404),
        (browser.get("/project/99999999999999999999/settings").await, 404),
        (browser.send_empty(Method::DELETE, "/login").await, 405),
        (browser.post_form("/settings/account", &[("name", &large)]).await, 413),
        (browser.post_form("/settings/account/sign-ins/nonsense/end", &[]).await, 400),
    ];
    for (reply, status) in cases {
        reply.assert_status(status);
        assert_eq!(reply.element_texts("h1").len(), 1);
        assert_eq!(reply.attribute("main a", "href").as_deref(), Some("/"));
        assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn pages_are_compressed_for_browsers_that_ask() {
    let app = TestApp::start().await;
    let owner = app.set_up().await;
    let request = owner.browser.request(Method::GET, "/settings/account").header(header::ACCEPT_ENCODING, "gzip");
    let reply = owner.browser.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(reply.assert_ok().header("content-encoding"), "gzip");
    let mut html = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*reply.body), &mut html).unwrap();
    assert!(html.contains("Signed-in browsers"));
}
