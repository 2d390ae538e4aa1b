//! Watches the demo, tells how far it is, withdraws a stake, and ends it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use domain::TokenAmount;
use domain::timestamp::{SECOND_US, rfc3339};
use tokio_util::sync::CancellationToken;

use super::DemoArgs;
use super::folder::Folder;
use super::report::{self, Elapsed, Reconciliation, Tally, Withdrawal};
use super::withdrawal::Leaving;
use super::world::World;
use crate::settlement::{self, SettlementError};
use crate::wall::pause;

/// Between two looks, wall time.
const LOOK: Duration = Duration::from_millis(200);
/// After the last round the ledger and the chain agree by then, wall time.
const RECONCILE_PATIENCE: Duration = Duration::from_secs(20);
/// Between two comparisons, wall time.
const RECONCILE_LOOK: Duration = Duration::from_millis(40);

/// Tells people something; results go to standard output.
pub(super) fn say(text: &str) {
    writeln!(std::io::stderr(), "demo: {text}").ok();
}

/// Runs the bots and watches until the demo is done or `stop`.
pub(super) async fn run(
    args: &DemoArgs,
    folder: &Folder,
    mut world: World,
    began_us: i64,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    for (bot, models) in std::mem::take(&mut world.participants.bots) {
        tokio::spawn(bot.run(models, world.background()));
    }
    say(&format!(
        "rounds run at {} (speed {})",
        world.server,
        args.speed()
    ));
    let watched = watch(args, folder, &mut world, began_us, stop).await;
    folder.save_market_us(world.market.now_us())?;
    let stopped = world.stop().await;
    watched.and(stopped)
}

async fn watch(
    args: &DemoArgs,
    folder: &Folder,
    world: &mut World,
    began_us: i64,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let mut run = Run {
        began_us,
        first_settled: None,
    };
    let mut tally = Tally::default();
    let mut leaving = Leaving::new(world).await?;
    let mut told = Told::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                finish(args, world, &leaving, &run).await?;
                return interrupted(args, &tally, told.done);
            }
            () = pause(LOOK) => {}
        }
        world.must_run()?;
        folder.save_market_us(world.market.now_us())?;
        leaving.step(world).await?;
        let mut conn = world.db.read().await?;
        tally.update(&mut conn).await?;
        let accepted = settlement::accepted_count(&mut conn).await?;
        drop(conn);
        if tally.settled > 0 && run.first_settled.is_none() {
            run.first_settled = Some(run.elapsed(world).seconds);
        }
        if accepted != told.accepted {
            told.accepted = accepted;
            write_json(args, world, &leaving, &run, None).await?;
        }
        told.say(args, world, &tally);
        let enough = args
            .wanted_rounds()
            .is_some_and(|wanted| tally.settled >= wanted);
        if enough && leaving.paid().is_some() && !told.done {
            told.done = true;
            finish(args, world, &leaving, &run).await?;
            if args.headless {
                return Ok(());
            }
            say(&format!(
                "the rounds are settled; still serving at {} until Ctrl-C",
                world.server
            ));
        }
    }
}

/// A headless run that was asked for rounds must not look as if it had settled them.
fn interrupted(args: &DemoArgs, tally: &Tally, is_done: bool) -> anyhow::Result<()> {
    let wanted = args.wanted_rounds().filter(|_| args.headless && !is_done);
    match wanted {
        Some(wanted) => {
            anyhow::bail!("interrupted after {} of {wanted} rounds", tally.settled)
        }
        None => Ok(()),
    }
}

/// The times of this run.
struct Run {
    began_us: i64,
    first_settled: Option<f64>,
}

impl Run {
    fn elapsed(&self, world: &World) -> Elapsed {
        let seconds = seconds(world.market.wall().now_us() - self.began_us);
        Elapsed {
            seconds,
            first_settled: self.first_settled,
        }
    }
}

