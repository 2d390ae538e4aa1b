//! The demo's folder: where it lies, what the clock showed last, and beginning anew.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use domain::{MarketClock, WallClock};

use super::DemoArgs;
use crate::settings::ClockFile;

/// The market clock of a replay; without it market time is wall time.
const CLOCK: &str = "clock.json";
/// What callers may ask of the demo's server.
pub(super) const LIMITS: &str = "limits.toml";

/// The data folder of one demo. A temporary one is removed at the end.
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    pub(super) fn open(args: &DemoArgs) -> anyhow::Result<Self> {
        let temporary = if args.data.is_none() && args.headless {
            Some(
                tempfile::Builder::new()
                    .prefix("foretoken-demo-")
                    .tempdir()?,
            )
        } else {
            None
        };
        let path = match (&args.data, &temporary) {
            (Some(named), _) => named.clone(),
            (None, Some(temporary)) => temporary.path().to_path_buf(),
            (None, None) => PathBuf::from("foretoken-data"),
        };
        let folder = Self {
            path,
            _temporary: temporary,
        };
        folder.must_fit(args)?;
        folder.make()?;
        Ok(folder)
    }

    /// A replay and live prices have different clocks: one folder is either.
    fn must_fit(&self, args: &DemoArgs) -> anyhow::Result<()> {
        let is_replay = self.path.join(CLOCK).is_file();
        let is_begun = self.path.join("market-time").is_file();
        let path = self.path.display();
        anyhow::ensure!(
            !(args.live && is_replay),
            "{path} holds a replay: name another folder for live prices with --data DIR"
        );
        anyhow::ensure!(
            args.live || is_replay || !is_begun,
            "{path} holds live prices: go on with --live, or name another folder with --data DIR"
        );
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the folder aside: what it holds does not fit the chain any more.
    pub(super) fn begin_anew(&mut self, why: &str) -> anyhow::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".old");
        let old = PathBuf::from(old);
        if old.exists() {
            std::fs::remove_dir_all(&old)
                .with_context(|| format!("cannot remove {}", old.display()))?;
        }
        std::fs::rename(&self.path, &old)?;
        super::progress::say(&format!(
            "{why}\nChain and database do not fit: {} was moved to {} and the demo begins anew.",
            self.path.display(),
            old.display()
        ));
        self.make()
    }

    /// Starts the market clock: at `first_us`, or where the last run stopped, never before
    /// `not_before_us`.
    pub(super) fn start_clock(
        &self,
        wall: &WallClock,
        speed: f64,
        first_us: i64,
        not_before_us: i64,
    ) -> anyhow::Result<MarketClock> {
        let market_origin_us = self.last_market_us().unwrap_or(first_us).max(not_before_us);
        let file = ClockFile {
            wall_origin_us: wall.now_us(),
            market_origin_us,
            speed,
        };
        replace(
            &self.path.join(CLOCK),
            &serde_json::to_string_pretty(&file)?,
        )?;
        Ok(file.clock(wall.clone()))
    }

    /// What the market clock showed when it was last saved.
    pub(super) fn last_market_us(&self) -> Option<i64> {
        std::fs::read_to_string(self.path.join("market-time"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// Saves the market time, so that the next start goes on from here.
    pub(super) fn save_market_us(&self, now_us: i64) -> anyhow::Result<()> {
        replace(&self.path.join("market-time"), &now_us.to_string())
    }

    fn make(&self) -> anyhow::Result<()> {
        for part in ["", "logs", "keys", "artifacts"] {
            let folder = self.path.join(part);
            std::fs::create_dir_all(&folder).with_context(|| {
                format!(
                    "cannot make {}: name another folder with --data DIR",
                    folder.display()
                )
            })?;
        }
        replace(&self.path.join(LIMITS), include_str!("limits.toml"))
    }
}

fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file in the data folder")?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
