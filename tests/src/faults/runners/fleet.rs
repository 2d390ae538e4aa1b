//! The demo of row R18 and its five runners, each a real process behind a wire of its own.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::relay::{Relay, Wire};
use crate::caller::Caller;
use crate::demo::{Demo, DemoSettings};
use crate::process::Running;
use crate::{binaries, scratch, wait};

/// A round takes 30 s and its models have 5 s, on the wall.
pub(super) const SPEED: &str = "10";
/// Copies of one artifact: what is counted for them must be the same.
const COPIES: u32 = 3;
const TOURNAMENT: &str = "btc-usd-5m";
const ARTIFACT: &str = "datasets/models/forest.onnx";
/// The reference model with that artifact.
const ORIGINAL: &str = "forest";
const LIMIT: Duration = Duration::from_secs(120);

/// The faulty ones, and one that is not.
pub(super) const STEADY: &str = "steady";
pub(super) const DIES: &str = "dies";
pub(super) const HANGS: &str = "hangs";
pub(super) const LATE_ONE: &str = "late";
pub(super) const LIAR: &str = "lies";

/// See the module.
pub(super) struct Fleet {
    pub(super) visitor: Caller,
    key: String,
    folder: TempDir,
    starts: u32,
    _demo: Demo,
}

/// A runner and its wire.
pub(super) struct Runner {
    name: &'static str,
    pub(super) relay: Arc<Relay>,
    process: Running,
}

impl Fleet {
    /// A demo in which every model runs twice, with the copies entered and tried.
    ///
    /// # Errors
    /// When the demo does not start or refuses a copy.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let folder = scratch::folder("runners")?;
        let settings = DemoSettings {
            folder: folder.path(),
            rounds: None,
            database_url: None,
        };
        let demo = Demo::start_at(&settings, SPEED, &[("FORETOKEN_REPLICATED", "100")])?;
        demo.ready().await?;
        let member = demo.member("copier", "read,upload").await?;
        let onnx = std::fs::read(binaries::workspace().join(ARTIFACT))?;
        for copy in 0..COPIES {
            let name = format!("copy-{copy}");
            let id = member.upload(TOURNAMENT, &name, onnx.clone()).await?;
            let path = format!("models/{id}");
            wait::until("a copy to be tried", LIMIT, async || {
                Ok((member.json(&path).await?["state"] == "active").then_some(()))
            })
            .await?;
        }
        let key = demo.member("fleet", "run").await?;
        Ok(Self {
            visitor: demo.visitor()?,
            key: key.key().context("a key")?.to_owned(),
            folder,
            starts: 0,
            _demo: demo,
        })
    }

    /// A runner that joins through a new wire.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) async fn join(&mut self, name: &'static str, wire: Wire) -> anyhow::Result<Runner> {
        let relay = Relay::start(&self._demo.url, wire).await?;
        let process = self.process(name, &relay)?;
        Ok(Runner {
            name,
            relay,
            process,
        })
    }

    fn process(&mut self, name: &'static str, relay: &Relay) -> anyhow::Result<Running> {
        let mut command = Command::new(binaries::inference_runner()?);
        command
            .args(["join", "--server", &relay.url, "--name", name])
            .args(["--workers", "1", "--allow-weaker-sandbox", "--cache"])
            .arg(self.folder.path().join("cache"))
            .env("FORETOKEN_RUNNER_KEY", &self.key);
        self.starts += 1;
        let log = format!("{name}-{}", self.starts);
        Running::start(command, self.folder.path(), &log)
    }

    /// Starts a runner that was killed again.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn revive(&mut self, runner: &mut Runner) -> anyhow::Result<()> {
        let relay = Arc::clone(&runner.relay);
        runner.process = self.process(runner.name, &relay)?;
        Ok(())
    }

    /// What the server says of a runner; null when it does not know it.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn told(&self, name: &str) -> anyhow::Result<Value> {
        let page = self.visitor.json("runners").await?;
        let runners = page["runners"].as_array().cloned().unwrap_or_default();
        let told = runners.into_iter().find(|one| one["name"] == name);
        Ok(told.unwrap_or_default())
    }

    /// Waits until the server hears all of `names`.
    ///
    /// # Errors
    /// When one is not heard.
    pub(super) async fn until_live(&self, names: &[&str]) -> anyhow::Result<()> {
        wait::until("all runners to be live", LIMIT, async || {
            for name in names {
                if self.told(name).await?["live"] != true {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Waits until `round` is in one of `states`.
    ///
    /// # Errors
    /// When it takes too long.
    pub(super) async fn until_round(&self, round: &str, states: &[&str]) -> anyhow::Result<Value> {
        let path = format!("rounds/{round}");
        wait::until(&format!("{round} to be {states:?}"), LIMIT, async || {
            let told = self.visitor.json(&path).await?;
            let state = told["state"].as_str().unwrap_or_default();
            Ok(states.contains(&state).then_some(told))
        })
        .await
    }

    /// Whether an entry of a round is the copied model or one of its copies.
    pub(super) fn is_copy(entry: &Value) -> bool {
        let name = entry["name"].as_str().unwrap_or_default();
        name == ORIGINAL || name.starts_with("copy-")
    }

    /// Hosted models of a tournament that play.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn hosted(&self, tournament: &str) -> anyhow::Result<usize> {
        let page = self
            .visitor
            .json(&format!("models?tournament={tournament}"))
            .await?;
        let models = page["models"].as_array().cloned().unwrap_or_default();
        let hosted = models
            .iter()
            .filter(|model| model["hosting"] == "hosted" && model["state"] == "active");
        Ok(hosted.count())
    }
}

impl Runner {
    /// Waits until it is lent a part of another run than it has been, and signals it.
    ///
    /// # Errors
    /// When it is lent nothing.
    pub(super) async fn strike(&self, signal: Signal) -> anyhow::Result<()> {
        let had = self.relay.leases();
        let what = format!("a run for {}", self.name);
        wait::until(&what, LIMIT, async || {
            Ok((self.relay.leases() > had).then_some(()))
        })
        .await?;
        self.process.signal(signal);
        Ok(())
    }

    /// Lets it go on.
    pub(super) fn wake(&self) {
        self.process.signal(Signal::SIGCONT);
    }
}
