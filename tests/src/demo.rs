//! A demo as a process of its own: `foretoken demo` in a folder, on a free port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::caller::Caller;
use crate::process::{self, Finished, Running};
use crate::report::Report;
use crate::wait;

/// Market seconds per second. A development build keeps it on two cores.
pub const SPEED: &str = "60";
/// From the start until everybody is entered and rounds run.
const READY_LIMIT: Duration = Duration::from_secs(60);
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// A running demo. Dropping it kills it; its own children die with it.
pub struct Demo {
    /// The process.
    pub process: Running,
    /// `http://127.0.0.1:<port>`.
    pub url: String,
    data: PathBuf,
    json: PathBuf,
}

/// How to start one.
pub struct DemoSettings<'a> {
    /// Everything is kept in its `data`; logs and the JSON file lie beside.
    pub folder: &'a Path,
    /// Ends after so many rounds; `None` serves until it is stopped.
    pub rounds: Option<u32>,
    /// PostgreSQL in place of the embedded database.
    pub database_url: Option<&'a str>,
}

impl Demo {
    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be built or started.
    pub fn start(settings: &DemoSettings<'_>) -> anyhow::Result<Self> {
        Self::start_at(settings, SPEED, &[])
    }

    /// Starts it at another speed, with variables for it and its children.
    ///
    /// # Errors
    /// As [`Demo::start`].
    pub fn start_at(
        settings: &DemoSettings<'_>,
        speed: &str,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let port = free_port()?.to_string();
        let data = settings.folder.join("data");
        let json = settings.folder.join("out.json");
        let mut command = process::foretoken(["demo", "--speed", speed, "--port", &port])?;
        command.arg("--data").arg(&data).arg("--json").arg(&json);
        if let Some(rounds) = settings.rounds {
            command.args(["--headless", "--rounds", &rounds.to_string()]);
        }
        if let Some(url) = settings.database_url {
            command.env("DATABASE_URL", url);
        }
        command.envs(variables.iter().copied());
        let process = Running::start(command, settings.folder, "demo")?;
        Ok(Self {
            process,
            url: format!("http://127.0.0.1:{port}"),
            data,
            json,
        })
    }

    /// Waits until everybody is entered and rounds run.
    ///
    /// # Errors
    /// When the demo ends or takes too long.
    pub async fn ready(&self) -> anyhow::Result<()> {
        wait::until("the demo to run", READY_LIMIT, async || {
            self.must_run()?;
            Ok(self
                .process
                .stderr()
                .contains("rounds run at")
                .then_some(()))
        })
        .await
    }

    /// Waits for its end and reads what it wrote.
    ///
    /// # Errors
    /// When it does not end in time, ends badly, or its file is not readable.
    pub async fn finish(self, limit: Duration) -> anyhow::Result<(Finished, Report)> {
        let Self {
            process,
            data,
            json,
            ..
        } = self;
        let ended = process.finish(limit).await;
        let ended = ended.with_context(|| logs(&data))?;
        let said = process::last_lines(&ended.stderr);
        anyhow::ensure!(
            ended.code == 0,
            "the demo ended with {}:\n{said}\n{}",
            ended.code,
            logs(&data)
        );
        Ok((ended, Report::read(&json)?))
    }

    /// Fails when the demo has ended.
    ///
    /// # Errors
    /// What the demo said last.
    pub fn must_run(&self) -> anyhow::Result<()> {
        let said = || process::last_lines(&self.process.stderr());
        anyhow::ensure!(
            self.process.ended().is_none(),
            "the demo has ended:\n{}",
            said()
        );
        Ok(())
    }

    /// The demo's data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Where its JSON file is or will be.
    #[must_use]
    pub fn json(&self) -> &Path {
        &self.json
    }

    /// A caller without a key.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn visitor(&self) -> anyhow::Result<Caller> {
        Caller::new(&self.url, None)
    }

    /// A caller with a fresh key, made as an operator makes it.
    ///
    /// # Errors
    /// When the key is refused.
    pub async fn member(&self, account: &str, scopes: &str) -> anyhow::Result<Caller> {
        let mut command = process::foretoken(["admin", "key", "create", "--account", account])?;
        command.args(["--scopes", scopes, "--data"]).arg(&self.data);
        let made = process::run(command, COMMAND_LIMIT).await?;
        anyhow::ensure!(made.code == 0, "no key for {account}: {}", made.stderr);
        Caller::new(&self.url, Some(made.stdout.trim()))
    }
}

/// A port that nobody listens on now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The ends of the children's logs, for a message.
fn logs(data: &Path) -> String {
    let mut text = String::new();
    for name in ["server", "settler", "runner"] {
        let log = std::fs::read_to_string(data.join("logs").join(format!("{name}.log")));
        let log = log.unwrap_or_default();
        text.push_str(&format!("---- {name}\n{}\n", process::last_lines(&log)));
    }
    text
}
