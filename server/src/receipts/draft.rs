//! Receipts on their way in: numbered, signed and stored in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;
use contracts::runs::RunReceipt;
use domain::{ModelId, RoundId};

use super::{Answer, Executed, ReceiptsError, receipt, store};
use crate::db::Conn;
use crate::predictions::ReceiptSigner;
use crate::record::run::{Place, RuntimeRow};
use crate::runners::Status;

/// A receipt that has no number yet.
pub(super) struct Draft {
    pub(super) model: ModelId,
    pub(super) status: String,
    pub(super) cpu_ms: i64,
    pub(super) output: Vec<f32>,
    pub(super) runtime: Option<RuntimeRow>,
}

impl Draft {
    pub(super) fn of(answer: &Answer) -> Self {
        Self {
            model: answer.model.clone(),
            status: answer.status.name().to_owned(),
            cpu_ms: answer.cpu_ms,
            output: match answer.status {
                Status::Ok => answer.output.clone(),
                _ => Vec::new(),
            },
            runtime: answer.runtime.clone(),
        }
    }
}

/// What a receipt of a model means for one that it has already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Earlier {
    Stays,
    IsReplaced,
}

/// Numbers, signs and stores drafts, in their order.
pub(super) async fn write_drafts(
    conn: &mut Conn,
    signer: &ReceiptSigner,
    round: &RoundId,
    executed: &Executed,
    drafts: Vec<Draft>,
    earlier: Earlier,
) -> Result<(), ReceiptsError> {
    let Some(opened) = store::round(conn, round).await? else {
        return Ok(());
    };
    // From here on no other writer numbers receipts: what it wrote is seen below.
    let mut last = store::hold_sequence(conn).await?;
    let written = store::of_round(conn, round).await?;
    let mut done: BTreeSet<ModelId> = written
        .into_iter()
        .filter(|_| earlier == Earlier::Stays)
        .map(|row| row.model)
        .collect();
    let mut listed = BTreeMap::new();
    for row in store::models(conn, round).await? {
        listed.insert(row.model.clone(), row);
    }
    let chain_round = Place::of(round, signer.chain_id(), signer.registry()).chain_round;
    let mut runtimes = BTreeMap::new();
    let mut rows = Vec::new();
    for draft in drafts {
        let Some(model) = listed.get(&draft.model) else {
            continue;
        };
        if !done.insert(draft.model.clone()) {
            continue;
        }
        last += 1;
        let digest = draft.runtime.as_ref().and_then(RuntimeRow::digest);
        runtimes.extend(digest.zip(draft.runtime));
        let mut row = store::Row {
            sequence: last,
            round: round.clone(),
            model: draft.model,
            status: draft.status,
            cpu_ms: draft.cpu_ms.max(0),
            finished_us: executed.finished_us,
            runner: executed.runner.clone(),
            runtime: digest.unwrap_or_default(),
            outputs: draft.output.iter().flat_map(|p| p.to_le_bytes()).collect(),
            hash: B256::ZERO,
            signature: String::new(),
            signer: signer.address(),
            artifact: model.artifact.clone(),
            canonical: model.canonical.clone(),
            input_root: opened.input_root,
        };
        let typed = typed(&row, chain_round)?;
        (row.hash, row.signature) = signer.sign_run(&typed)?;
        rows.push(row);
    }
    for (digest, runtime) in &runtimes {
        store::insert_runtime(conn, *digest, runtime).await?;
    }
    store::insert(conn, &rows).await?;
    store::set_sequence(conn, last).await?;
    Ok(())
}

fn typed(row: &store::Row, chain_round: B256) -> Result<RunReceipt, ReceiptsError> {
    let typed = receipt(row).typed(chain_round);
    typed.ok_or_else(|| ReceiptsError::Broken(format!("digests of {}", row.model)))
}
