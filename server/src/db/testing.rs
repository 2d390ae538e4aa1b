//! Databases for tests: every test its own, on both kinds.
//!
//! SQLite lives in a temporary folder. PostgreSQL is one cluster a test process, started on the
//! first call by a thread that lives as long as the process, so that the cluster ends with it.

use std::future::Future;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use super::{Conn, Db};

/// Runs `test` once on a fresh SQLite database and once on a fresh PostgreSQL database.
///
/// # Panics
/// When the test does, or a database cannot be had; the message says which set-up is missing.
pub async fn each_database<F, Fut>(test: F)
where
    F: Fn(Db) -> Fut,
    Fut: Future<Output = ()>,
{
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sqlite = Db::open(&Db::embedded_url(folder.path()))
        .await
        .expect("SQLite opens");
    test(sqlite.clone()).await;
    sqlite.close().await;
    let postgres = Db::open(&postgres_url().await)
        .await
        .expect("PostgreSQL opens");
    test(postgres.clone()).await;
    postgres.close().await;
}

/// A fresh SQLite database and the folder that holds it.
///
/// # Panics
/// When it cannot be made.
pub async fn sqlite() -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = Db::open(&Db::embedded_url(folder.path()))
        .await
        .expect("SQLite opens");
    (db, folder)
}

/// The URL of a fresh, empty PostgreSQL database in this process's cluster.
///
/// # Panics
/// When PostgreSQL is missing or does not start.
pub async fn postgres_url() -> String {
    static CLUSTER: OnceLock<u16> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let port = *CLUSTER.get_or_init(start_cluster);
    let root = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let mut conn = connect_when_up(&root).await;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::SeqCst));
    conn.execute(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .await
        .expect("CREATE DATABASE");
    format!("postgres://postgres@127.0.0.1:{port}/{name}")
}

/// The port listens a moment before the server takes connections.
async fn connect_when_up(url: &str) -> sqlx::postgres::PgConnection {
    for _ in 0..600 {
        match sqlx::postgres::PgConnection::connect(url).await {
            Ok(conn) => return conn,
            // 57P03: the database system is starting up.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => {
                crate::wall::pause(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("PostgreSQL does not answer: {error}"),
        }
    }
    panic!("PostgreSQL is starting up for half a minute");
}

/// Runs one statement that no verb offers: what a fault does to a database. Gives the rows changed.
///
/// # Errors
/// Database errors.
pub async fn change(conn: &mut Conn, sql: &str) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(conn)
        .await?;
    Ok(done.rows_affected())
}

/// The first column of a query, as integers.
///
/// # Errors
/// Database errors, and a column that holds something else.
pub async fn numbers(conn: &mut Conn, sql: &str) -> Result<Vec<i64>, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// The first column of a query, as texts.
///
/// # Errors
/// Database errors, and a column that holds something else.
pub async fn texts(conn: &mut Conn, sql: &str) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

fn start_cluster() -> u16 {
    let (ready, started) = mpsc::channel();
    std::thread::Builder::new()
        .name("postgres".into())
        .spawn(move || run_cluster(&ready))
        .expect("a thread starts");
    started
        .recv_timeout(Duration::from_secs(60))
        .expect("PostgreSQL did not start within a minute")
}

/// Holds the cluster: the death signal of a child fires when the thread that made it ends.
fn run_cluster(ready: &mpsc::Sender<u16>) {
    let folder = std::env::temp_dir().join(format!("foretoken-postgres-{}", std::process::id()));
    forget_dead_clusters();
    std::fs::create_dir_all(&folder).expect("the cluster's folder");
    let user = cluster_user();
    if let Some((uid, gid)) = user {
        std::os::unix::fs::chown(&folder, Some(uid), Some(gid)).expect("chown of the folder");
    }
    let data = folder.join("data");
    let made = as_user(&mut Command::new(program("initdb")), user)
        .args([
            "-A",
            "trust",
            "-U",
            "postgres",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale",
            "C",
            "-D",
        ])
        .arg(&data)
        .current_dir(&folder)
        .stdout(Stdio::null())
        .status()
        .expect("initdb starts");
    assert!(made.success(), "initdb failed with {made}");
    let port = free_port();
    let mut command = Command::new(program("postgres"));
    command
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string()])
        .current_dir(&folder);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "max_connections=300",
        "log_min_messages=fatal",
    ] {
        command.args(["-c", setting]);
    }
    let parent = std::process::id();
    #[expect(
        unsafe_code,
        reason = "pre_exec is how a child learns to die with its parent"
    )]
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory of the parent.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT);
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(std::io::Error::other("the parent is gone"));
            }
            Ok(())
        });
    }
    let mut child = as_user(&mut command, user)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("postgres starts");
    wait_until_it_listens(port, &mut child);
    if ready.send(port).is_ok() {
        child.wait().ok();
    }
}

fn wait_until_it_listens(port: u16, child: &mut std::process::Child) {
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        if let Ok(Some(status)) = child.try_wait() {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                stderr.read_to_string(&mut said).ok();
            }
            panic!("postgres ended with {status}: {said}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("postgres does not listen on port {port}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// PostgreSQL refuses to run as root: then its files belong to Debian's user of that name.
fn cluster_user() -> Option<(u32, u32)> {
    if !nix::unistd::Uid::effective().is_root() {
        return None;
    }
    let user = nix::unistd::User::from_name("postgres").ok().flatten();
    let user = user.expect("user `postgres` is missing: run `cargo xtask setup tests`");
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

fn program(name: &str) -> PathBuf {
    let debian = Path::new("/usr/lib/postgresql/15/bin").join(name);
    let named =
        std::env::var_os("FORETOKEN_POSTGRES_BIN").map(|folder| Path::new(&folder).join(name));
    let found = named
        .into_iter()
        .chain([debian])
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} of PostgreSQL 15 is missing: run `cargo xtask setup tests` or set FORETOKEN_POSTGRES_BIN")
    })
}

/// Removes the folders of clusters whose process is gone.
fn forget_dead_clusters() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .and_then(|name| name.strip_prefix("foretoken-postgres-"))
        else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists() {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}
