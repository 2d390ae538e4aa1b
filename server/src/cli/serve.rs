//! `foretoken serve`: the API, the pages, the timetable, the follower of the chain.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::Origin;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng, TryRng};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::dataset::DatasetStoreArgs;
use super::limit_args::LimitArgs;
use super::{DataArgs, Ended, refuse};
use crate::api;
use crate::app::{App, Parts, stop_on_signal};
use crate::chain::{self, Chain};
use crate::jobs::{
    self, apply_chain_events, calendar, deliver_webhooks, diagnose_model, publish_dataset,
};
use crate::predictions::{self, ReceiptSigner};
use crate::prices::feeds::live::LiveFeeds;
use crate::prices::feeds::live::board::Board;
use crate::prices::feeds::live::settings::FeedSettings;
use crate::prices::feeds::replay::{self, Replay};
use crate::releases::Releases;
use crate::settings::{ServeSettings, frames_folder, market_clock, runner_beside};
use crate::{http, rounds, settlement};

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    data: DataArgs,
    /// Address of the API and the pages
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// JSON-RPC address of the chain
    #[arg(long, value_name = "URL", env = "FORETOKEN_RPC")]
    rpc: String,
    /// Folder of the public record, served under /record/ [default: `record` in the data folder]
    #[arg(long, value_name = "DIR", env = "FORETOKEN_RECORD")]
    record: Option<PathBuf>,
    #[command(flatten)]
    datasets: DatasetStoreArgs,
    /// Play the bundled candles as prices; the market clock is the data folder's clock.json
    #[arg(long, conflicts_with = "feeds")]
    replay: bool,
    /// Which venues to follow and where they are, TOML [default: Binance, Coinbase and Kraken]
    #[arg(long, value_name = "FILE", env = "FORETOKEN_FEEDS")]
    feeds: Option<PathBuf>,
    /// Percent of a round's hosted models that run on two runners, one model at least; 0: none
    #[arg(long, value_name = "PERCENT", env = "FORETOKEN_REPLICATED", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(0..=100))]
    replicated: u32,
    /// The runner's executable, for `POST /api/v1/check`; else the one beside this
    #[arg(long, value_name = "PATH")]
    runner: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Let webhooks be at private addresses and without TLS, for trying them out
    #[arg(long)]
    webhooks_to_private: bool,
}

/// A stream of events says so often that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn run(args: ServeArgs) -> anyhow::Result<Ended> {
    let stop = stop_on_signal()?;
    let feeds = match (args.replay, &args.feeds) {
        (true, _) => None,
        (false, named) => match feed_settings(named.as_deref())? {
            Ok(settings) => Some(settings),
            Err(why) => return Ok(refuse(&why)),
        },
    };
    let limits = match args.limits.settings()? {
        Ok(settings) => settings,
        Err(why) => return Ok(refuse(&why)),
    };
    let listener = listen(args.listen).await?;
    api::metrics::install()?;
    let db = args.data.open().await?;
    let market = market_clock(&args.data.data)?;
    let (chain, deployment) = connect(&db, &args.rpc).await?;
    settlement::warn_of_misfits(&mut *db.read().await?, &deployment).await?;
    let recording = args.replay.then(recording).transpose()?;
    // A round whose evidence would need prices beyond the recording is not made.
    let replay_end_us = recording.as_ref().map(Replay::end_us);
    let settings = ServeSettings {
        data_dir: args.data.data.clone(),
        record_dir: args.data.record_dir(args.record),
        listen: listener.local_addr()?,
        rpc_url: Some(args.rpc.clone()),
        is_replay: args.replay,
        replay_end_us,
        chain_poll: chain_poll(market.speed()),
        replicated_ppm: args.replicated * 10_000,
        runner: checking_runner(args.runner.as_deref())?,
        limits,
        trusted_proxies: args.limits.trusted_proxies(),
        heartbeat: HEARTBEAT,
        webhooks_to_private: args.webhooks_to_private,
    };
    let releases = Releases::open(&args.data.data, args.datasets.url())?;
    let secret = receipt_secret(&args.data.data)?;
    let receipts = ReceiptSigner::from_secret(&secret, deployment.chain_id, deployment.registry)?;
    let mut tx = db.begin().await?;
    predictions::remember_signer(&mut tx, receipts.address()).await?;
    tx.commit().await?;
    let mut entropy = StdRng::try_from_rng(&mut SysRng)?;
    let feeds = feeds.map(|settings| {
        LiveFeeds::new(settings, &frames_folder(&args.data.data), entropy.random())
    });
    if let Some(feeds) = &feeds {
        warn_of_unfollowed(&db, &feeds.board()).await?;
    }
    if let Some(recording) = &recording {
        replay::catch_up(&db, recording, market.now_us()).await?;
    }
    let app = App::new(Parts {
        db,
        market,
        settings,
        releases,
        receipts,
        deployment: Some(deployment),
        feeds: feeds.as_ref().map(LiveFeeds::board),
        entropy,
    });
    let source = match (recording, feeds) {
        (Some(recording), _) => Source::Replay(recording),
        (None, Some(feeds)) => Source::Live(feeds),
        (None, None) => Source::None,
    };
    serve(app, chain, source, listener, stop).await
}

/// Rounds on a source that no feeds file describes are void, one and all.
async fn warn_of_unfollowed(db: &crate::db::Db, board: &Board) -> anyhow::Result<()> {
    for entered in rounds::tournaments(&mut *db.read().await?).await? {
        let sources = entered.tournament.venues.iter().filter_map(Origin::source);
        for source in sources.filter(|source| !board.sources().follows(source)) {
            let tournament = &entered.tournament.id;
            tracing::error!(%tournament, %source, "the feeds file (--feeds) describes no such source: every round will be void");
        }
    }
    Ok(())
}

