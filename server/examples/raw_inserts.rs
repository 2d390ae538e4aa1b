//! The baseline of the write path: the rows of a database's predictions, inserted again into an
//! empty one by one connection, each with a durable commit of its own. No HTTP, no checks, no
//! signatures, no foreign keys. Prints JSON.
//!
//! `raw_inserts DATA FRESH`: the data folder that has the rows, and an empty folder.

use std::path::Path;

use domain::WallClock;
use server::db::Db;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor, Row};

/// Rows enough for a steady rate.
const ROWS: i64 = 6_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let usage = "usage: raw_inserts DATA FRESH";
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().ok_or(usage)?;
    let fresh = arguments.next().ok_or(usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (rows, us) = runtime.block_on(measure(Path::new(&data), Path::new(&fresh)))?;
    let report = serde_json::json!({
        "rows": rows,
        "raw_insert_per_s": (rows as f64 / (us as f64 / 1e6)).round(),
    });
    #[expect(
        clippy::print_stdout,
        reason = "the report is what this program is for"
    )]
    {
        println!("{report:#}");
    }
    Ok(())
}

async fn measure(data: &Path, fresh: &Path) -> Result<(usize, i64), Failure> {
    let mut from = SqliteConnection::connect(&Db::embedded_url(data)).await?;
    let rows = sqlx::query(
        "SELECT sequence, round_id, model_id, posted_ppm, counted_ppm, ask, received_us, receipt, \
         stake_counted, seal, salt, seal_index, nonce \
         FROM predictions ORDER BY sequence DESC LIMIT $1",
    )
    .bind(ROWS)
    .fetch_all(&mut from)
    .await?;
    // The product's schema.
    Db::open_in(fresh, None).await?.close().await;
    let mut to = SqliteConnection::connect(&Db::embedded_url(fresh)).await?;
    for pragma in [
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = OFF",
    ] {
        to.execute(sqlx::AssertSqlSafe(format!("PRAGMA {pragma}")))
            .await?;
    }
    let clock = WallClock::system();
    let started_us = clock.now_us();
    for row in &rows {
        // Outside of a transaction a statement is one: it returns when the row is on the disk.
        sqlx::query(
            "INSERT INTO predictions (sequence, round_id, model_id, posted_ppm, counted_ppm, ask, \
             received_us, receipt, stake_counted, seal, salt, seal_index, nonce) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(row.try_get::<i64, _>(0)?)
        .bind(row.try_get::<&str, _>(1)?)
        .bind(row.try_get::<&str, _>(2)?)
        .bind(row.try_get::<i64, _>(3)?)
        .bind(row.try_get::<i64, _>(4)?)
        .bind(row.try_get::<i64, _>(5)?)
        .bind(row.try_get::<i64, _>(6)?)
        .bind(row.try_get::<&str, _>(7)?)
        .bind(row.try_get::<i64, _>(8)?)
        .bind(row.try_get::<&str, _>(9)?)
        .bind(row.try_get::<&str, _>(10)?)
        .bind(row.try_get::<i64, _>(11)?)
        .bind(row.try_get::<i64, _>(12)?)
        .execute(&mut to)
        .await?;
    }
    Ok((rows.len(), clock.now_us() - started_us))
}
