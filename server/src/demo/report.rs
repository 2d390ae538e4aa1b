//! What the demo tells: the JSON file, rewritten whole after each accepted batch, and the table.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use domain::timestamp::rfc3339;
use domain::{Delta, ModelId, Outcome, RoundId, RoundState, TokenAmount};
use serde::{Deserialize, Serialize};

use crate::db::Conn;
use crate::models::{self, Model};
use crate::rounds::{self, Round, RoundFilter};
use crate::settlement::{self, Payout};
use crate::{predictions, prices};

/// The whole file.
#[derive(Serialize)]
pub(super) struct Report {
    rounds: Vec<RoundReport>,
    batches: Vec<BatchReport>,
    withdrawal: Option<Withdrawal>,
    reconciliation: Option<Reconciliation>,
    elapsed_seconds: f64,
    /// From the start of the command to the first round that was settled on chain (P9).
    first_settled_seconds: Option<f64>,
}

/// When this run began and when its first round was settled, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Elapsed {
    pub(super) seconds: f64,
    pub(super) first_settled: Option<f64>,
}

#[derive(Serialize)]
#[expect(non_snake_case, reason = "W and P are the protocol's names")]
struct RoundReport {
    id: String,
    tournament: String,
    opens_at: String,
    locks_at: String,
    p0: Option<String>,
    p1: Option<String>,
    outcome: &'static str,
    thin: bool,
    void_reason: Option<String>,
    a: u32,
    W: String,
    P: String,
    burned: String,
    entries: Vec<EntryReport>,
}

#[derive(Serialize)]
struct EntryReport {
    model: String,
    name: String,
    hosting: &'static str,
    w: TokenAmount,
    p: u32,
    delta: Delta,
}

#[derive(Serialize)]
struct BatchReport {
    vault: String,
    seq: i64,
    root: String,
    rounds: Vec<String>,
    propose_tx: String,
    accept_tx: String,
    gas_used: i64,
    burned: String,
}

/// The stake that left with a proof.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Withdrawal {
    pub(super) model: String,
    pub(super) amount: String,
    pub(super) tx: String,
}

/// Ledger against chain, units of 1e-9 token.
#[derive(Clone, Serialize)]
pub(super) struct Reconciliation {
    pub(super) ledger: String,
    pub(super) chain: String,
    pub(super) equal: bool,
}

impl Report {
    /// The report as text.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// How many rounds have ended how.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    seen: HashSet<RoundId>,
    /// With outcome up or down, two or more staked models, accepted on chain.
    pub(super) settled: usize,
    /// With a single staked model, accepted on chain.
    pub(super) thin: usize,
    /// Without effect.
    pub(super) void: usize,
}

/// The ended rounds, oldest first.
async fn ended(conn: &mut Conn) -> anyhow::Result<Vec<Round>> {
    let mut all = BTreeMap::new();
    let mut before_start_us = None;
    loop {
        let filter = RoundFilter {
            before_start_us,
            ..ended_filter()
        };
        let page = rounds::list(conn, &filter).await?;
        // Two tournaments have rounds at the same time: the cursor may not split them.
        let cursor = page.last().map(|round| round.schedule.start_us + 1);
        let known = all.len();
        all.extend(
            page.into_iter()
                .map(|round| ((round.schedule.start_us, round.id.clone()), round)),
        );
        if cursor.is_none() || all.len() == known {
            return Ok(all.into_values().collect());
        }
        before_start_us = cursor;
    }
}

fn ended_filter() -> RoundFilter {
    let states = vec![RoundState::Final, RoundState::Void];
    RoundFilter {
        tournament: None,
        states,
        before_start_us: None,
        limit: 500,
    }
}

