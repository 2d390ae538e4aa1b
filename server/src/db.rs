//! The database: one pool, one way to begin a writing transaction, a table of small facts.
//!
//! SQLite (WAL, synchronous=FULL) is the embedded default, PostgreSQL the other; one SQL text
//! serves both inside the rules of `sqlx::Any` (migrations/README.md). Slices get connections and
//! transactions from their callers and never a pool.

#[cfg(debug_assertions)]
pub mod testing;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Row, Transaction};

/// Connections of one process.
const MOST_CONNECTIONS: u32 = 8;

/// What every verb reads and writes through.
pub type Conn = AnyConnection;
/// A writing transaction; whoever began it commits it.
pub type Tx = Transaction<'static, Any>;

/// The pool and its dialect.
#[derive(Clone, Debug)]
pub struct Db {
    pool: AnyPool,
    is_sqlite: bool,
}

impl Db {
    /// Opens `url` (`sqlite:///path?mode=rwc` or `postgres://…`) and applies the migrations.
    ///
    /// # Errors
    /// When the database cannot be reached or a migration fails.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let is_sqlite = url.starts_with("sqlite:");
        let pool = AnyPoolOptions::new()
            .max_connections(MOST_CONNECTIONS)
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |conn, _| {
                Box::pin(async move {
                    if is_sqlite {
                        // The URL cannot ask for these; FULL makes a commit survive a power loss.
                        conn.execute("PRAGMA busy_timeout = 20000").await?;
                        conn.execute("PRAGMA journal_mode = WAL").await?;
                        conn.execute("PRAGMA synchronous = FULL").await?;
                        conn.execute("PRAGMA foreign_keys = ON").await?;
                    }
                    Ok(())
                })
            })
            .before_acquire(|conn, _| {
                // A commit that fails on a full disk ends SQLite's transaction and not the driver's
                // count of it: such a connection would refuse every later transaction.
                Box::pin(async move { Ok(!conn.is_in_transaction()) })
            })
            .connect(url)
            .await?;
        let db = Self { pool, is_sqlite };
        sqlx::migrate!("../migrations").run(&db.pool).await?;
        Ok(db)
    }

    /// Opens the database of a data directory, or the one that `url` names.
    ///
    /// # Errors
    /// Names the folder or database that cannot be had.
    pub async fn open_in(data: &Path, url: Option<&str>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| {
            format!(
                "cannot make the data folder {}: name another with --data",
                data.display()
            )
        })?;
        let url = url.map_or_else(|| Self::embedded_url(data), str::to_owned);
        Self::open(&url).await.with_context(|| {
            let what = if url.starts_with("sqlite") {
                &url
            } else {
                "the one of DATABASE_URL"
            };
            format!("cannot open the database ({what})")
        })
    }

    /// The URL of the embedded database in a data directory.
    #[must_use]
    pub fn embedded_url(data_dir: &Path) -> String {
        format!(
            "sqlite://{}?mode=rwc",
            data_dir.join("foretoken.sqlite").display()
        )
    }

    /// Begins a writing transaction. On SQLite it takes the write lock at once: a deferred
    /// transaction that reads before it writes fails under contention whatever the busy timeout.
    ///
    /// # Errors
    /// When no connection or lock is to be had.
    pub async fn begin(&self) -> Result<Tx, sqlx::Error> {
        if self.is_sqlite {
            self.pool.begin_with("BEGIN IMMEDIATE").await
        } else {
            self.pool.begin().await
        }
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn read(&self) -> Result<PoolConnection<Any>, sqlx::Error> {
        self.pool.acquire().await
    }

    /// Whether this is the embedded database.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.is_sqlite
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// The fact `name`, if it was ever set.
///
/// # Errors
/// Database errors.
pub async fn fact(conn: &mut Conn, name: &str) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::query("SELECT value FROM facts WHERE name = $1")
        .bind(name)
        .fetch_optional(conn)
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Sets the fact `name`.
///
/// # Errors
/// Database errors.
pub async fn set_fact(conn: &mut Conn, name: &str, value: &str) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(conn)
    .await?;
    Ok(())
}

/// `(VALUES ($1, $2), ($3, $4)) AS wanted`: pairs to look up, columns `column1` and `column2`. To be
/// joined with `CROSS JOIN`, which makes SQLite look up each pair; `(a, b) IN (VALUES …)` scans.
#[must_use]
pub fn wanted_pairs(pairs: usize) -> String {
    format!("(VALUES {}) AS wanted", placeholders(pairs, 2))
}

/// `($1, $2), ($3, $4)`: placeholders of a multi-row insert, numbered as PostgreSQL wants them.
#[must_use]
pub fn placeholders(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let numbers: Vec<String> = (1..=columns)
            .map(|column| format!("${}", row * columns + column))
            .collect();
        format!("({})", numbers.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// Ids or rows of one statement at most; sixteen columns each stay under SQLite's 32,766
/// placeholders.
const MOST_IN_STATEMENT: usize = 256;
/// How many ids or rows a statement may have: few lengths, so that its texts stay prepared.
const LENGTHS: [usize; 5] = [1, 4, 16, 64, MOST_IN_STATEMENT];

/// Cuts rows into pieces, each one insert; their lengths are few.
#[must_use]
pub fn pieces<T>(rows: &[T]) -> Vec<&[T]> {
    let mut pieces = Vec::new();
    let mut rest = rows;
    for length in LENGTHS.into_iter().rev() {
        while let Some((piece, after)) = rest.split_at_checked(length) {
            pieces.push(piece);
            rest = after;
        }
    }
    pieces
}

/// Cuts what is asked for into questions, each one query. A question repeats some of its own to
/// have one of few lengths: for conditions that a repetition does not change.
#[must_use]
pub fn questions<T>(asked: &[T]) -> Vec<Vec<&T>> {
    let length = |chunk: &[T]| {
        let longer = LENGTHS.into_iter().find(|length| *length >= chunk.len());
        longer.unwrap_or(chunk.len())
    };
    asked
        .chunks(MOST_IN_STATEMENT)
        .map(|chunk| chunk.iter().cycle().take(length(chunk)).collect())
        .collect()
}
