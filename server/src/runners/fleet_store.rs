//! All SQL of `runner_fleet`.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::fleet::{Benchmark, CPU_PROFILE, Machine, Member, Pulse, Record};
use super::reputation::START_PPM;
use super::store::seen;
use crate::db::Conn;

const MEMBERS: &str = "SELECT r.name, r.account_id, r.version, r.runtime, r.sandbox, r.seen_us,
        f.device, f.profile, f.cores, f.memory_mb, f.workers, f.tree_us, f.dense_us, f.rate_milli,
        f.registered_us, f.beat_us, f.free_workers, f.load_milli, f.is_draining,
        f.drain_asked_us, f.on_time, f.missed, f.disagreed, f.reputation_ppm, f.reputation_us
    FROM runners r JOIN runner_fleet f ON f.name = r.name";

/// A row for a runner that has none: one worker of the slowest kind, in the middle of reputation.
pub(super) async fn ensure(conn: &mut Conn, name: &str, wall_us: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO runner_fleet (name, device, profile, cores, memory_mb, workers, tree_us,
             dense_us, rate_milli, registered_us, beat_us, free_workers, load_milli, is_draining,
             drain_asked_us, on_time, missed, disagreed, reputation_ppm, reputation_us)
         VALUES ($1, 'cpu', $2, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, $3, $4)
         ON CONFLICT DO NOTHING",
    )
    .bind(name)
    .bind(CPU_PROFILE)
    .bind(START_PPM)
    .bind(wall_us)
    .execute(conn)
    .await?;
    Ok(())
}

/// A runner that registers begins with every worker free; it drains no more by itself.
pub(super) async fn set_machine(
    conn: &mut Conn,
    name: &str,
    machine: &Machine,
    wall_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_fleet SET device = $1, profile = $2, cores = $3, memory_mb = $4,
             workers = $5, tree_us = $6, dense_us = $7, rate_milli = $8, registered_us = $9,
             beat_us = $9, free_workers = $5, load_milli = 0, is_draining = 0
         WHERE name = $10",
    )
    .bind(&machine.device)
    .bind(&machine.profile)
    .bind(machine.cores)
    .bind(machine.memory_mb)
    .bind(machine.workers)
    .bind(machine.benchmark.tree_us)
    .bind(machine.benchmark.dense_us)
    .bind(machine.benchmark.rate_milli)
    .bind(wall_us)
    .bind(name)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn set_pulse(
    conn: &mut Conn,
    name: &str,
    pulse: Pulse,
    wall_us: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_fleet SET beat_us = $1, free_workers = $2, load_milli = $3,
             is_draining = $4 WHERE name = $5",
    )
    .bind(wall_us)
    .bind(pulse.free_workers)
    .bind(pulse.load_milli)
    .bind(i64::from(pulse.is_draining))
    .bind(name)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether there is such a runner.
pub(super) async fn set_drain(
    conn: &mut Conn,
    name: &str,
    since_us: i64,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query("UPDATE runner_fleet SET drain_asked_us = $1 WHERE name = $2")
        .bind(since_us)
        .bind(name)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn set_record(
    conn: &mut Conn,
    name: &str,
    record: Record,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE runner_fleet SET on_time = $1, missed = $2, disagreed = $3, reputation_ppm = $4,
             reputation_us = $5 WHERE name = $6",
    )
    .bind(record.on_time)
    .bind(record.missed)
    .bind(record.disagreed)
    .bind(record.reputation_ppm)
    .bind(record.reputation_us)
    .bind(name)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn members(conn: &mut Conn) -> Result<Vec<Member>, sqlx::Error> {
    let text = format!("{MEMBERS} ORDER BY r.name LIMIT 1000");
    let rows = sqlx::query(AssertSqlSafe(text)).fetch_all(conn).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn member(conn: &mut Conn, name: &str) -> Result<Option<Member>, sqlx::Error> {
    let text = format!("{MEMBERS} WHERE r.name = $1");
    let row = sqlx::query(AssertSqlSafe(text))
        .bind(name)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(read).transpose()
}

fn read(row: &AnyRow) -> Result<Member, sqlx::Error> {
    let (runner, seen_us) = seen(row)?;
    Ok(Member {
        runner,
        seen_us,
        machine: Machine {
            device: row.try_get("device")?,
            profile: row.try_get("profile")?,
            cores: row.try_get("cores")?,
            memory_mb: row.try_get("memory_mb")?,
            workers: row.try_get("workers")?,
            benchmark: Benchmark {
                tree_us: row.try_get("tree_us")?,
                dense_us: row.try_get("dense_us")?,
                rate_milli: row.try_get("rate_milli")?,
            },
        },
        registered_us: row.try_get("registered_us")?,
        pulse: Pulse {
            free_workers: row.try_get("free_workers")?,
            load_milli: row.try_get("load_milli")?,
            is_draining: row.try_get::<i64, _>("is_draining")? != 0,
        },
        beat_us: row.try_get("beat_us")?,
        drain_asked_us: row.try_get("drain_asked_us")?,
        record: Record {
            on_time: row.try_get("on_time")?,
            missed: row.try_get("missed")?,
            disagreed: row.try_get("disagreed")?,
            reputation_ppm: row.try_get("reputation_ppm")?,
            reputation_us: row.try_get("reputation_us")?,
        },
    })
}
