//! `GET /batches`: what was settled on chain.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::error::WebError;
use super::frame::{Frame, show};
use super::record;
use super::text;
use crate::app::App;
use crate::settlement::{self, Batch};

const SHOWN: i64 = 40;
/// Links to rounds in one row; more are counted.
const ROUNDS: usize = 12;

#[derive(Template)]
#[template(path = "batches.html")]
struct BatchesView {
    frame: Frame,
    halted: Option<String>,
    deployment: Option<DeploymentView>,
    reconciled: Option<Reconciled>,
    batches: Vec<BatchRow>,
}

struct DeploymentView {
    chain_id: String,
    token: String,
    registry: String,
    vault: String,
    window: String,
    delay: String,
}

struct Reconciled {
    is_equal: bool,
    at: String,
    ledger: String,
    chain: String,
    differs: String,
}

struct BatchRow {
    seq: i64,
    attempt: i64,
    state: &'static str,
    reason: String,
    rounds: Vec<RoundLink>,
    more_rounds: usize,
    count: String,
    burned: String,
    burned_exact: String,
    gas: String,
    root: String,
    root_short: String,
    prev_root: String,
    record_hash: String,
    record_href: String,
    propose_tx: String,
    propose_short: String,
    accept_tx: String,
    accept_short: String,
}

struct RoundLink {
    href: String,
    label: String,
    title: String,
}

/// `GET /batches`.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let mut conn = app.db.read().await?;
    let batches = settlement::batches(&mut conn, SHOWN).await?;
    let reconciled = settlement::latest_reconciliation(&mut conn).await?;
    let deployment = app.deployment.as_ref().map(|d| DeploymentView {
        chain_id: d.chain_id.to_string(),
        token: d.token.to_string(),
        registry: d.registry.to_string(),
        vault: d.vault.to_string(),
        window: text::rule_span(d.window_s),
        delay: text::rule_span(d.delay_s),
    });
    show(&BatchesView {
        frame: Frame::new(&app, "Settlement", "/batches"),
        halted: settlement::halted(&mut conn)
            .await?
            .map(|halt| halt.to_string()),
        deployment,
        reconciled: reconciled.map(|r| Reconciled {
            is_equal: r.equal,
            at: text::moment(r.at_us),
            ledger: text::wei(&r.ledger),
            chain: text::wei(&r.chain),
            differs: r.differs,
        }),
        batches: batches.iter().map(row).collect(),
    })
}

fn row(batch: &Batch) -> BatchRow {
    let links = batch.rounds.iter().take(ROUNDS).map(|round| RoundLink {
        href: format!("/rounds/{round}"),
        label: text::minute_of_day(round.start_us()),
        title: round.to_string(),
    });
    BatchRow {
        seq: batch.seq,
        attempt: batch.attempt,
        state: batch.state.name(),
        reason: batch.reason.clone(),
        rounds: links.collect(),
        more_rounds: batch.rounds.len().saturating_sub(ROUNDS),
        count: text::count_of(batch.rounds.len()),
        burned: text::tokens(batch.burned),
        burned_exact: batch.burned.tokens(),
        gas: if batch.gas_used == 0 {
            "–".to_owned()
        } else {
            text::count(batch.gas_used)
        },
        root: batch.new_root.clone(),
        root_short: text::short_hash(&batch.new_root),
        prev_root: batch.prev_root.clone(),
        record_hash: batch.record_hash.clone(),
        record_href: record::batch_href(batch).unwrap_or_default(),
        propose_tx: batch.propose_tx.clone(),
        propose_short: text::short_hash(&batch.propose_tx),
        accept_tx: batch.accept_tx.clone(),
        accept_short: text::short_hash(&batch.accept_tx),
    }
}
