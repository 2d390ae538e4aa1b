//! A PostgreSQL cluster that a row may crash and start again; durable, unlike that of the tests.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::world::LIMIT;
use crate::process::Running;
use crate::wait;

/// A cluster in a folder of its own.
pub struct Cluster {
    folder: TempDir,
    port: u16,
    running: Option<Running>,
}

impl Cluster {
    /// Makes and starts one.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        // Not below the target folder: the database's own user must be able to get there.
        let folder = tempfile::Builder::new()
            .prefix("foretoken-faults-")
            .tempdir()?;
        if let Some((uid, gid)) = user()? {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let mut make = Command::new(program("initdb")?);
        make.args([
            "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale", "C", "-D",
        ])
        .arg(folder.path().join("data"))
        .current_dir(folder.path())
        .stdout(Stdio::null());
        let made = as_user(make)?.status().context("initdb does not start")?;
        ensure!(made.success(), "initdb failed with {made}");
        let mut cluster = Self {
            folder,
            port,
            running: None,
        };
        cluster.begin().await?;
        Ok(cluster)
    }

    /// Where its database is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as a crash would: no checkpoint, every connection broken.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn crash(&mut self) -> anyhow::Result<()> {
        if let Some(running) = self.running.take() {
            running.signal(Signal::SIGQUIT);
            running.finish(LIMIT).await?;
        }
        Ok(())
    }

    /// Starts it where it was.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(program("postgres")?);
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args([
                "-p",
                &self.port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
            ])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=60"])
            .current_dir(self.folder.path());
        let running = Running::start(as_user(command)?, self.folder.path(), "postgres")?;
        let port = self.port;
        wait::until("PostgreSQL to listen", LIMIT, async || {
            ensure!(
                running.ended().is_none(),
                "PostgreSQL ended:\n{}",
                running.stderr()
            );
            Ok(std::net::TcpStream::connect(("127.0.0.1", port))
                .ok()
                .map(drop))
        })
        .await?;
        self.running = Some(running);
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.signal(Signal::SIGQUIT);
        }
    }
}

/// PostgreSQL refuses to run as root: then its files belong to Debian's user of that name.
fn user() -> anyhow::Result<Option<(u32, u32)>> {
    if !nix::unistd::Uid::effective().is_root() {
        return Ok(None);
    }
    let user = nix::unistd::User::from_name("postgres")?;
    let user = user.context("user `postgres` is missing: run `cargo xtask setup tests`")?;
    Ok(Some((user.uid.as_raw(), user.gid.as_raw())))
}

fn as_user(mut command: Command) -> anyhow::Result<Command> {
    if let Some((uid, gid)) = user()? {
        command.uid(uid).gid(gid);
    }
    Ok(command)
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    let debian = Path::new("/usr/lib/postgresql/15/bin").join(name);
    let named =
        std::env::var_os("FORETOKEN_POSTGRES_BIN").map(|folder| Path::new(&folder).join(name));
    let mut all = named.into_iter().chain([debian]);
    all.find(|path| path.is_file()).with_context(|| {
        format!("{name} of PostgreSQL 15 is missing: run `cargo xtask setup tests` or set FORETOKEN_POSTGRES_BIN")
    })
}