impl Tally {
    /// Counts the rounds that ended since the last call.
    pub(super) async fn update(&mut self, conn: &mut Conn) -> anyhow::Result<()> {
        let rounds = if self.seen.is_empty() {
            ended(conn).await?
        } else {
            rounds::list(
                conn,
                &RoundFilter {
                    limit: 100,
                    ..ended_filter()
                },
            )
            .await?
        };
        for round in rounds {
            if !self.seen.insert(round.id.clone()) {
                continue;
            }
            if round.state == RoundState::Void {
                self.void += 1;
            } else if is_thin(&settlement::payouts(conn, &round.id).await?) {
                self.thin += 1;
            } else {
                self.settled += 1;
            }
        }
        Ok(())
    }
}

fn is_thin(payouts: &[Payout]) -> bool {
    payouts.len() < 2
}

/// Collects everything that has ended.
pub(super) async fn collect(
    conn: &mut Conn,
    withdrawal: Option<Withdrawal>,
    reconciliation: Option<Reconciliation>,
    elapsed: Elapsed,
) -> anyhow::Result<Report> {
    let models: BTreeMap<ModelId, Model> = models::list(conn, None, None)
        .await?
        .into_iter()
        .map(|m| (m.id.clone(), m))
        .collect();
    let mut reports = Vec::new();
    for round in ended(conn).await? {
        reports.push(round_report(conn, &round, &models).await?);
    }
    let batches = settlement::batches(conn, 10_000).await?;
    let mut accepted: Vec<BatchReport> = batches
        .into_iter()
        .filter(|batch| !batch.accept_tx.is_empty())
        .map(|batch| BatchReport {
            vault: batch.vault,
            seq: batch.seq,
            root: batch.new_root,
            rounds: batch.rounds.iter().map(ToString::to_string).collect(),
            propose_tx: batch.propose_tx,
            accept_tx: batch.accept_tx,
            gas_used: batch.gas_used,
            burned: batch.burned.to_string(),
        })
        .collect();
    accepted.sort_by_key(|batch| batch.seq);
    Ok(Report {
        rounds: reports,
        batches: accepted,
        withdrawal,
        reconciliation,
        elapsed_seconds: elapsed.seconds,
        first_settled_seconds: elapsed.first_settled,
    })
}

async fn round_report(
    conn: &mut Conn,
    round: &Round,
    models: &BTreeMap<ModelId, Model>,
) -> anyhow::Result<RoundReport> {
    let entered = rounds::tournament(conn, round.id.tournament()).await?;
    let resolution = prices::resolution(conn, &round.id).await?;
    let lock = settlement::lock(conn, &round.id).await?;
    let payouts = settlement::payouts(conn, &round.id).await?;
    let mut entries = Vec::new();
    let mut deltas = BTreeMap::new();
    let mut paid = 0_i64;
    for payout in &payouts {
        deltas.insert(payout.model.clone(), payout.delta);
        paid += payout.delta.units();
    }
    for counted in predictions::counted(conn, &round.id).await? {
        if counted.model_index.is_none() {
            continue;
        }
        let model = models
            .get(&counted.model)
            .context("a counted model is unknown")?;
        entries.push(EntryReport {
            model: counted.model.to_string(),
            name: model.name.clone(),
            hosting: model.hosting.name(),
            w: counted.at_risk,
            p: counted.counted.ppm(),
            delta: deltas.get(&counted.model).copied().unwrap_or_default(),
        });
    }
    let outcome = if round.state == RoundState::Void {
        Outcome::Void
    } else {
        resolution.as_ref().map_or(Outcome::Void, |r| r.outcome)
    };
    Ok(RoundReport {
        id: round.id.to_string(),
        tournament: round.id.tournament().to_string(),
        opens_at: rfc3339(round.schedule.opens_us),
        locks_at: rfc3339(round.schedule.lock_us),
        p0: resolution
            .as_ref()
            .and_then(|r| r.p0)
            .map(|p| p.to_string()),
        p1: resolution
            .as_ref()
            .and_then(|r| r.p1)
            .map(|p| p.to_string()),
        outcome: outcome.name(),
        thin: entries.len() < 2,
        void_reason: (!round.void_reason.is_empty()).then(|| round.void_reason.clone()),
        a: entered.tournament.stake.a_ppm,
        W: lock
            .as_ref()
            .map_or_else(|| "0".into(), |l| l.total_w.to_string()),
        P: lock
            .as_ref()
            .map_or_else(|| "0".into(), |l| l.total_p.to_string()),
        burned: (-paid).to_string(),
        entries,
    })
}

