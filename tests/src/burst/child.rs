//! The server of a burst, in a process of its own: started, found by its port, killed.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;
use rand::SeedableRng;
use rand::rngs::StdRng;
use server::app::{App, Parts, stop_on_signal};
use server::db::Db;
use server::limits::{LimitSettings, Networks};
use server::predictions::ReceiptSigner;
use server::releases::Releases;
use server::settings::{ServeSettings, market_clock};
use server::{chain, http, jobs};

use crate::process::Running;
use crate::wait;

/// The first word of a command line that asks for the server.
const WORD: &str = "serve-burst";
/// Names the port in the data folder once the server listens.
const PORT_FILE: &str = "port";
const LIMIT: Duration = Duration::from_secs(60);

/// A running server.
pub struct Child {
    running: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Child {
    /// Starts this program again as the server of a data folder and waits until it listens.
    ///
    /// # Errors
    /// When it does not; the message has the end of what it said.
    pub async fn start(data: &Path) -> anyhow::Result<Self> {
        let port = data.join(PORT_FILE);
        std::fs::remove_file(&port).ok();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORD).arg(data).env("RUST_BACKTRACE", "1");
        let running = Running::start(command, data, "server")?;
        let address = wait::until("the server to listen", LIMIT, async || {
            anyhow::ensure!(running.ended().is_none(), "it ended: {}", running.stderr());
            Ok(std::fs::read_to_string(&port)
                .ok()
                .and_then(|text| text.parse().ok()))
        });
        let address = address.await?;
        Ok(Self { running, address })
    }

    /// kill −9; returns when it is gone.
    pub fn kill(self) {
        self.running.signal(Signal::SIGKILL);
        drop(self.running);
    }
}

/// The server, when the command line asks for it.
#[must_use]
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut words = std::env::args().skip(1);
    let (word, data) = (words.next()?, words.next()?);
    (word == WORD).then(|| match serve(Path::new(&data)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            writeln!(std::io::stderr(), "{error:#}").ok();
            ExitCode::FAILURE
        }
    })
}

fn serve(data: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = stop_on_signal()?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let app = app(data, address).await?;
        // Renamed, so that nobody reads half of it.
        let unfinished = data.join("port.new");
        std::fs::write(&unfinished, address.to_string())?;
        std::fs::rename(&unfinished, data.join(PORT_FILE))?;
        if app.deployment.is_some() {
            tokio::spawn(jobs::run_deadlines(Arc::clone(&app), stop.clone()));
        }
        http::serve(app, listener, stop).await
    })
}

async fn app(data: &Path, listen: SocketAddr) -> anyhow::Result<Arc<App>> {
    let db = Db::open_in(data, None).await?;
    let deployment = chain::deployment(&mut *db.read().await?).await?;
    let receipts = ReceiptSigner::from_secret(&[7; 32], 31_337, alloy::primitives::Address::ZERO);
    Ok(App::new(Parts {
        db,
        market: market_clock(data)?,
        settings: ServeSettings {
            data_dir: data.to_path_buf(),
            record_dir: data.join("record"),
            listen,
            rpc_url: None,
            is_replay: true,
            replay_end_us: None,
            chain_poll: Duration::from_secs(1),
            replicated_ppm: 0,
            limits: LimitSettings::off(),
            trusted_proxies: Networks::default(),
            runner: None,
            heartbeat: Duration::from_secs(15),
            webhooks_to_private: false,
        },
        releases: Releases::open(data, None).context("the folder of the datasets")?,
        receipts: receipts?,
        deployment,
        feeds: None,
        entropy: StdRng::from_seed([9; 32]),
    }))
}
