//! R17: the disk is full, the database restarts, the power fails.
//!
//! A power loss cannot be had here; what is checked is that every connection of the pool asks
//! SQLite to have each commit on the disk before it answers.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use server::app::pause;
use server::settlement;

use super::check;
use super::flow::Flow;
use super::postgres::Cluster;
use super::world::{LIMIT, Plan, Start, World, kill};
use crate::process::{Running, last_lines};
use crate::{scratch, wait};

const FINAL: &str = "SELECT count(*) FROM batches WHERE state = 'final'";
/// Rows that are never deleted, by their keys.
const KEYS: &str = "SELECT 'round ' || id FROM rounds UNION ALL SELECT 'lock ' || round_id FROM round_locks \
                    UNION ALL SELECT 'payout ' || round_id || model_id FROM payouts \
                    UNION ALL SELECT 'intent ' || id FROM intents UNION ALL SELECT 'attempt ' || tx_hash FROM attempts \
                    UNION ALL SELECT 'batch ' || id FROM batches";
/// The connections of a pool.
const CONNECTIONS: usize = 8;
/// SQLite's number of `synchronous = FULL`.
const FULL: i64 = 2;
/// The small disk.
const DISK_MB: u32 = 48;
/// How long the disk stays full or the database away.
const AWAY: Duration = Duration::from_secs(2);

/// All three.
///
/// # Errors
/// When a committed row is lost, or settlement does not go on.
pub async fn run(times: u32) -> anyhow::Result<(bool, Value)> {
    let (disk, database, power) =
        tokio::join!(full_disk(times), database_restart(times), power_loss());
    let disk = disk.context("disk full")?;
    let database = database.context("database restart")?;
    let (synchronous, connections) = power.context("power loss")?;
    let is_met = synchronous == connections && disk.lost + database.lost == 0;
    Ok((
        is_met,
        json!({
            "disk_full": times,
            "disk_full_by": disk.by,
            "database_restarts": times,
            "committed_rows_checked": disk.checked + database.checked,
            "committed_rows_lost": disk.lost + database.lost,
            "batches": disk.batches + database.batches,
            "connections_with_wal_and_synchronous_full": format!("{synchronous} of {connections}"),
        }),
    ))
}

struct Survived {
    by: &'static str,
    checked: usize,
    lost: usize,
    batches: u64,
}

/// A small file system, mounted where that is allowed.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).ok()?;
        let size = format!("size={DISK_MB}m");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "foretoken-faults"])
            .arg(folder);
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| Self {
            folder: folder.to_path_buf(),
        })
    }

    /// Takes every byte that is left.
    fn fill(&self) -> anyhow::Result<PathBuf> {
        let path = self.folder.join("filler");
        let mut file = std::fs::File::create(&path)?;
        for size in [65_536, 4_096, 512, 1] {
            let part = vec![7_u8; size];
            while file.write_all(&part).is_ok() {}
        }
        Ok(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that is being killed may hold a file for a moment.
        Command::new("umount")
            .arg("-l")
            .arg(&self.folder)
            .output()
            .ok();
    }
}

async fn full_disk(times: u32) -> anyhow::Result<Survived> {
    let folder = scratch::folder("disk")?;
    let disk = Disk::mount(&folder.path().join("small"));
    let data = disk.as_ref().map(|disk| disk.folder.join("data"));
    let plan = Plan {
        data,
        ..Plan::default()
    };
    World::with("full", plan, async |world| {
        let mut running = world.settler(Start::default())?;
        let flow = Flow::start(world, 400, 1, 13);
        let (mut checked, mut lost) = (0, 0);
        for _ in 0..times {
            let batches = world.number(FINAL).await?;
            world
                .until_at_least("batches", batches + 2, FINAL, LIMIT)
                .await?;
            let before = keys(world).await?;
            running = match &disk {
                Some(disk) => fill_and_free(world, disk, running).await?,
                None => forbid_growth(world, running).await?,
            };
            let batches = world.number(FINAL).await?;
            let again = world
                .until_at_least("settlement to go on", batches + 2, FINAL, LIMIT)
                .await;
            again.context(check::told(world, &running).await)?;
            checked += before.len();
            lost += before.difference(&keys(world).await?).count();
        }
        let by = if disk.is_some() {
            "a small tmpfs"
        } else {
            "a limit on the size of files"
        };
        Ok(Survived {
            by,
            checked,
            lost,
            batches: rest(world, &flow, running).await?,
        })
    })
    .await
}

