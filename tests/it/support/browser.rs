//! A browser as far as the server sees it: it keeps cookies and says where a request comes from.

use std::collections::BTreeMap;
use std::sync::Mutex;

use http::{Method, Request, header};
use http_body_util::Full;

use super::Reply;

/// Keeps cookies; follows no redirects.
pub struct Browser {
    origin: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Browser {
    pub fn new(origin: String) -> Self {
        Self { origin, cookies: Mutex::default() }
    }

    /// Opens a page.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path).body(Full::default()).unwrap()).await
    }

    /// Sends a form.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let request =
            self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Full::from(body)).unwrap()).await
    }

    /// A request from a page of the same origin.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let uri = if path.starts_with("http://") { path.to_owned() } else { format!("{}{path}", self.origin) };
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::ORIGIN, &self.origin)
            .header("sec-fetch-site", "same-origin")
            .header(header::ACCEPT, "text/html");
        let cookies = self.cookies.lock().unwrap();
        if !cookies.is_empty() {
            let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        request
    }

    /// Sends a request and keeps the cookies of the answer.
    pub async fn send(&self, request: Request<Full<bytes::Bytes>>) -> Reply {
        let reply = Reply::of(request).await;
        let mut cookies = self.cookies.lock().unwrap();
        for cookie in reply.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || cookie.to_ascii_lowercase().contains("max-age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    /// A cookie's value.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    /// Sets a cookie, such as a stolen one.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }
}
