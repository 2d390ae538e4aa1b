//! `foretoken verify`: recompute a batch, a round or the fate of a receipt from the public record
//! and the chain, or run a hosted model again. Opens no database.

use std::path::PathBuf;

use anyhow::Context;
use domain::{ModelId, RoundId};
use serde_json::json;

use super::{Ended, print, verify_run};
use crate::chain::{self, Chain, ChainAddress};
use crate::predictions::Receipt;
use crate::record::format::{
    BatchFile, DEPLOYMENT_PATH, DeploymentFile, Pointer, RoundFile, pointer_path,
};
use crate::record::{
    self, Fate, History, Proposal, RecordError, Report, Source, Standing, check_proposal,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(super) struct VerifyArgs {
    /// Recompute this batch of the vault
    #[arg(long, value_name = "SEQ", group = "what", value_parser = clap::value_parser!(u64).range(1..))]
    batch: Option<u64>,
    /// Recompute this round and compare it with the proposal that holds it
    #[arg(long, value_name = "ID", group = "what")]
    round: Option<RoundId>,
    /// Was this receipt, as the API gave it, included, replaced, never revealed or omitted?
    #[arg(long, value_name = "FILE", group = "what")]
    receipt: Option<PathBuf>,
    /// With --round: run this hosted model again and compare with the receipt of its run
    #[arg(long, value_name = "ID", requires_all = ["round", "artifact"])]
    pub(super) model: Option<ModelId>,
    /// The file of the model
    #[arg(long, value_name = "FILE", requires = "model")]
    artifact: Option<PathBuf>,
    /// The runner's executable; else the one beside this
    #[arg(long, value_name = "PATH", requires = "model")]
    pub(super) runner: Option<PathBuf>,
    /// Key of the model's owner: shows a run before its round is resolved
    #[arg(
        long,
        value_name = "KEY",
        env = "FORETOKEN_KEY",
        hide_env_values = true
    )]
    pub(super) key: Option<String>,
    /// Which vault's batch: direction, ranking or an address
    #[arg(long, value_name = "VAULT", default_value = "direction")]
    vault: String,
    /// Server whose public record is read
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(super) server: String,
    /// Read a copy of the public record; no server is asked
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(super) record: Option<PathBuf>,
    /// JSON-RPC address of the chain [default: what a development installation's record names]
    #[arg(long, value_name = "URL", env = "FORETOKEN_RPC")]
    rpc: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// What is compared with what.
pub(super) struct Sides {
    source: Source,
    chain: Chain,
    deployment: DeploymentFile,
}

pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<Ended> {
    let source = match &args.record {
        Some(folder) => Source::Folder(folder.clone()),
        None => Source::of_server(&args.server)?,
    };
    let deployment: DeploymentFile = source.json(DEPLOYMENT_PATH).await?;
    if let (Some(round), Some(model), Some(file)) = (&args.round, &args.model, &args.artifact) {
        return verify_run::run(&args, source, deployment, (round, model, file)).await;
    }
    if let Some(file) = &args.receipt {
        return receipt(&args, source, deployment, file).await;
    }
    let sides = Sides::of(&args, source, deployment).await?;
    let report = match (&args.batch, &args.round) {
        (Some(seq), _) => sides.batch(&args.vault, *seq).await?,
        (None, Some(round)) => sides.round(round).await?.0,
        (None, None) => anyhow::bail!("name --batch, --round or --receipt"),
    };
    say(&args, &report, None)?;
    Ok(ended(report.differences.is_empty()))
}

impl Sides {
    pub(super) async fn of(
        args: &VerifyArgs,
        source: Source,
        deployment: DeploymentFile,
    ) -> anyhow::Result<Self> {
        let named = args.rpc.as_ref().or(deployment.rpc.as_ref());
        let rpc = named.context("no chain is named: --rpc URL")?;
        let chain = chain::connect(rpc)
            .await
            .with_context(|| format!("the chain at {rpc} does not answer: --rpc URL"))?;
        anyhow::ensure!(
            chain.chain_id() == deployment.chain_id,
            "the record is about chain {}, {rpc} is chain {}",
            deployment.chain_id,
            chain.chain_id()
        );
        Ok(Self {
            source,
            chain,
            deployment,
        })
    }

    async fn batch(&self, vault: &str, seq: u64) -> anyhow::Result<Report> {
        let address = match self.deployment.vaults.get(vault) {
            Some(address) => *address,
            None => vault
                .parse::<ChainAddress>()
                .with_context(|| format!("this installation has no {vault} vault"))?,
        };
        let history = self.history(address).await?;
        self.checked(&history, proposed(&history, seq)?).await
    }

    /// What was found about a round, and its file.
    pub(super) async fn round(&self, id: &RoundId) -> anyhow::Result<(Report, Option<RoundFile>)> {
        let pointer: Pointer = match self.source.json(&pointer_path(id)).await {
            Err(RecordError::Missing { .. }) => anyhow::bail!(
                "round {id} is not published yet: that happens when its batch is proposed"
            ),
            pointer => pointer?,
        };
        let batch: BatchFile = self.source.json(&pointer.batch).await?;
        let history = self.history(batch.vault).await?;
        let seq = u64::try_from(batch.seq).context("the batch has no place in the sequence")?;
        let mut report = self.checked(&history, proposed(&history, seq)?).await?;
        let reference = batch.rounds.iter().find(|one| one.round == *id);
        let reference =
            reference.with_context(|| format!("{} does not hold round {id}", pointer.batch))?;
        let bytes = self.source.bytes(&reference.at.file).await?;
        let file = serde_json::from_slice(&bytes).ok();
        // What is wrong with a neighbour is the neighbour's; what is wrong with the batch is ours.
        let others: Vec<String> = batch
            .rounds
            .iter()
            .filter(|one| one.round != *id)
            .map(|one| format!("round {}", one.round))
            .collect();
        report
            .differences
            .retain(|one| !others.contains(&one.thing));
        let of_another = |line: &String| others.iter().any(|other| line.starts_with(other));
        report.checked.retain(|line| !of_another(line));
        report.notes.retain(|line| !of_another(line));
        Ok((report, file))
    }

