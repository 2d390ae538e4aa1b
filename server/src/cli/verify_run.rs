//! `foretoken verify --round R --model M --artifact FILE`: whether a hosted model's receipt is whole,
//! held by the round's commitment, and says what the model answers when it runs again here.

use std::path::Path;
use std::process::Command;

use alloy::primitives::B256;
use anyhow::Context;
use contracts::{round, runs};
use domain::{ModelId, Probability, RoundId};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::verify::{Sides, VerifyArgs};
use super::{Ended, print};
use crate::record::format::{BatchFile, DeploymentFile, Pointer, RoundFile, digest, pointer_path};
use crate::record::run::{InputRow, RunFile, RunsFile, RuntimeRow, runs_path};
use crate::record::{RecordError, Source};
use crate::settings::runner_beside;

/// Dense layers differ by about 1e-7 between processors; nothing honest differs by more than this.
const TOLERANCE: f32 = 1e-6;

/// What was found about everything but the answers.
#[derive(Default)]
struct Found {
    checked: Vec<String>,
    notes: Vec<String>,
    problems: Vec<String>,
}

/// What it comes to.
enum Verdict {
    BadReceipt,
    OtherFile {
        named: String,
        given: String,
    },
    Exact {
        rows: usize,
    },
    Within {
        difference: f32,
    },
    Mismatch {
        row: usize,
        claimed: f32,
        got: String,
    },
}

/// What the runner prints.
#[derive(Deserialize)]
struct Again {
    status: String,
    detail: String,
    p: Vec<f64>,
    canonical_digest: Option<String>,
    environment: RuntimeRow,
}

pub(super) async fn run(
    args: &VerifyArgs,
    source: Source,
    deployment: DeploymentFile,
    (round, model, artifact): (&RoundId, &ModelId, &Path),
) -> anyhow::Result<Ended> {
    let run = fetch(args, &source, round, model).await?;
    let mut found = Found::default();
    let receipt = &run.receipt;
    let place = &run.place;
    if (&receipt.round, &receipt.model) != (round, model) {
        let about = format!("it is about {} in {}", receipt.model, receipt.round);
        found.problems.push(about);
    }
    if (place.chain_id, place.registry) != (deployment.chain_id, deployment.registry) {
        found.problems.push("it is of another installation".into());
    }
    found
        .problems
        .extend(run.differences(&deployment.receipt_signers));
    found.checked.push(format!(
        "receipt {}: signature, digests, roots over input and output, place among the models",
        receipt.sequence
    ));
    held_by_round(&mut found, &source, &run).await?;
    held_by_chain(&mut found, args, source, deployment, round).await;
    let bytes = std::fs::read(artifact)
        .with_context(|| format!("{} cannot be read", artifact.display()))?;
    let given = hex::encode(Sha256::digest(&bytes));
    let verdict = if !found.problems.is_empty() {
        Verdict::BadReceipt
    } else if given != receipt.model_digest {
        let named = receipt.model_digest.clone();
        Verdict::OtherFile { named, given }
    } else {
        anyhow::ensure!(
            receipt.status == "ok",
            "the receipt is whole and says {}: there is no answer to compare",
            receipt.status
        );
        let again = execute(args, artifact, &run.input)?;
        let verdict = compare(&mut found, &run, &again)?;
        if found.problems.is_empty() {
            verdict
        } else {
            Verdict::BadReceipt
        }
    };
    say(args, &run, &found, &verdict)?;
    Ok(match verdict {
        Verdict::Exact { .. } | Verdict::Within { .. } => Ended::Done,
        _ => Ended::Refused,
    })
}

/// The run from the server's API, or from a copy of the record.
async fn fetch(
    args: &VerifyArgs,
    source: &Source,
    round: &RoundId,
    model: &ModelId,
) -> anyhow::Result<RunFile> {
    if args.record.is_some() {
        let runs: RunsFile = match source.json(&runs_path(round)).await {
            Err(RecordError::Missing { .. }) => anyhow::bail!(
                "no runs of round {round} are published: that happens when its batch is proposed, \
                 and only for rounds with hosted models"
            ),
            runs => runs?,
        };
        let run = runs.run(model);
        return run.with_context(|| format!("{model} has no receipt in round {round}"));
    }
    let base = args.server.trim_end_matches('/');
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut request = client.get(format!("{base}/api/v1/rounds/{round}/runs/{model}"));
    if let Some(key) = &args.key {
        request = request.bearer_auth(key);
    }
    let answer = request
        .send()
        .await
        .with_context(|| format!("{base} does not answer"))?;
    let status = answer.status();
    let text = answer.text().await?;
    anyhow::ensure!(status.is_success(), "{base} answered {status}: {text}");
    serde_json::from_str(&text).with_context(|| format!("{base} answered no run"))
}

