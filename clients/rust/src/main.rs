//! A complete example bot: as a round opens it says that the last direction repeats as often as it
//! did lately, and says it again when a newer outcome changes its mind.
//!
//! It knows the public HTTP API and nothing else. Failures need no care of their own, and Ctrl-C may
//! end it anywhere: the next look does again what was not done, and PUT may be repeated.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use reqwest::Method;
use serde_json::{Value, json};

/// Imagined pairs of outcomes, half of them repeats: little evidence means little conviction.
const PRIOR_PAIRS: usize = 100;
/// Between two looks at the rounds, seconds of the market.
const LOOK_EVERY_S: f64 = 15.0;

/// Posts a forecast for every open round of a tournament
#[derive(Parser)]
#[command(name = "example-bot", version)]
struct Bot {
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    server: String,
    /// API key with the scopes predict and upload: `POST /api/v1/accounts` gives one
    #[arg(long, env = "FORETOKEN_KEY", hide_env_values = true)]
    key: String,
    /// Id of the tournament
    #[arg(long, default_value = "btc-usd-5m")]
    tournament: String,
    /// Name of the model; registered when it is new
    #[arg(long, default_value = "rust bot")]
    model: String,
    /// Tokens to risk in each round, "10.5"; absent: the model's default limit
    #[arg(long)]
    stake: Option<String>,
    /// Stop after so many forecasts
    #[arg(long)]
    forecasts: Option<usize>,
    /// What was said: round and body.
    #[arg(skip)]
    said: HashSet<String>,
    #[arg(skip)]
    http: reqwest::Client,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut bot = Bot::parse();
    let model = bot.own_model().await?;
    say(&format!("model {model} in {}", bot.tournament));
    while bot.forecasts.is_none_or(|most| bot.said.len() < most) {
        // The market's seconds per second of ours: in a replay it runs faster.
        let speed = bot.look(&model).await.unwrap_or_else(|error| {
            say(&format!("{error:#}; goes on trying"));
            1.0
        });
        pause((LOOK_EVERY_S / speed).clamp(0.1, LOOK_EVERY_S)).await;
    }
    Ok(())
}

impl Bot {
    /// Posts for every open round that has no forecast of ours, or an older opinion.
    async fn look(&mut self, model: &str) -> anyhow::Result<f64> {
        let path = format!("/tournaments/{}/outcomes?limit=1000", self.tournament);
        let history = self.ask(Method::GET, &path, None).await?;
        let p = forecast(list(&history["outcomes"])?);
        let body = json!({ "p": p, "stake": self.stake });
        let path = format!("/rounds/next?tournaments={}", self.tournament);
        let next = self.ask(Method::GET, &path, None).await?;
        for round in list(&next["rounds"])? {
            let id = round["id"].as_str().context("a round without an id")?;
            let what = format!("{id} {body}");
            if round["state"] != "open" || self.said.contains(&what) {
                continue;
            }
            let path = format!("/rounds/{id}/predictions/{model}");
            let receipt = self.ask(Method::PUT, &path, Some(&body)).await?;
            let (number, left) = (&receipt["sequence"], &receipt["ms_to_deadline"]);
            say(&format!("{what}: receipt {number}, {left} ms early"));
            self.said.insert(what);
        }
        next["speed"].as_f64().context("no speed")
    }

    /// The account's model of this name, registered when it is new.
    async fn own_model(&self) -> anyhow::Result<String> {
        let wanted = json!({ "tournament": self.tournament, "name": self.model });
        let own = self.ask(Method::GET, "/models?mine=true", None).await?;
        let same = |model: &Value, key: &str| model[key] == wanted[key];
        let mut own = list(&own["models"])?.iter().cloned();
        let model = match own.find(|it| same(it, "tournament") && same(it, "name")) {
            Some(model) => model,
            None => self.ask(Method::POST, "/models", Some(&wanted)).await?,
        };
        let id = model["id"].as_str().context("a model without an id")?;
        Ok(id.to_owned())
    }

    /// The JSON of an answer; a refusal says what happened and what to do (RFC 9457).
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let url = format!("{}/api/v1{path}", self.server.trim_end_matches('/'));
        let request = self.http.request(method, url).bearer_auth(&self.key);
        let request = request.timeout(Duration::from_secs(10));
        let answer = match body {
            Some(body) => request.json(body).send().await?,
            None => request.send().await?,
        };
        let is_good = answer.status().is_success();
        let body: Value = answer.json().await?;
        if !is_good {
            bail!("{}: {} {}", body["code"], body["detail"], body["remedy"]);
        }
        Ok(body)
    }
}

/// The probability that the next round goes up; outcomes are newest first.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
fn forecast(outcomes: &[Value]) -> f64 {
    let ends = outcomes.iter().map(|row| &row["outcome"]);
    let sides: Vec<&Value> = ends.filter(|end| **end != "void").collect();
    let same = |pair: &&[&Value]| pair.first() == pair.last();
    let repeats = sides.windows(2).filter(same).count() + PRIOR_PAIRS / 2;
    let p_repeat = repeats as f64 / (sides.len().saturating_sub(1) + PRIOR_PAIRS) as f64;
    match sides.first() {
        Some(side) if **side == "up" => p_repeat,
        Some(_) => 1.0 - p_repeat,
        None => 0.5,
    }
}

fn list(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value.as_array().context("the answer has no list")
}

#[expect(clippy::disallowed_methods, reason = "a bot stands outside")]
async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}