/// Replaces the file as a whole: a reader sees the old one or the new one.
pub(super) fn write(path: &Path, report: &Report) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write beside {}", path.display()))?;
    serde_json::to_writer_pretty(&mut file, report)?;
    file.as_file().sync_all()?;
    file.persist(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// The table of models, best first, with the ledger beneath.
pub(super) fn table(report: &Report) -> String {
    let mut sums: BTreeMap<(&str, &str), (i64, usize)> = BTreeMap::new();
    for round in report.rounds.iter().filter(|round| round.outcome != "void") {
        for entry in &round.entries {
            let sum = sums.entry((&round.tournament, &entry.name)).or_default();
            sum.0 += entry.delta.units();
            sum.1 += 1;
        }
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(key, (total, _))| (key.0.to_owned(), -total));
    let mut text = String::new();
    writeln!(
        text,
        "{:<14} {:<22} {:>7} {:>18}",
        "tournament", "model", "rounds", "payout in tokens"
    )
    .ok();
    for ((tournament, name), (total, count)) in rows {
        let total = Delta::from_units(total).tokens();
        writeln!(text, "{tournament:<14} {name:<22} {count:>7} {total:>18}").ok();
    }
    let void = report
        .rounds
        .iter()
        .filter(|round| round.outcome == "void")
        .count();
    let is_thin = |round: &&RoundReport| round.thin && round.outcome != "void";
    let thin = report.rounds.iter().filter(is_thin).count();
    let settled = report.rounds.len() - void - thin;
    let burned: i64 = report
        .batches
        .iter()
        .filter_map(|b| b.burned.parse::<i64>().ok())
        .sum();
    let burned = TokenAmount::from_stored(burned)
        .unwrap_or_default()
        .tokens();
    writeln!(
        text,
        "\n{settled} rounds settled in {} batches, {thin} thin, {void} void; burned {burned} tokens",
        report.batches.len()
    )
    .ok();
    if let Some(withdrawal) = &report.withdrawal {
        let amount: TokenAmount = withdrawal.amount.parse().unwrap_or_default();
        let amount = amount.tokens();
        writeln!(
            text,
            "withdrawn with a proof: {amount} tokens of {}",
            withdrawal.model
        )
        .ok();
    }
    if let Some(r) = &report.reconciliation {
        let verdict = if r.equal { "equal" } else { "DIFFERENT" };
        writeln!(
            text,
            "ledger {} and chain {} (1e-9 token): {verdict}",
            r.ledger, r.chain
        )
        .ok();
    }
    text
}

/// The median time of each stage over all rounds, in the order of a round's life.
pub(super) async fn stage_times(conn: &mut Conn) -> anyhow::Result<String> {
    const STAGES: [&str; 7] = [
        "lock",
        "aggregate",
        "commit",
        "resolve",
        "score",
        "propose",
        "accept",
    ];
    let mut times: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for round in ended(conn).await? {
        for stage in rounds::stages(conn, &round.id).await? {
            times.entry(stage.stage).or_default().push(stage.took_us);
        }
    }
    let mut text = String::from("stage, median time on the wall:");
    for stage in STAGES {
        let Some(all) = times.get_mut(stage) else {
            continue;
        };
        all.sort_unstable();
        let median = all.get(all.len() / 2).copied().unwrap_or_default();
        write!(text, " {stage} {:.1} ms;", milliseconds(median)).ok();
    }
    Ok(text.trim_end_matches(';').to_owned())
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds for people")]
fn milliseconds(us: i64) -> f64 {
    us as f64 / 1e3
}