/// Whether the round's file, once it is published, holds the run and counts its answer.
async fn held_by_round(found: &mut Found, source: &Source, run: &RunFile) -> anyhow::Result<()> {
    let id = &run.place.round;
    let pointer: Pointer = match source.json(&pointer_path(id)).await {
        Err(RecordError::Missing { .. }) => {
            let note = "the round is not published yet: its commitment was not looked at";
            found.notes.push(note.into());
            return Ok(());
        }
        pointer => pointer?,
    };
    let batch: BatchFile = source.json(&pointer.batch).await?;
    let listed = batch.rounds.iter().find(|one| one.round == *id);
    let listed = listed.with_context(|| format!("{} does not hold round {id}", pointer.batch))?;
    let bytes = source.bytes(&listed.at.file).await?;
    if digest(&bytes) != listed.at.keccak256 {
        found
            .problems
            .push("the round's file is not the one that its batch names".into());
    }
    let file: RoundFile = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is no file of a round", listed.at.file))?;
    let Some(held) = &file.runs else {
        found.problems.push("the round's file holds no runs".into());
        return Ok(());
    };
    let mut same = |what: &str, claimed: B256, published: B256| {
        if claimed != published {
            let line = format!("{what}: {claimed} claimed, {published} published");
            found.problems.push(line);
        }
    };
    same("models_root", run.models_root, held.models_root);
    same("input_root", run.receipt.input_root, held.input_root);
    if let Some(committed) = &run.committed {
        same("receipts_root", committed.receipts_root, held.receipts_root);
        same("seed", committed.seed, held.seed);
    }
    let salt = runs::salt(
        held.seed,
        held.models_root,
        held.input_root,
        held.receipts_root,
    );
    same("salt of the round", file.salt, salt);
    let commitment = round::commitment(run.place.chain_round, file.root, salt);
    same("commitment", file.commitment, commitment);
    found.checked.push(format!(
        "{}: the commitment {commitment} holds the roots over models, input and receipts",
        listed.at.file
    ));
    if digest(&source.bytes(&held.at.file).await?) != held.at.keccak256 {
        let line = format!("{} is not the file that the round names", held.at.file);
        found.problems.push(line);
    }
    counts(found, &file, run);
    if run.receipt_proof.is_none() {
        let note = "the receipt came after the lock: the commitment does not hold it";
        found.notes.push(note.into());
    }
    Ok(())
}

/// Whether the round counts what the receipt claims.
fn counts(found: &mut Found, file: &RoundFile, run: &RunFile) {
    let model = run.receipt.model.as_str();
    let row = file.predictions.iter().find(|row| row.model == model);
    let answers = run.answers().unwrap_or_default();
    let answered = answers
        .first()
        .map(|&p| Probability::from_f64(f64::from(p)));
    match (row, answered) {
        (Some(row), Some(Ok(p))) if p.ppm() == row.posted => found.checked.push(format!(
            "{}: counts this answer as {} ppm",
            file.round, row.posted
        )),
        (Some(row), answered) => found.problems.push(format!(
            "the round counts {} ppm, the receipt claims {answered:?}",
            row.posted
        )),
        (None, _) => found
            .notes
            .push("the round counts nothing of the model".into()),
    }
}

/// Whether the chain agrees with the round's file. Without a chain nothing is said about it.
async fn held_by_chain(
    found: &mut Found,
    args: &VerifyArgs,
    source: Source,
    deployment: DeploymentFile,
    round: &RoundId,
) {
    let checked = match Sides::of(args, source, deployment).await {
        Ok(sides) => sides.round(round).await,
        Err(error) => Err(error),
    };
    match checked {
        Ok((report, _)) => {
            let wrong = report.differences.iter().map(ToString::to_string);
            found.problems.extend(wrong);
            let line = format!("{round}: commitment and batch stand on the chain");
            found.checked.push(line);
        }
        Err(error) => found
            .notes
            .push(format!("the chain was not asked: {error:#}")),
    }
}

