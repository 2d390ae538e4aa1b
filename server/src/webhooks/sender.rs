//! One request to a receiver: signed, bounded in time and bytes, to a public address and nowhere else.

use std::sync::OnceLock;
use std::time::Duration;

use domain::WallClock;
use domain::timestamp::SECOND_US;

use super::address::{self, PublicOnly};
use super::signature::Secret;
use crate::wall::pause;

/// A receiver has answered by then.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read and kept.
pub const ANSWER_LIMIT: usize = 1_024;
/// Characters of an error that are kept.
const ERROR_LIMIT: usize = 300;

/// Sends messages; one for the process, so that connections are used again.
#[derive(Debug)]
pub struct Sender {
    client: OnceLock<Option<reqwest::Client>>,
    may_be_private: bool,
}

/// One message on its way.
pub(super) struct Message<'a> {
    pub(super) url: &'a str,
    pub(super) id: &'a str,
    pub(super) body: &'a str,
    pub(super) secrets: &'a [Secret],
}

/// What came of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The HTTP status; 0 when no answer came.
    pub status: u16,
    /// How long it took, wall microseconds.
    pub took_us: i64,
    /// The first bytes of the answer, as text.
    pub answer: String,
    /// Why it counts as failed; empty when it does not.
    pub error: String,
}

impl Attempt {
    /// Whether the receiver took the message.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.error.is_empty()
    }
}

impl Sender {
    /// A sender to public https addresses, or to any address for tests and the demo.
    #[must_use]
    pub fn new(may_be_private: bool) -> Self {
        Self {
            client: OnceLock::new(),
            may_be_private,
        }
    }

    /// Whether private addresses and plain http are allowed.
    #[must_use]
    pub fn may_be_private(&self) -> bool {
        self.may_be_private
    }

    /// Sends once and waits for the answer, at most ten seconds.
    pub(super) async fn send(&self, wall: &WallClock, message: &Message<'_>) -> Attempt {
        let began_us = wall.now_us();
        let mut attempt = tokio::select! {
            attempt = self.ask(began_us, message) => attempt.unwrap_or_else(|error| failed(&error)),
            () = pause(TIME_LIMIT) => {
                failed(&format!("no answer within {} s", TIME_LIMIT.as_secs()))
            }
        };
        attempt.took_us = wall.now_us().saturating_sub(began_us).max(0);
        attempt
    }

    async fn ask(&self, now_us: i64, message: &Message<'_>) -> Result<Attempt, String> {
        // A URL that was taken under other settings is checked again; one with a number for a host
        // never meets the resolver.
        let url = address::parse(message.url, self.may_be_private)?;
        let client = self.client.get_or_init(|| client(self.may_be_private).ok());
        let client = client.as_ref().ok_or("no TLS can be set up here")?;
        let timestamp_s = now_us.div_euclid(SECOND_US);
        let signatures: Option<Vec<String>> = message
            .secrets
            .iter()
            .map(|secret| secret.sign(message.id, timestamp_s, message.body))
            .collect();
        let signatures = signatures.ok_or("the stored secret is broken")?.join(" ");
        let sent = client
            .post(url)
            .header("content-type", "application/json")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", timestamp_s.to_string())
            .header("webhook-signature", signatures)
            .body(message.body.to_owned())
            .send()
            .await;
        let mut response = sent.map_err(said)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while bytes.len() < ANSWER_LIMIT
            && let Ok(Some(chunk)) = response.chunk().await
        {
            let rest = ANSWER_LIMIT.saturating_sub(bytes.len());
            bytes.extend_from_slice(chunk.get(..rest).unwrap_or(&chunk));
        }
        let error = match status.as_u16() {
            200..=299 => String::new(),
            300..=399 => format!("answered {status}: redirects are not followed"),
            _ => format!("answered {status}"),
        };
        Ok(Attempt {
            status: status.as_u16(),
            took_us: 0,
            // PostgreSQL's texts hold no NUL.
            answer: String::from_utf8_lossy(&bytes).replace('\0', "\u{fffd}"),
            error,
        })
    }
}

fn failed(error: &str) -> Attempt {
    Attempt {
        error: error.chars().take(ERROR_LIMIT).collect(),
        ..Attempt::default()
    }
}

/// The whole chain of causes, without the URL, in which a receiver's secrets may stand.
fn said(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text.replace('\0', "")
}

fn client(may_be_private: bool) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("foretoken-webhooks/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(TIME_LIMIT)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(30));
    if may_be_private {
        return builder.build();
    }
    builder.https_only(true).dns_resolver(PublicOnly).build()
}
