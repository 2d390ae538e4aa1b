//! A complete example bot: it watches the open rounds and posts a forecast for each.
//!
//! It knows the public HTTP API and nothing else. It never acts by any clock but the server's, and
//! posts again when a newer outcome changes its mind. Ctrl-C ends it.

mod api;

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use reqwest::Method;
use serde_json::{Value, json};

use api::{Api, Clock, Problem};

/// Imagined pairs of outcomes, half of them repeats: little evidence means little conviction.
const PRIOR_PAIRS: usize = 100;
/// Between two looks at the open rounds.
const LOOK_EVERY_MARKET_S: f64 = 15.0;

/// Posts a forecast for every open round of a tournament
#[derive(Parser)]
#[command(name = "example-bot", version)]
struct Args {
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    server: String,
    /// API key
    #[arg(long, env = "FORETOKEN_KEY", hide_env_values = true)]
    key: String,
    /// Id of the tournament
    #[arg(long, default_value = "btc-usd-5m")]
    tournament: String,
    /// Name of the model; registered when it is new
    #[arg(long, default_value = "rust bot")]
    model: String,
    /// What to believe
    #[arg(long, value_enum, default_value = "persistence")]
    strategy: Strategy,
    /// Tokens to risk in each round, "10.5"; absent: the model's default limit
    #[arg(long)]
    stake: Option<String>,
    /// Stop after so many rounds
    #[arg(long)]
    rounds: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Strategy {
    /// The last direction repeats as often as it did lately
    Persistence,
    /// It turns as often as it repeated lately
    Contrarian,
    /// Nobody knows
    Half,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let ended = tokio::select! {
        ended = run(args) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    let Err(error) = ended else {
        return ExitCode::SUCCESS;
    };
    writeln!(std::io::stderr(), "example-bot: {error:#}").ok();
    ExitCode::from(if error.is::<Problem>() { 2 } else { 1 })
}

async fn run(args: Args) -> anyhow::Result<()> {
    let mut api = Api {
        http: reqwest::Client::new(),
        server: args.server.clone(),
        key: args.key.clone(),
        random: StdRng::try_from_rng(&mut SysRng)?,
    };
    let speed = Clock::read(&mut api).await?.speed;
    let model = own_model(&mut api, &args.tournament, &args.model).await?;
    say(&format!(
        "model {model} in {} at speed {speed}",
        args.tournament
    ));
    let most = args.rounds.unwrap_or(usize::MAX);
    let mut bot = Bot {
        api,
        args,
        model,
        posted: HashMap::new(),
        rounds: 0,
    };
    let usual_s = (LOOK_EVERY_MARKET_S / speed).clamp(0.1, LOOK_EVERY_MARKET_S);
    while bot.rounds < most {
        match bot.look().await {
            // The key is wrong or may not do this: trying again cannot help.
            Err(error) if refused(&error, |it| matches!(it.status, 401 | 403)) => {
                return Err(error);
            }
            Err(error) => say(&format!("{error:#}; goes on trying")),
            Ok(()) => {}
        }
        pause(usual_s).await;
    }
    Ok(())
}

struct Bot {
    api: Api,
    args: Args,
    model: String,
    /// What was posted, by round; forgotten once the round is no longer open.
    posted: HashMap<String, f64>,
    /// Rounds with a forecast so far.
    rounds: usize,
}

impl Bot {
    /// Posts for every open round that has no forecast of ours, or an older opinion.
    async fn look(&mut self) -> anyhow::Result<()> {
        let tournament = &self.args.tournament;
        let path = format!("/rounds?tournament={tournament}&state=open&limit=500");
        let mut open = Vec::new();
        for round in rows(&self.api.ask(Method::GET, &path, None).await?, "rounds")? {
            open.push((
                integer(round, "deadline_us")?,
                text(round, "id")?.to_owned(),
            ));
        }
        // The most urgent first.
        open.sort();
        self.posted
            .retain(|id, _| open.iter().any(|(_, open)| open == id));
        let path = format!("/tournaments/{tournament}/outcomes?limit=1000");
        let history = self.api.ask(Method::GET, &path, None).await?;
        let names = rows(&history, "outcomes")?
            .iter()
            .map(|row| text(row, "outcome"));
        let p = forecast(
            self.args.strategy,
            &names.collect::<anyhow::Result<Vec<_>>>()?,
        );
        let clock = Clock::read(&mut self.api).await?;
        for (deadline_us, round) in open {
            let is_said = self
                .posted
                .get(&round)
                .is_some_and(|said| said.to_bits() == p.to_bits());
            if !is_said && clock.now_us() < deadline_us {
                self.post(round, p).await?;
            }
        }
        Ok(())
    }

    async fn post(&mut self, round: String, p: f64) -> anyhow::Result<()> {
        let body = match &self.args.stake {
            Some(stake) => json!({ "p": p, "stake": stake }),
            None => json!({ "p": p }),
        };
        let path = format!("/rounds/{round}/predictions/{}", self.model);
        let receipt = match self.api.ask(Method::PUT, &path, Some(&body)).await {
            // Late for this one is no reason to miss the next.
            Err(error) if refused(&error, |it| it.code == "late") => {
                say(&format!("{round}: {error:#}"));
                return Ok(());
            }
            answer => answer?,
        };
        let (ppm, left) = (
            integer(&receipt, "p_ppm")?,
            integer(&receipt, "ms_to_deadline")?,
        );
        let number = integer(&receipt, "sequence")?;
        say(&format!(
            "{round}: {ppm} ppm counted, {left} ms before the deadline, receipt {number}"
        ));
        self.rounds += usize::from(self.posted.insert(round, p).is_none());
        Ok(())
    }
}

/// The account's model of this name, registered when it is new. A registration whose end is not
/// known is looked for before it is sent again.
async fn own_model(api: &mut Api, tournament: &str, name: &str) -> anyhow::Result<String> {
    let is_it = |model: &&Value| model["tournament"] == tournament && model["name"] == name;
    let body = json!({ "tournament": tournament, "name": name });
    let mut tries = 0;
    loop {
        let own = api.ask(Method::GET, "/models?mine=true", None).await?;
        if let Some(model) = rows(&own, "models")?.iter().find(is_it) {
            return Ok(text(model, "id")?.to_owned());
        }
        tries += 1;
        match api.ask(Method::POST, "/models", Some(&body)).await {
            Ok(model) => return Ok(text(&model, "id")?.to_owned()),
            Err(error) if tries == 3 || refused(&error, |it| it.status < 500) => return Err(error),
            Err(_) => {}
        }
    }
}

/// The probability that the next round goes up; outcomes are newest first.
#[expect(clippy::cast_precision_loss, reason = "at most a thousand outcomes")]
fn forecast(strategy: Strategy, outcomes: &[&str]) -> f64 {
    let sides = outcomes
        .iter()
        .filter(|name| matches!(**name, "up" | "down"));
    let sides: Vec<&&str> = sides.collect();
    let repeats = sides
        .windows(2)
        .filter(|pair| pair.first() == pair.last())
        .count();
    let pairs = sides.len().saturating_sub(1);
    let p_repeat = (repeats as f64 + PRIOR_PAIRS as f64 / 2.0) / (pairs + PRIOR_PAIRS) as f64;
    let p_same = match strategy {
        Strategy::Persistence => p_repeat,
        Strategy::Contrarian => 1.0 - p_repeat,
        Strategy::Half => 0.5,
    };
    match sides.first() {
        Some(&&"up") => p_same,
        Some(_) => 1.0 - p_same,
        None => 0.5,
    }
}

fn refused(error: &anyhow::Error, how: impl Fn(&Problem) -> bool) -> bool {
    error.downcast_ref().is_some_and(how)
}

fn rows<'a>(body: &'a Value, name: &str) -> anyhow::Result<&'a Vec<Value>> {
    body[name]
        .as_array()
        .with_context(|| format!("the answer has no list {name}: {body}"))
}

fn text<'a>(body: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    body[name]
        .as_str()
        .with_context(|| format!("the answer has no text {name}: {body}"))
}

fn integer(body: &Value, name: &str) -> anyhow::Result<i64> {
    body[name]
        .as_i64()
        .with_context(|| format!("the answer has no integer {name}: {body}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bot stands outside and waits on the wall clock"
)]
async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_direction_repeats_as_often_as_it_did() {
        let (up, down) = (["up"; 901], ["down", "void", "down"]);
        for (strategy, after_ups) in [
            (Strategy::Persistence, 0.95),
            (Strategy::Contrarian, 0.05),
            (Strategy::Half, 0.5),
        ] {
            assert!((forecast(strategy, &up) - after_ups).abs() < 1e-12);
            assert!((forecast(strategy, &[]) - 0.5).abs() < 1e-12);
        }
        let p = forecast(Strategy::Persistence, &down);
        assert!((p - 50.0 / 101.0).abs() < 1e-12);
    }
}