/// Runs the model in the runner's sandbox.
fn execute(args: &VerifyArgs, artifact: &Path, input: &InputRow) -> anyhow::Result<Again> {
    let runner = runner_beside(args.runner.as_deref())?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let features = folder.path().join("features");
    std::fs::write(&features, hex::decode(&input.bytes)?)?;
    let (rows, columns) = (input.rows.to_string(), input.columns.to_string());
    let done = Command::new(&runner)
        .arg("run")
        .arg(artifact)
        .arg("--features")
        .arg(&features)
        .args(["--rows", &rows, "--columns", &columns])
        .output()
        .with_context(|| format!("{} does not start", runner.display()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let again: Again = serde_json::from_slice(&done.stdout)
        .with_context(|| format!("the model could not be run: {}", said.trim()))?;
    anyhow::ensure!(
        again.status != "platform-error",
        "the model could not be run: {}",
        again.detail
    );
    Ok(again)
}

fn compare(found: &mut Found, run: &RunFile, again: &Again) -> anyhow::Result<Verdict> {
    let claimed = run.answers().context("the answers are no float32")?;
    let first = claimed.first().copied().unwrap_or_default();
    canonical(found, run, again);
    match &run.runtime {
        Some(then) if *then == again.environment => {
            found
                .checked
                .push("the same runtime, processor class and sandbox".into());
        }
        Some(then) => found.notes.extend(unlike(then, &again.environment)),
        None => found
            .notes
            .push("the receipt does not say what ran the model".into()),
    }
    if again.status != "ok" {
        return Ok(Verdict::Mismatch {
            row: 0,
            claimed: first,
            got: format!("{}: {}", again.status, again.detail),
        });
    }
    #[expect(clippy::cast_possible_truncation, reason = "a model answers float32")]
    let got: Vec<f32> = again.p.iter().map(|p| *p as f32).collect();
    anyhow::ensure!(
        got.len() == claimed.len(),
        "{} answers were signed, {} came",
        claimed.len(),
        got.len()
    );
    let mut largest = 0.0_f32;
    for (row, (claimed, got)) in claimed.iter().zip(&got).enumerate() {
        let difference = (claimed - got).abs();
        if difference.is_nan() || difference > TOLERANCE {
            return Ok(Verdict::Mismatch {
                row,
                claimed: *claimed,
                got: got.to_string(),
            });
        }
        largest = largest.max(difference);
    }
    let is_exact = claimed
        .iter()
        .zip(&got)
        .all(|(a, b)| a.to_bits() == b.to_bits());
    Ok(if is_exact {
        Verdict::Exact { rows: got.len() }
    } else {
        Verdict::Within {
            difference: largest,
        }
    })
}

/// The same build makes the same re-encoding of the same file; another may not.
fn canonical(found: &mut Found, run: &RunFile, again: &Again) {
    let (signed, made) = (&run.receipt.canonical_digest, &again.canonical_digest);
    let (Some(signed), Some(made)) = (signed, made) else {
        found
            .notes
            .push("canonical digest: not compared, one side has none".into());
        return;
    };
    if signed == made {
        found.checked.push(format!("canonical digest {made}"));
        return;
    }
    let line = format!("canonical digest: {signed} signed, {made} made here");
    let build = run.runtime.as_ref().map(|then| &then.build);
    if build == Some(&again.environment.build) {
        found.problems.push(line);
    } else {
        found.notes.push(line);
    }
}

/// The parts of the runtime that differ, for people.
fn unlike(then: &RuntimeRow, here: &RuntimeRow) -> Vec<String> {
    let parts = [
        ("profile", &then.profile, &here.profile),
        ("ONNX Runtime", &then.ort_version, &here.ort_version),
        ("library", &then.library, &here.library),
        ("provider", &then.provider, &here.provider),
        ("options", &then.options, &here.options),
        ("processor class", &then.isa, &here.isa),
        ("build", &then.build, &here.build),
        ("sandbox", &then.sandbox, &here.sandbox),
    ];
    let unlike = parts.into_iter().filter(|(_, then, here)| then != here);
    unlike
        .map(|(what, then, here)| format!("{what}: {then} then, {here} here"))
        .collect()
}

fn say(args: &VerifyArgs, run: &RunFile, found: &Found, verdict: &Verdict) -> anyhow::Result<()> {
    let (result, details, line) = match verdict {
        Verdict::BadReceipt => (
            "bad-receipt",
            json!({}),
            format!("BAD-RECEIPT({} problems)", found.problems.len()),
        ),
        Verdict::OtherFile { named, given } => (
            "other-file",
            json!({ "signed": named, "given": given }),
            format!("OTHER-FILE: the receipt is about sha256 {named}, this file has {given}"),
        ),
        Verdict::Exact { rows } => (
            "exact",
            json!({ "rows": rows, "max_difference": 0.0 }),
            "EXACT".to_owned(),
        ),
        Verdict::Within { difference } => (
            "within-tolerance",
            json!({ "max_difference": difference, "tolerance": TOLERANCE }),
            format!("WITHIN-TOLERANCE({difference:e})"),
        ),
        Verdict::Mismatch { row, claimed, got } => (
            "mismatch",
            json!({ "row": row, "claimed": claimed, "got": got }),
            format!("MISMATCH({row}, {claimed}, {got})"),
        ),
    };
    if args.json {
        let all = json!({
            "result": result,
            "details": details,
            "checked": found.checked,
            "notes": found.notes,
            "problems": found.problems,
            "receipt": run.receipt,
        });
        return print(&all.to_string());
    }
    let lines = [
        ("checked", &found.checked),
        ("note", &found.notes),
        ("wrong", &found.problems),
    ];
    let mut text: Vec<String> = lines
        .into_iter()
        .flat_map(|(word, lines)| lines.iter().map(move |line| format!("{word}: {line}")))
        .collect();
    text.push(line);
    print(&text.join("\n"))
}
