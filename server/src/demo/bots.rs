//! Example participants. They know the HTTP API and nothing else.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use contracts::round::seal;
use domain::{Probability, TokenAmount};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::chain::B256;
use crate::predictions::NO_INDEX;
use crate::wall::pause;

/// What a bot thinks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Strategy {
    /// The last direction repeats.
    Persistence,
    /// The last direction turns.
    Contrarian,
    /// Nobody knows.
    Constant,
    /// A guess around one half, sealed first and then revealed.
    Noise,
    /// Always the same number: half of an equal and opposite pair.
    Fixed(f64),
}

impl Strategy {
    /// Whether the forecast depends on past outcomes.
    fn looks_back(self) -> bool {
        matches!(self, Self::Persistence | Self::Contrarian)
    }

    /// Whether it commits to a forecast before it shows it.
    fn is_sealed(self) -> bool {
        matches!(self, Self::Noise)
    }
}

/// The demo's bots: name, strategy, tokens to risk in each round.
pub(super) const BOTS: [(&str, Strategy, &str); 6] = [
    ("persistence-bot", Strategy::Persistence, "40"),
    ("contrarian-bot", Strategy::Contrarian, "40"),
    ("constant-half-bot", Strategy::Constant, "40"),
    ("noise-bot", Strategy::Noise, "30"),
    ("pair-high-bot", Strategy::Fixed(0.56), "25"),
    ("pair-low-bot", Strategy::Fixed(0.44), "25"),
];

/// How far the persistence and contrarian bots lean.
const LEAN: f64 = 0.03;
/// Between two looks at the open rounds, market seconds.
const LOOK_EVERY_MARKET_S: f64 = 20.0;
/// A request may take this long.
const LIMIT: Duration = Duration::from_secs(10);

/// One bot with its key; it owns one model in each tournament.
pub(super) struct Bot {
    pub(super) name: &'static str,
    pub(super) key: String,
    pub(super) strategy: Strategy,
    pub(super) stake: &'static str,
    pub(super) server: String,
    pub(super) speed: f64,
}

/// A client of the API.
pub(super) fn client() -> anyhow::Result<Client> {
    Ok(Client::builder().timeout(LIMIT).no_proxy().build()?)
}

/// The account's model of that name in a tournament; registered through the API when it is new.
pub(super) async fn own_model(
    client: &Client,
    server: &str,
    key: &str,
    tournament: &str,
    name: &str,
) -> anyhow::Result<String> {
    let url = format!("{server}/api/v1/models");
    let own = format!("{url}?tournament={tournament}&mine=true");
    let known: Value = client
        .get(own)
        .bearer_auth(key)
        .send()
        .await?
        .json()
        .await?;
    let known = known
        .get("models")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let is_named = |model: &&Value| model.get("name").and_then(Value::as_str) == Some(name);
    if let Some(id) = known
        .into_iter()
        .find(is_named)
        .and_then(|m| m.get("id")?.as_str())
    {
        return Ok(id.to_owned());
    }
    let body = json!({"tournament": tournament, "name": name});
    let answer = client
        .post(&url)
        .bearer_auth(key)
        .json(&body)
        .send()
        .await?;
    let status = answer.status();
    let body: Value = answer.json().await?;
    let id = body.get("id").and_then(Value::as_str);
    id.map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("{url} answered {status}: {body}"))
}