/// Fills the disk, waits until the settler meets that, and makes room again.
async fn fill_and_free(world: &World, disk: &Disk, running: Running) -> anyhow::Result<Running> {
    let said_before = running.stderr().matches("disk is full").count();
    let filler = disk.fill()?;
    let met = wait::until("the settler to meet the full disk", LIMIT, async || {
        Ok((running.stderr().matches("disk is full").count() > said_before).then_some(()))
    });
    met.await.with_context(|| last_lines(&running.stderr()))?;
    pause(AWAY).await;
    ensure!(
        running.ended().is_none(),
        "the settler ended on a full disk:\n{}",
        last_lines(&running.stderr())
    );
    std::fs::remove_file(filler)?;
    let halted = settlement::halted(&mut *world.db.read().await?).await?;
    ensure!(
        halted.is_none(),
        "a full disk halted settlement: {halted:?}"
    );
    Ok(running)
}

/// Without the right to mount: the settler may not make any file longer, which ends it at its next
/// write; another one starts when it may again.
async fn forbid_growth(world: &World, running: Running) -> anyhow::Result<Running> {
    let pid = running.pid().to_string();
    let limited = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=4096:4096"])
        .status();
    ensure!(
        limited.is_ok_and(|status| status.success()),
        "prlimit of util-linux cannot limit process {pid}"
    );
    let ended = wait::until("the settler to meet the limit", LIMIT, async || {
        Ok((running.ended().is_some() || running.stderr().contains("disk")).then_some(()))
    });
    ended.await.with_context(|| last_lines(&running.stderr()))?;
    pause(AWAY).await;
    kill(running);
    world.settler(Start::default())
}

async fn database_restart(times: u32) -> anyhow::Result<Survived> {
    let mut cluster = Cluster::start().await?;
    let plan = Plan {
        database_url: Some(cluster.url()),
        ..Plan::default()
    };
    World::with("restart", plan, async |world| {
        let running = world.settler(Start::default())?;
        let flow = Flow::start(world, 400, 1, 17);
        let (mut checked, mut lost) = (0, 0);
        for _ in 0..times {
            let batches = world.number(FINAL).await?;
            world
                .until_at_least("batches", batches + 2, FINAL, LIMIT)
                .await?;
            let before = keys(world).await?;
            cluster.crash().await?;
            pause(AWAY).await;
            cluster.begin().await?;
            let batches = until_answers(world).await?;
            let again = world
                .until_at_least("settlement to go on", batches + 2, FINAL, LIMIT)
                .await;
            again.context(check::told(world, &running).await)?;
            ensure!(
                running.ended().is_none(),
                "the settler ended with its database"
            );
            checked += before.len();
            lost += before.difference(&keys(world).await?).count();
        }
        Ok(Survived {
            by: "SIGQUIT",
            checked,
            lost,
            batches: rest(world, &flow, running).await?,
        })
    })
    .await
}

/// A connection that broke shows it once; the pool makes new ones.
async fn until_answers(world: &World) -> anyhow::Result<i64> {
    wait::until("the database to answer", LIMIT, async || {
        Ok(world.number(FINAL).await.ok())
    })
    .await
}

async fn rest(world: &Arc<World>, flow: &Flow, running: Running) -> anyhow::Result<u64> {
    let drained = check::drain(world, flow, LIMIT).await;
    drained.context(check::told(world, &running).await)?;
    kill(running);
    Ok(check::invariants(world).await?.batches)
}

async fn keys(world: &World) -> anyhow::Result<BTreeSet<String>> {
    Ok(world.texts(KEYS).await?.into_iter().collect())
}

/// How many connections of a full pool write through to the disk, and how many there are.
async fn power_loss() -> anyhow::Result<(usize, usize)> {
    let folder = scratch::folder("power")?;
    let db = server::db::Db::open_in(folder.path(), None).await?;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(db.read().await?);
    }
    let mut durable = 0;
    for conn in &mut held {
        let level = server::db::testing::numbers(conn, "PRAGMA synchronous").await?;
        let journal = server::db::testing::texts(conn, "PRAGMA journal_mode").await?;
        durable += usize::from(level == [FULL] && journal == ["wal"]);
    }
    Ok((durable, held.len()))
}
