//! One question to a source: bounded in time and bytes, and to the named address alone.

use std::time::Duration;

use super::settings::SourceSettings;
use crate::prices::feeds::message::shortened;
use crate::wall::pause;

/// An answer with a good status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its HTTP status.
    pub(super) status: u16,
    /// Its body.
    pub(super) body: Vec<u8>,
}

/// A client that goes nowhere else: a redirect is an answer like any other.
///
/// # Errors
/// When no TLS can be set up.
pub(in crate::prices::feeds) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .user_agent(concat!("foretoken/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// Asks once.
///
/// # Errors
/// Whatever went wrong, for people.
pub(super) async fn fetch(
    http: &reqwest::Client,
    settings: &SourceSettings,
) -> Result<Answer, String> {
    let seconds = settings.answer_s;
    tokio::select! {
        answer = ask(http, settings) => answer,
        () = pause(Duration::from_secs(seconds)) => Err(format!("no answer within {seconds} s")),
    }
}

async fn ask(http: &reqwest::Client, settings: &SourceSettings) -> Result<Answer, String> {
    let short = |error: reqwest::Error| shortened(&error.without_url().to_string());
    let mut answer = http.get(&settings.url).send().await.map_err(short)?;
    let status = answer.status();
    if status.is_redirection() {
        return Err(format!("status {status}: redirects are not followed"));
    }
    let limit = settings.longest_body_bytes;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(short)? {
        if body.len() + chunk.len() > limit {
            return Err(format!("the body has over {limit} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let said = shortened(&String::from_utf8_lossy(&body));
        return Err(format!("status {status}: {said}"));
    }
    Ok(Answer {
        status: status.as_u16(),
        body,
    })
}