    async fn history(&self, vault: ChainAddress) -> Result<History, RecordError> {
        let (registry, from) = (self.deployment.registry, self.deployment.deployed_block);
        let mut history = History::new(vault, registry, from);
        let to = self.chain.latest().await?.number;
        history.advance(&self.chain, to).await?;
        Ok(history)
    }

    async fn checked(&self, history: &History, proposal: &Proposal) -> anyhow::Result<Report> {
        let mut report = check_proposal(&self.source, &self.chain, history, proposal).await?;
        report.notes.push(format!(
            "the contracts are those that the record names: chain {}, registry {}, vault {}",
            self.deployment.chain_id,
            history.registry(),
            history.vault()
        ));
        match proposal.fate {
            Fate::Accepted => {}
            Fate::Pending => report.notes.push("the batch is not accepted yet".into()),
            Fate::Dead => report
                .notes
                .push("the proposal is dead: its rounds are settled by another".into()),
        }
        Ok(report)
    }
}

fn proposed(history: &History, seq: u64) -> anyhow::Result<&Proposal> {
    let found = history.proposal_of(seq);
    found.with_context(|| format!("batch {seq} is not proposed on the chain yet"))
}

async fn receipt(
    args: &VerifyArgs,
    source: Source,
    deployment: DeploymentFile,
    file: &std::path::Path,
) -> anyhow::Result<Ended> {
    let receipt = read_receipt(file)?;
    let signer = record::signer_of(&receipt, deployment.chain_id, deployment.registry);
    let why = match signer {
        Ok(signer) if deployment.receipt_signers.contains(&signer) => None,
        Ok(signer) => Some(format!(
            "{signer} signed it, which signs no receipts of this installation"
        )),
        Err(why) => Some(why),
    };
    if let Some(why) = why {
        let standing = json!({ "standing": "forged", "why": why });
        let line = format!("the receipt is not genuine: {why}");
        say(args, &Report::default(), Some((standing, line)))?;
        return Ok(Ended::Refused);
    }
    let sides = Sides::of(args, source, deployment).await?;
    let (report, round) = sides.round(&receipt.round).await?;
    let round = round.with_context(|| format!("the file of {} cannot be read", receipt.round))?;
    let standing = record::check_receipt(&receipt, &round);
    let line = match &standing {
        Standing::Included => format!(
            "included: {} counts prediction {} of {}",
            receipt.round, receipt.sequence, receipt.model
        ),
        Standing::Replaced { by } => format!(
            "replaced: {} counts the later prediction {by} of {}",
            receipt.round, receipt.model
        ),
        Standing::Opened { by } => format!(
            "included: {} counts prediction {by} of {}, which opened this seal",
            receipt.round, receipt.model
        ),
        Standing::NeverRevealed => format!(
            "absent: {} was sealed and never revealed, so {} counts nothing of it",
            receipt.model, receipt.round
        ),
        Standing::Omitted { why } => {
            format!("omitted: {why}. The round stands; show receipt and record to the operator")
        }
    };
    let is_good = !matches!(standing, Standing::Omitted { .. });
    say(
        args,
        &report,
        Some((serde_json::to_value(&standing)?, line)),
    )?;
    Ok(ended(is_good && report.differences.is_empty()))
}

/// A receipt as the API gave it.
fn read_receipt(file: &std::path::Path) -> anyhow::Result<Receipt> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{name} is no receipt of the API"))
}

fn ended(is_equal: bool) -> Ended {
    if is_equal {
        Ended::Done
    } else {
        Ended::Refused
    }
}

fn say(
    args: &VerifyArgs,
    report: &Report,
    receipt: Option<(serde_json::Value, String)>,
) -> anyhow::Result<()> {
    let result = if report.differences.is_empty() {
        "equal"
    } else {
        "different"
    };
    if args.json {
        let mut all = json!({
            "result": result,
            "checked": report.checked,
            "notes": report.notes,
            "differences": report.differences,
        });
        if let (Some(object), Some((standing, _))) = (all.as_object_mut(), receipt) {
            object.insert("receipt".into(), standing);
        }
        return print(&all.to_string());
    }
    let mut lines = Vec::new();
    lines.extend(report.checked.iter().map(|one| format!("checked: {one}")));
    lines.extend(report.notes.iter().map(|one| format!("note: {one}")));
    lines.extend(
        report
            .differences
            .iter()
            .map(|one| format!("differs: {one}")),
    );
    if !report.checked.is_empty() || !report.differences.is_empty() {
        lines.push(match report.differences.len() {
            0 => "equal: everything follows from the record and stands on the chain".to_owned(),
            count => format!("different: {count} values do not follow"),
        });
    }
    lines.extend(receipt.map(|(_, line)| line));
    print(&lines.join("\n"))
}