impl Bot {
    /// Posts a forecast for every open round of `models` (tournament, model) until `stop`.
    pub(super) async fn run(self, models: Vec<(String, String)>, stop: CancellationToken) {
        let Ok(client) = client() else { return };
        let seed = self.name.bytes().fold(0_u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let mut random = StdRng::seed_from_u64(seed);
        let mut posted = HashMap::new();
        let nap = Duration::from_secs_f64((LOOK_EVERY_MARKET_S / self.speed).clamp(0.1, 20.0));
        while !stop.is_cancelled() {
            for (tournament, model) in &models {
                let done = self
                    .post_open(&client, tournament, model, &mut random, &mut posted)
                    .await;
                if let Err(error) = done {
                    tracing::debug!(bot = self.name, %error, "tries again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = pause(nap) => {}
            }
        }
    }

    async fn post_open(
        &self,
        client: &Client,
        tournament: &str,
        model: &str,
        random: &mut StdRng,
        posted: &mut HashMap<String, f64>,
    ) -> anyhow::Result<()> {
        let path = format!("rounds?tournament={tournament}&state=open&limit=20");
        let open = self.ask(client, Method::GET, &path, None).await?;
        for round in open
            .get("rounds")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(id) = round.get("id").and_then(Value::as_str) else {
                continue;
            };
            // What is known changes while a round is open; the latest prediction wins.
            let before = posted.get(id).copied();
            if before.is_some() && !self.strategy.looks_back() {
                continue;
            }
            let p = self.forecast(client, tournament, random).await?;
            if before.is_some_and(|before| before.to_bits() == p.to_bits()) {
                continue;
            }
            let path = format!("rounds/{id}/predictions/{model}");
            let mut body = json!({"p": p, "stake": self.stake});
            if self.strategy.is_sealed() {
                // The dice of a demo may be known; a real salt must be secret.
                let salt = B256::from(random.random::<[u8; 32]>());
                let seal = self.seal(client, id, model, p, salt).await?;
                let sealed = json!({"seal": seal.to_string()});
                self.ask(client, Method::PUT, &path, Some(sealed)).await?;
                body["salt"] = json!(salt.to_string());
            }
            self.ask(client, Method::PUT, &path, Some(body)).await?;
            posted.insert(id.to_owned(), p);
        }
        Ok(())
    }

    /// The commitment to p and the bot's stake, by what the API says of round and model.
    async fn seal(
        &self,
        client: &Client,
        round: &str,
        model: &str,
        p: f64,
        salt: B256,
    ) -> anyhow::Result<B256> {
        let round = self
            .ask(client, Method::GET, &format!("rounds/{round}"), None)
            .await?;
        let chain_round = round.get("chain_round").and_then(Value::as_str);
        let chain_round: B256 = chain_round.context("a round without a name")?.parse()?;
        let model = self
            .ask(client, Method::GET, &format!("models/{model}"), None)
            .await?;
        let stake = model
            .get("stake")
            .and_then(|stake| stake.get("model_index"));
        let index = stake
            .and_then(Value::as_u64)
            .map(u32::try_from)
            .transpose()?;
        let ppm = Probability::from_f64(p)?.ppm();
        let units = TokenAmount::from_tokens(self.stake)?.units();
        let index = index.unwrap_or(NO_INDEX);
        Ok(seal(chain_round, index, units, ppm, salt))
    }

    async fn forecast(
        &self,
        client: &Client,
        tournament: &str,
        random: &mut StdRng,
    ) -> anyhow::Result<f64> {
        let lean = match self.strategy {
            Strategy::Constant => return Ok(0.5),
            Strategy::Fixed(p) => return Ok(p),
            Strategy::Noise => return Ok(0.5 + random.random_range(-0.05..0.05)),
            Strategy::Persistence => LEAN,
            Strategy::Contrarian => -LEAN,
        };
        let path = format!("tournaments/{tournament}/outcomes?limit=20");
        let answer = self.ask(client, Method::GET, &path, None).await?;
        let outcomes = answer.get("outcomes").and_then(Value::as_array);
        let names = outcomes
            .into_iter()
            .flatten()
            .filter_map(|o| o.get("outcome")?.as_str());
        Ok(match names.into_iter().find(|name| *name != "void") {
            Some("up") => 0.5 + lean,
            Some("down") => 0.5 - lean,
            _ => 0.5,
        })
    }

    async fn ask(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1/{path}", self.server);
        let mut request = client.request(method, &url).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = answer.json().await?;
        anyhow::ensure!(
            status == StatusCode::OK || status == StatusCode::CREATED,
            "{url}: {status} {body}"
        );
        Ok(body)
    }
}
