//! Drives intents to their end: sign and store, send, look, send again, raise the fee, replace what
//! became useless, and believe only final blocks. The same code after a restart as on every poll.

use alloy::primitives::{Address, Bytes};

use super::{Settler, failpoint};
use crate::chain::{ChainError, Fees, Key, Receipt, Revert, Signed, Unsigned, sign};
use crate::settlement::intent::{
    self, Action, Attempt, Intent, IntentState, Look, Offer, Verdict, verdict,
};
use crate::settlement::lease::Lease;
use crate::settlement::{self, SettlementError};

/// What a transfer of nothing to ourselves uses.
const CANCEL_GAS: u64 = 21_000;
/// Gas of a commitment: the call, and each round of it.
const COMMIT_GAS: u64 = 100_000;
const COMMIT_ROUND_GAS: u64 = 80_000;

/// The chain as one pass over the intents sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Time of the newest block, microseconds.
    pub(super) latest_us: i64,
    /// Height of the newest final block.
    pub(super) final_block: u64,
}

impl Settler {
    /// One pass over the intents of one key whose fate is not known.
    pub(super) async fn drive(
        &self,
        lease: &Lease,
        signer: Address,
        seen: Seen,
    ) -> Result<(), SettlementError> {
        let open = intent::open(&mut *self.db.read().await?).await?;
        for intent in open.into_iter().filter(|intent| intent.signer == signer) {
            let driven = match intent.state {
                IntentState::Planned => self.begin(lease, &intent, seen).await,
                _ => self.follow_up(lease, &intent, seen).await,
            };
            match driven {
                // The node's trouble with one intent must not delay another key's.
                Err(SettlementError::Chain(error)) => {
                    tracing::warn!(intent = intent.id, action = intent.action.name(), %error, "the node refused");
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// Signs an intent for the first time, stores the bytes, then sends them.
    async fn begin(
        &self,
        lease: &Lease,
        intent: &Intent,
        seen: Seen,
    ) -> Result<(), SettlementError> {
        if seen.latest_us >= intent.useless_from_us {
            return self
                .close(lease, intent, IntentState::Abandoned, None)
                .await;
        }
        if intent.action != Action::Commit && self.is_halted().await? {
            return Ok(());
        }
        if self.wall.now_us() < intent.next_try_us {
            return Ok(());
        }
        let gas_limit = match self.gas_limit(intent).await {
            Err(SettlementError::Chain(ChainError::Reverted(revert))) => {
                return self.refused(lease, intent, &revert).await;
            }
            limit => limit?,
        };
        let fees = self.chain.fees().await?.capped(self.settings.max_fee);
        let offer = Offer {
            is_cancel: false,
            gas_limit,
            fees,
            wall_us: self.wall.now_us(),
        };
        let mut tx = self.db.begin().await?;
        let attempt = intent::first_attempt(&mut tx, lease, intent, offer, |nonce| {
            self.signed(intent, nonce, offer)
        })
        .await?;
        failpoint("attempt_signed");
        tx.commit().await?;
        failpoint("attempt_stored");
        self.send(intent, &attempt).await;
        failpoint("attempt_sent");
        Ok(())
    }

    /// Looks at what became of an intent and does what is wanted next.
    async fn follow_up(
        &self,
        lease: &Lease,
        intent: &Intent,
        seen: Seen,
    ) -> Result<(), SettlementError> {
        // At one block's height: "final" may be another block for another node behind this address.
        let height = seen.final_block;
        let final_nonce = self.chain.nonce_at(intent.signer, height).await?;
        let attempts = intent::attempts(&mut *self.db.read().await?, intent).await?;
        let mut receipts = Vec::new();
        for attempt in &attempts {
            receipts.extend(self.chain.receipt(attempt.tx_hash).await?);
        }
        let final_after = match receipts.first() {
            Some(_) => height,
            None => self
                .chain
                .finalized()
                .await?
                .map_or(0, |block| block.number),
        };
        let look = Look {
            final_nonce,
            height,
            receipts: &receipts,
            final_after,
            wall_us: self.wall.now_us(),
        };
        let before = self.missing.get(&intent.id);
        let verdict = verdict(&attempts, look, before, self.settings.lost);
        self.missing.note(&intent.id, verdict);
        match verdict {
            Verdict::Decided { state, by } => self.close(lease, intent, state, by).await,
            Verdict::Missing(missing) => {
                tracing::warn!(
                    intent = intent.id,
                    missing.looks,
                    "its nonce is used, by what?"
                );
                Ok(())
            }
            Verdict::Unknown if receipts.is_empty() => {
                let Some(last) = attempts.last() else {
                    return Ok(());
                };
                self.push(lease, intent, last, seen).await
            }
            Verdict::Unknown => Ok(()),
        }
    }

    /// Not mined yet: replace it when it is useless, raise the fee when it is stuck, and hand the
    /// stored bytes to a node that has forgotten them.
    async fn push(
        &self,
        lease: &Lease,
        intent: &Intent,
        last: &Attempt,
        seen: Seen,
    ) -> Result<(), SettlementError> {
        // Halted means that nothing is proposed or accepted any more, also not by what is signed.
        let is_stopped = intent.action != Action::Commit && self.is_halted().await?;
        let is_useless = seen.latest_us >= intent.useless_from_us || is_stopped;
        let age_us = self.wall.now_us().saturating_sub(last.created_us);
        let is_stuck =
            u128::try_from(age_us).is_ok_and(|age| age > self.settings.stuck_after.as_micros());
        if (is_useless && !last.is_cancel) || is_stuck {
            let is_cancel = is_useless || last.is_cancel;
            if let Some(fees) = last
                .fees
                .bumped(self.chain.fees().await?, self.settings.max_fee)
            {
                return self.replace(lease, intent, last, is_cancel, fees).await;
            }
            tracing::warn!(
                intent = intent.id,
                "the cap leaves no room for a higher fee"
            );
        }
        if !self.chain.knows(last.tx_hash).await? {
            self.send(intent, last).await;
        }
        Ok(())
    }

    async fn replace(
        &self,
        lease: &Lease,
        intent: &Intent,
        last: &Attempt,
        is_cancel: bool,
        fees: Fees,
    ) -> Result<(), SettlementError> {
        let gas_limit = if is_cancel {
            CANCEL_GAS
        } else {
            last.gas_limit
        };
        let offer = Offer {
            is_cancel,
            gas_limit,
            fees,
            wall_us: self.wall.now_us(),
        };
        let mut tx = self.db.begin().await?;
        let attempt = intent::next_attempt(&mut tx, lease, intent, last, offer, |nonce| {
            self.signed(intent, nonce, offer)
        })
        .await?;
        tx.commit().await?;
        failpoint("replacement_stored");
        tracing::info!(
            intent = intent.id,
            attempt = attempt.number,
            is_cancel,
            "replaced"
        );
        self.send(intent, &attempt).await;
        Ok(())
    }

    /// Hands stored bytes to the node. Its answer decides nothing: only blocks do.
    async fn send(&self, intent: &Intent, attempt: &Attempt) {
        if let Err(error) = self.chain.send(&attempt.raw).await {
            tracing::debug!(intent = intent.id, attempt = attempt.number, %error, "sending");
        }
    }

    async fn close(
        &self,
        lease: &Lease,
        intent: &Intent,
        state: IntentState,
        by: Option<Receipt>,
    ) -> Result<(), SettlementError> {
        let mut tx = self.db.begin().await?;
        let times = (self.market.now_us(), self.wall.now_us());
        settlement::close_intent(&mut tx, lease, times, intent, state, by).await?;
        tx.commit().await?;
        failpoint("intent_closed");
        Ok(())
    }

    /// A contract refuses the call as it stands: wait, or end it.
    async fn refused(
        &self,
        lease: &Lease,
        intent: &Intent,
        revert: &Revert,
    ) -> Result<(), SettlementError> {
        let action = intent.action.name();
        tracing::warn!(intent = intent.id, action, %revert, "the contract refuses");
        let times = (self.market.now_us(), self.wall.now_us());
        let poll_us = i64::try_from(self.settings.poll.as_micros()).unwrap_or(i64::MAX);
        let tries = intent.failures.saturating_add(1);
        let wait_us = settlement::backoff_us(poll_us, tries, &intent.id);
        let next_try_us = times.1.saturating_add(wait_us);
        let mut tx = self.db.begin().await?;
        settlement::refused(&mut tx, lease, times, intent, revert, next_try_us).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn gas_limit(&self, intent: &Intent) -> Result<u64, SettlementError> {
        if intent.action == Action::Commit {
            // 96 bytes of call data a round; known without asking, since every moment counts.
            let rounds = u64::try_from(intent.calldata.len() / 96).unwrap_or(u64::MAX);
            return Ok(COMMIT_GAS.saturating_add(COMMIT_ROUND_GAS.saturating_mul(rounds)));
        }
        let estimate = self
            .chain
            .estimate(intent.signer, intent.recipient, &intent.calldata)
            .await?;
        Ok(estimate.saturating_mul(5) / 4)
    }

    pub(super) fn signed(
        &self,
        intent: &Intent,
        nonce: u64,
        offer: Offer,
    ) -> Result<Signed, ChainError> {
        let key = self.key_of(intent)?;
        let (to, input) = if offer.is_cancel {
            (key.address(), Bytes::new())
        } else {
            (intent.recipient, intent.calldata.clone())
        };
        let unsigned = Unsigned {
            chain_id: self.chain.chain_id(),
            nonce,
            to: Some(to),
            input,
            gas_limit: offer.gas_limit,
            fees: offer.fees,
        };
        sign(key, &unsigned)
    }

    fn key_of(&self, intent: &Intent) -> Result<&Key, ChainError> {
        [&self.keys.committer, &self.keys.operator]
            .into_iter()
            .find(|key| key.address() == intent.signer)
            .ok_or(ChainError::Key)
    }
}
