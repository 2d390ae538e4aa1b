//! `GET /rounds/{round}/runs/{model}`: one receipt in full, and how to check it. Shown to everybody
//! once the round is resolved; before that the page says when.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Html;
use domain::{ModelId, RoundId};

use super::error::WebError;
use super::frame::{Frame, show};
use super::text;
use crate::app::App;
use crate::receipts::{self, Which};
use crate::record::run::{ReceiptRow, RunFile, RuntimeRow};
use crate::{models, rounds};

/// Answers that are written out.
const ANSWERS: usize = 16;

#[derive(Template)]
#[template(path = "run.html")]
struct RunView {
    frame: Frame,
    name: String,
    model: String,
    model_href: String,
    receipts_href: String,
    round: String,
    round_href: String,
    json: String,
    /// When the run is shown, while it is secret.
    secret_until: Option<String>,
    run: Option<Shown>,
}

struct Shown {
    status: String,
    is_answer: bool,
    answers: String,
    more_answers: usize,
    sequence: String,
    finished: String,
    cpu: String,
    runner: String,
    runtime: Vec<(&'static str, String)>,
    files: Vec<HashLine>,
    roots: Vec<HashLine>,
    signed: Vec<HashLine>,
    rows: String,
    columns: String,
    models: String,
    is_late: bool,
    is_whole: bool,
}

/// `GET /rounds/{round}/runs/{model}`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path((round, model)): Path<(String, String)>,
) -> Result<Html<String>, WebError> {
    let round_id: RoundId = round
        .parse()
        .map_err(|_| WebError::not_found("round", &round))?;
    let model_id: ModelId = model
        .parse()
        .map_err(|_| WebError::not_found("model", &model))?;
    let mut conn = app.db.read().await?;
    let round = rounds::get(&mut conn, &round_id).await?;
    let model = models::get(&mut conn, &model_id).await?;
    let is_revealed = round.is_revealed(app.market.now_us());
    let mut run = None;
    if is_revealed {
        let (chain_id, registry) = (app.receipts.chain_id(), app.receipts.registry());
        let runs = receipts::of_round(&mut conn, chain_id, registry, &round_id, Which::All).await?;
        let found = runs.and_then(|runs| runs.run(&model_id));
        let missing = || WebError::not_found("run of this model in", &round_id.to_string());
        run = Some(found.ok_or_else(missing)?);
    }
    show(&RunView {
        frame: Frame::new(&app, &format!("Run of {}", model.name), ""),
        model: model_id.to_string(),
        model_href: format!("/models/{model_id}"),
        receipts_href: format!("/models/{model_id}/receipts"),
        round: round_id.to_string(),
        round_href: format!("/rounds/{round_id}"),
        json: format!("/api/v1/rounds/{round_id}/runs/{model_id}"),
        secret_until: (!is_revealed).then(|| text::moment(round.schedule.end_us)),
        run: run.as_ref().map(shown),
        name: model.name,
    })
}

fn shown(run: &RunFile) -> Shown {
    let receipt = &run.receipt;
    let answers = run.answers().unwrap_or_default();
    let written: Vec<String> = answers.iter().take(ANSWERS).map(f32::to_string).collect();
    Shown {
        status: receipt.status.clone(),
        is_answer: receipt.status == "ok",
        answers: written.join(", "),
        more_answers: answers.len().saturating_sub(ANSWERS),
        sequence: receipt.sequence.to_string(),
        finished: receipt.finished_at.clone(),
        cpu: format!("{} ms", receipt.cpu_ms),
        runner: receipt.runner.clone(),
        runtime: run.runtime.as_ref().map(runtime).unwrap_or_default(),
        files: files(run),
        roots: roots(run),
        signed: signed(&run.receipt),
        rows: run.input.rows.to_string(),
        columns: run.input.columns.to_string(),
        models: run.model_proof.count.to_string(),
        is_late: run.committed.is_some() && run.receipt_proof.is_none(),
        is_whole: run.differences(&[receipt.signer]).is_empty(),
    }
}

/// Name, meaning, hash.
type HashLine = (&'static str, &'static str, String);

fn files(run: &RunFile) -> Vec<HashLine> {
    let receipt = &run.receipt;
    vec![
        (
            "Model file",
            "SHA-256 of the uploaded file",
            receipt.model_digest.clone(),
        ),
        (
            "Canonical file",
            "SHA-256 of its re-encoding, the bytes that are loaded",
            receipt
                .canonical_digest
                .clone()
                .unwrap_or_else(|| "none was made".to_owned()),
        ),
        (
            "Features",
            "SHA-256 of the block of features",
            run.input.sha256.clone(),
        ),
    ]
}

fn roots(run: &RunFile) -> Vec<HashLine> {
    let receipt = &run.receipt;
    let mut roots = vec![
        (
            "Input root",
            "Tree over the features: shape, names, every row",
            receipt.input_root.to_string(),
        ),
        (
            "Output root",
            "Tree over the model's answers, one a row",
            receipt.output_root.to_string(),
        ),
        (
            "Models root",
            "Tree over the models that were to run in the round, with the digests of their files",
            run.models_root.to_string(),
        ),
    ];
    if let Some(committed) = &run.committed {
        roots.push((
            "Receipts root",
            "Tree over the receipts that the lock found",
            committed.receipts_root.to_string(),
        ));
        roots.push((
            "Seed",
            "Hid the roots until the outcome",
            committed.seed.to_string(),
        ));
        roots.push((
            "Salt",
            "keccak256(0x05 ‖ seed ‖ models root ‖ input root ‖ receipts root): the salt of the commitment that was mined before T",
            committed.salt.to_string(),
        ));
    }
    roots
}

fn signed(receipt: &ReceiptRow) -> Vec<HashLine> {
    vec![
        (
            "Runtime digest",
            "Hash of what is listed under “What ran it”",
            receipt.runtime_digest.to_string(),
        ),
        (
            "Receipt hash",
            "EIP-712 hash of the receipt: what is signed",
            receipt.hash.to_string(),
        ),
        (
            "Signature",
            "65 bytes, secp256k1",
            receipt.signature.clone(),
        ),
        (
            "Signer",
            "Must be one of the receipt signers of the public record",
            receipt.signer.to_string(),
        ),
    ]
}

fn runtime(runtime: &RuntimeRow) -> Vec<(&'static str, String)> {
    vec![
        ("Profile", runtime.profile.clone()),
        ("ONNX Runtime", runtime.ort_version.clone()),
        ("Library, SHA-256", runtime.library.clone()),
        ("Provider", runtime.provider.clone()),
        ("Options", runtime.options.clone()),
        ("Processor class", runtime.isa.clone()),
        ("Runner build", runtime.build.clone()),
        ("Sandbox level", runtime.sandbox.clone()),
    ]
}
