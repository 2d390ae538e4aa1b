//! What `/metrics` says of settlement, ledger and chain: read from the database when asked, so that
//! it is true whichever process does the work. Names end in their unit.

use domain::timestamp::SECOND_US;

use super::metrics_page::{Page, seconds};
use crate::app::App;
use crate::settlement::{BatchState, Counts, Holder, SettlementError};
use crate::{chain, ledger, settlement};

/// The text of all of them, Prometheus form.
pub(super) async fn text(app: &App) -> Result<String, SettlementError> {
    let mut conn = app.db.read().await?;
    let (market_us, wall_us) = (app.market.now_us(), app.wall.now_us());
    let mut page = Page::default();
    let halt = settlement::halted(&mut conn).await?;
    page.gauge(
        "foretoken_settlement_halted",
        "1 while settlement is halted",
        u8::from(halt.is_some()),
    );
    let since_us = halt.map_or(market_us, |halt| halt.halted_us);
    page.gauge(
        "foretoken_settlement_halted_seconds",
        "How long settlement has been halted, market time",
        seconds(market_us - since_us),
    );
    work(&mut page, &settlement::counts(&mut conn).await?, wall_us);
    if let Some(holder) = settlement::holder(&mut conn).await? {
        lease(&mut page, &holder, wall_us);
    }
    keys(&mut page, &settlement::keys(&mut conn).await?);
    if let Some(last) = settlement::latest_reconciliation(&mut conn).await? {
        page.gauge(
            "foretoken_reconciliation_age_seconds",
            "Since ledger and chain were last compared, market time",
            seconds(market_us - last.at_us),
        );
        page.gauge(
            "foretoken_reconciliation_equal",
            "1 when ledger and chain were equal at the last comparison",
            u8::from(last.equal),
        );
    }
    page.gauge(
        "foretoken_ledger_imbalance_units",
        "Sum of all accounts of the double-entry ledger, 1e-9 token; 0 or wrong",
        ledger::imbalance(&ledger::totals(&mut conn).await?),
    );
    if let Some(head) = chain::newest_head(&mut conn).await? {
        page.gauge(
            "foretoken_chain_latest_height_blocks",
            "Height of the newest recorded block",
            head.number,
        );
        page.gauge(
            "foretoken_chain_latest_age_seconds",
            "Age of the newest recorded block, market time",
            seconds(market_us - head.time_s * SECOND_US),
        );
    }
    if let Some(head) = chain::final_head(&mut conn).await? {
        page.gauge(
            "foretoken_chain_final_height_blocks",
            "Height of the newest recorded final block",
            head.number,
        );
        page.gauge(
            "foretoken_chain_final_age_seconds",
            "Age of the newest recorded final block, market time",
            seconds(market_us - head.time_s * SECOND_US),
        );
    }
    Ok(page.text)
}

fn work(page: &mut Page, counts: &Counts, wall_us: i64) {
    page.head(
        "foretoken_settlement_open_intents",
        "Transactions whose fate is not known",
        "gauge",
    );
    for open in &counts.open {
        let labels = [("action", open.action.name()), ("state", open.state.name())];
        page.line("foretoken_settlement_open_intents", &labels, open.count);
    }
    let oldest_us = counts.oldest_open_us.unwrap_or(wall_us);
    page.gauge(
        "foretoken_settlement_oldest_open_intent_seconds",
        "Age of the oldest transaction whose fate is not known, wall time; 0 without one",
        seconds(wall_us - oldest_us),
    );
    page.gauge(
        "foretoken_settlement_refused_intents",
        "Planned transactions that a contract refuses as things stand",
        counts.refused,
    );
    page.counter(
        "foretoken_settlement_attempts_total",
        "Transactions signed",
        counts.attempts,
    );
    page.counter(
        "foretoken_settlement_fee_bumps_total",
        "Transactions signed again with a higher fee",
        counts.fee_bumps,
    );
    page.counter(
        "foretoken_settlement_cancels_total",
        "Transactions replaced by a transfer to ourselves",
        counts.cancels,
    );
    let mut rejected = 0;
    page.head(
        "foretoken_settlement_batches",
        "Settlement batches by state",
        "gauge",
    );
    for (state, count) in &counts.batches {
        let labels = [("state", state.name())];
        page.line("foretoken_settlement_batches", &labels, count);
        if *state == BatchState::Rejected {
            rejected = *count;
        }
    }
    page.counter(
        "foretoken_settlement_rejected_batches_total",
        "Batches that were vetoed, too late or refused",
        rejected,
    );
}

fn lease(page: &mut Page, holder: &Holder, wall_us: i64) {
    page.gauge(
        "foretoken_settlement_lease_age_seconds",
        "Since the settler last renewed its lease, wall time",
        seconds(wall_us - holder.renewed_us),
    );
    page.counter(
        "foretoken_settlement_lease_fence_total",
        "Changes of hands of the lease",
        holder.fence,
    );
}

fn keys(page: &mut Page, keys: &[settlement::KeyState]) {
    page.head(
        "foretoken_settlement_key_balance_wei",
        "What a key has to pay gas with",
        "gauge",
    );
    for key in keys.iter().filter(|key| !key.balance_wei.is_empty()) {
        let labels = [("signer", key.signer.as_str())];
        let name = "foretoken_settlement_key_balance_wei";
        page.line(name, &labels, &key.balance_wei);
    }
    page.head(
        "foretoken_settlement_key_nonce",
        "The nonce of a key's next transaction",
        "gauge",
    );
    for key in keys {
        let labels = [("signer", key.signer.as_str())];
        page.line("foretoken_settlement_key_nonce", &labels, key.next_nonce);
    }
}