/// What was said last, so that only news is said.
#[derive(Default)]
struct Told {
    accepted: i64,
    ended: usize,
    done: bool,
    over: bool,
}

impl Told {
    fn say(&mut self, args: &DemoArgs, world: &World, tally: &Tally) {
        let ended = tally.settled + tally.thin + tally.void;
        let now_us = world.market.now_us();
        if ended != self.ended {
            self.ended = ended;
            let wanted = args
                .wanted_rounds()
                .map_or_else(String::new, |n| format!(" of {n}"));
            say(&format!(
                "{}: {}{wanted} rounds settled, {} void, {} thin, {} batches",
                rfc3339(now_us / SECOND_US * SECOND_US),
                tally.settled,
                tally.void,
                tally.thin,
                self.accepted
            ));
        }
        if !self.over && !args.live && now_us >= datasets::split::Part::Replay.to_us() {
            self.over = true;
            say(&format!(
                "the recording has ended; still serving at {}",
                world.server
            ));
        }
    }
}

/// Compares ledger and chain, writes the file, prints the table.
async fn finish(
    args: &DemoArgs,
    world: &World,
    leaving: &Leaving,
    run: &Run,
) -> anyhow::Result<()> {
    let reconciliation = reconcile(world).await?;
    let is_equal = reconciliation.equal;
    let report = write_json(args, world, leaving, run, Some(reconciliation)).await?;
    let mut conn = world.db.read().await?;
    let times = report::stage_times(&mut conn).await?;
    let table = format!("{}{times}", report::table(&report));
    if is_standard_output(args) {
        writeln!(std::io::stderr(), "{table}").ok();
        say_result(&report.json()?)?;
    } else {
        say_result(&table)?;
    }
    anyhow::ensure!(is_equal, "ledger and chain differ: settlement is halted");
    Ok(())
}

async fn write_json(
    args: &DemoArgs,
    world: &World,
    leaving: &Leaving,
    run: &Run,
    reconciliation: Option<Reconciliation>,
) -> anyhow::Result<report::Report> {
    let mut conn = world.db.read().await?;
    let paid: Option<Withdrawal> = leaving.paid().cloned();
    let report = report::collect(&mut conn, paid, reconciliation, run.elapsed(world)).await?;
    if let Some(path) = args.json.as_ref().filter(|_| !is_standard_output(args)) {
        report::write(path, &report)?;
    }
    Ok(report)
}

/// `--json -`: JSON alone on standard output, at the end.
fn is_standard_output(args: &DemoArgs) -> bool {
    args.json.as_deref() == Some(Path::new("-"))
}

fn say_result(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Blocks come while the two are read, and the follower may be a few behind a payment: a comparison
/// that was overtaken, or a difference, is looked at again.
async fn reconcile(world: &World) -> anyhow::Result<Reconciliation> {
    let mut last = Err(anyhow::anyhow!("ledger and chain could not be compared"));
    for _ in 0..RECONCILE_PATIENCE.as_millis() / RECONCILE_LOOK.as_millis() {
        match settlement::compare(&world.db, &world.chain, &world.deployment).await {
            Ok(seen) => {
                let (ledger, chain) = (seen.ledger.to_string(), seen.chain.to_string());
                let found = Reconciliation {
                    ledger,
                    chain,
                    equal: seen.equal,
                };
                if found.equal {
                    return Ok(found);
                }
                last = Ok(found);
            }
            Err(error @ SettlementError::Differs(_)) => last = Err(error.into()),
            Err(error) => return Err(error.into()),
        }
        pause(RECONCILE_LOOK).await;
    }
    last
}

#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn seconds(us: i64) -> f64 {
    (us as f64 / 1e3).round() / 1e3
}

/// What the leaver asks for, tokens: a part of the stake, so that the model goes on.
pub(super) fn leaving_amount() -> anyhow::Result<TokenAmount> {
    Ok(TokenAmount::from_tokens("1000")?)
}