/// Where prices come from.
enum Source {
    Replay(Replay),
    Live(LiveFeeds),
    None,
}

/// Runs every part until the first ends or `stop`.
async fn serve(
    app: Arc<App>,
    chain: Chain,
    source: Source,
    listener: TcpListener,
    stop: CancellationToken,
) -> anyhow::Result<Ended> {
    let mut scheduler = calendar::start(&app).await?;
    let mut parts = JoinSet::new();
    let (db, poll) = (app.db.clone(), app.settings.chain_poll);
    let deployment = app.deployment.clone().context("no contracts")?;
    let token = stop.clone();
    parts.spawn(async move {
        let followed = chain::follower::follow(db, chain, deployment, poll, token).await;
        followed.context("the chain cannot be followed")
    });
    let (shared, token) = (Arc::clone(&app), stop.clone());
    parts.spawn(async move {
        apply_chain_events::run(shared, token).await;
        Ok(())
    });
    let (shared, token) = (Arc::clone(&app), stop.clone());
    parts.spawn(async move {
        jobs::run_deadlines(shared, token).await;
        Ok(())
    });
    tell(&mut parts, &app, &stop);
    let (shared, token) = (Arc::clone(&app), stop.clone());
    match source {
        Source::Replay(recording) => {
            parts.spawn(async move { play(&shared, &recording, token).await });
        }
        Source::Live(feeds) => {
            let (db, clock) = (app.db.clone(), app.market.clone());
            parts.spawn(async move { feeds.run(db, clock, token).await });
        }
        Source::None => {}
    }
    let (shared, token) = (Arc::clone(&app), stop.clone());
    parts.spawn(async move {
        publish_dataset::run(shared, token).await;
        Ok(())
    });
    let (shared, token) = (Arc::clone(&app), stop.clone());
    parts.spawn(async move {
        diagnose_model::run(shared, token).await;
        Ok(())
    });
    let (shared, token) = (Arc::clone(&app), stop.clone());
    parts.spawn(async move {
        tracing::info!(address = %shared.settings.listen, "serving");
        http::serve(shared, listener, token).await
    });
    let stopped = tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(ended) = parts.join_next() => ended?,
    };
    app.stop.cancel();
    stop.cancel();
    while parts.join_next().await.is_some() {}
    scheduler.shutdown().await.ok();
    app.db.close().await;
    stopped.map(|()| Ended::Done)
}

/// Tells listeners and webhooks what happens.
fn tell(parts: &mut JoinSet<anyhow::Result<()>>, app: &Arc<App>, stop: &CancellationToken) {
    let (shared, token) = (Arc::clone(app), stop.clone());
    parts.spawn(async move {
        shared.events.run(&shared.db, token).await;
        Ok(())
    });
    let (shared, token) = (Arc::clone(app), stop.clone());
    parts.spawn(async move {
        deliver_webhooks::run(shared, token).await;
        Ok(())
    });
}

async fn play(app: &App, recording: &Replay, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        played = replay::run(&app.db, &app.market, recording, i64::MAX) => played?,
    }
    stop.cancelled().await;
    Ok(())
}

/// The feeds file, or why it is refused.
fn feed_settings(named: Option<&Path>) -> anyhow::Result<Result<FeedSettings, String>> {
    let Some(path) = named else {
        return Ok(FeedSettings::public_venues());
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(FeedSettings::parse(&text).map_err(|why| format!("{}: {why}", path.display())))
}

/// The runner that checks files for anybody. Who names one means it; without one the server serves
/// all the rest.
fn checking_runner(named: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    match runner_beside(named) {
        Ok(runner) => Ok(Some(runner)),
        Err(error) if named.is_some() => Err(error),
        Err(error) => {
            tracing::warn!("POST /api/v1/check answers 503: {error}");
            Ok(None)
        }
    }
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: if the port is in use, choose another with --listen IP:PORT (demo: --port P)")
    })
}

async fn connect(db: &crate::db::Db, rpc: &str) -> anyhow::Result<(Chain, chain::Deployment)> {
    let mut conn = db.read().await?;
    let deployment = chain::deployment(&mut conn).await?.context(
        "this database knows no contracts: `foretoken demo` deploys them on a development chain",
    )?;
    let chain = chain::connect(rpc)
        .await
        .with_context(|| format!("the chain at {rpc} does not answer"))?;
    Ok((chain, deployment))
}

fn recording() -> anyhow::Result<Replay> {
    let history = datasets::bundled::candles()?;
    Ok(Replay::new(
        vec![history.btc, history.eth],
        domain::Venue::ALL.to_vec(),
    ))
}

/// Often enough for the chain's pace at a replay's speed; a second when live.
fn chain_poll(speed: f64) -> Duration {
    Duration::from_secs_f64((3.0 / speed).clamp(0.03, 1.0))
}

/// The key that signs receipts: 32 secret bytes in the data folder, made once.
fn receipt_secret(data: &Path) -> anyhow::Result<[u8; 32]> {
    let folder = data.join("keys");
    let path = folder.join("receipt.key");
    std::fs::create_dir_all(&folder)?;
    if !path.is_file() {
        let mut fresh = [0_u8; 32];
        SysRng.try_fill_bytes(&mut fresh)?;
        crate::settings::write_secret(&path, &hex::encode(fresh))?;
    }
    let text = std::fs::read_to_string(&path)?;
    let bytes =
        hex::decode(text.trim()).with_context(|| format!("{} is no key", path.display()))?;
    <[u8; 32]>::try_from(bytes).map_err(|_| anyhow::anyhow!("{} is not 32 bytes", path.display()))
}
