//! The guardian: recomputes every proposal from the public record and the chain within its window,
//! challenges what the contract can be shown, vetoes what else differs or cannot be checked.
//!
//! Trusts neither the operator's database nor its word: what it needs comes from the chain and from
//! files whose hashes stand there. Holds one key; whoever runs it with another key than the
//! guardian's can challenge, not veto. Stores nothing: it may be killed and started at any moment.

mod judge;
mod sender;

use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolCall;
use anyhow::Context;
use contracts::abi::StakeVault;
use domain::WallClock;
use tokio_util::sync::CancellationToken;

use crate::chain::{Chain, Key};
use crate::record::format::{DEPLOYMENT_PATH, DeploymentFile};
use crate::record::{History, RecordError, Source};
use crate::wall::pause;

pub use judge::{Judged, Verdict};

use judge::Case;
use sender::Sender;

/// A challenge gets this part of the window, in hundredths; then a veto takes its place, so that
/// the proposal dies whatever delays the challenge.
const CHALLENGE_PERCENT: u64 = 50;
/// What cannot be checked by this part of the window, in hundredths, is vetoed.
const UNKNOWN_PERCENT: u64 = 70;

/// How the guardian acts.
#[derive(Clone, Debug)]
pub struct GuardianSettings {
    /// Signs.
    pub key: Key,
    /// Between two looks, wall.
    pub poll: Duration,
    /// Nothing is offered above this, wei per gas.
    pub max_fee: u128,
    /// A transaction not mined for so long is offered with a higher fee, wall.
    pub stuck_after: Duration,
}

impl GuardianSettings {
    /// The defaults, with this key.
    #[must_use]
    pub fn of_key(key: Key) -> Self {
        Self {
            key,
            poll: Duration::from_secs(1),
            max_fee: 500_000_000_000,
            stuck_after: Duration::from_secs(30),
        }
    }
}

/// Looks at the proposals of one vault.
#[derive(Debug)]
pub struct Guard {
    chain: Chain,
    source: Source,
    wall: WallClock,
    vault: Address,
    fault_proof: Address,
    window_s: u64,
    /// Final blocks only.
    settled: History,
    judged: Option<Judged>,
}

impl Guard {
    /// A guard of the vault. Its events are looked for from the block that the record names.
    ///
    /// # Errors
    /// When there is no vault of ours at the address, or the node does not answer.
    pub async fn new(
        chain: Chain,
        vault: Address,
        source: Source,
        wall: WallClock,
    ) -> anyhow::Result<Self> {
        let no_vault = || format!("{vault} is no stake vault on chain {}", chain.chain_id());
        let registry = chain.view(vault, &StakeVault::registryCall {}, None).await;
        let registry = registry.with_context(no_vault)?;
        let fault_proof = chain
            .view(vault, &StakeVault::faultProofCall {}, None)
            .await
            .with_context(no_vault)?;
        let window_s = chain
            .view(vault, &StakeVault::windowCall {}, None)
            .await
            .with_context(no_vault)?;
        // The record's word: a block too high would show as a ledger that has another root.
        let from = match source.json::<DeploymentFile>(DEPLOYMENT_PATH).await {
            Ok(file) if file.vaults.values().any(|one| *one == vault) => file.deployed_block,
            _ => 0,
        };
        Ok(Self {
            settled: History::new(vault, registry, from),
            chain,
            source,
            wall,
            vault,
            fault_proof,
            window_s: u64::from(window_s),
            judged: None,
        })
    }

    /// Judges the pending proposal, if there is one. What is known for certain is not computed again.
    ///
    /// # Errors
    /// The node's trouble.
    pub async fn look(&mut self) -> anyhow::Result<Option<Judged>> {
        let pending = self
            .chain
            .view(self.vault, &StakeVault::proposalCall {}, None)
            .await?;
        if pending.number == 0 {
            self.judged = None;
            return Ok(None);
        }
        let known = self.judged.as_ref().filter(|known| {
            known.number == pending.number
                && known.root == pending.root
                && !matches!(known.verdict, Verdict::Unknown { .. })
        });
        if let Some(known) = known {
            return Ok(Some(known.clone()));
        }
        let verdict = match self.history().await {
            Ok(history) => self.verdict(&history, pending.number).await?,
            Err(RecordError::Chain(error)) => return Err(error.into()),
            Err(error) => Verdict::Unknown {
                why: error.to_string(),
            },
        };
        let head = self
            .chain
            .view(self.vault, &StakeVault::headCall {}, None)
            .await?;
        let judged = Judged {
            number: pending.number,
            seq: head.seq.saturating_add(1),
            root: pending.root,
            proposed_at_s: pending.proposedAt.to::<u64>(),
            verdict,
        };
        self.tell(&judged);
        self.judged = Some(judged.clone());
        Ok(Some(judged))
    }

    async fn history(&mut self) -> Result<History, RecordError> {
        if let Some(head) = self.chain.finalized().await? {
            self.settled.advance(&self.chain, head.number).await?;
        }
        // What is not final yet is read anew each time, since it may be replaced.
        let mut history = self.settled.clone();
        let newest = self.chain.latest().await?.number;
        history.advance(&self.chain, newest).await?;
        Ok(history)
    }

    async fn verdict(&self, history: &History, number: u32) -> anyhow::Result<Verdict> {
        let proposal = history.pending().filter(|one| one.number == number);
        let Some(proposal) = proposal else {
            let why = format!("the node shows no event of proposal {number}");
            return Ok(Verdict::Unknown { why });
        };
        let case = Case {
            chain: &self.chain,
            source: &self.source,
            history,
            proposal,
            fault_proof: self.fault_proof,
        };
        Ok(case.judge().await?)
    }

    fn tell(&self, judged: &Judged) {
        let again = self.judged.as_ref() == Some(judged);
        match judged.verdict {
            _ if again => {}
            Verdict::Follows => tracing::info!("{judged}"),
            Verdict::Unknown { .. } => tracing::warn!("{judged}"),
            Verdict::Differs { .. } | Verdict::Provable { .. } => tracing::error!("{judged}"),
        }
    }
}

/// Guards until `stop`.
///
/// # Errors
/// When the node does not answer at the start.
pub async fn run(
    mut guard: Guard,
    settings: GuardianSettings,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stuck_after_us = i64::try_from(settings.stuck_after.as_micros()).unwrap_or(i64::MAX);
    let mut sender = Sender::new(settings.key, settings.max_fee, stuck_after_us);
    if !may_veto(&guard, &sender).await? {
        tracing::warn!(
            address = %sender.address(),
            "the key is not the guardian's: proposals can be challenged, not vetoed"
        );
    }
    while !stop.is_cancelled() {
        if let Err(error) = pass(&mut guard, &mut sender).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "a look at the chain failed; tried again"
            );
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = pause(settings.poll) => {}
        }
    }
    Ok(())
}

async fn pass(guard: &mut Guard, sender: &mut Sender) -> anyhow::Result<()> {
    let Some(judged) = guard.look().await? else {
        return Ok(());
    };
    let passed_s = guard
        .chain
        .latest()
        .await?
        .time_s
        .saturating_sub(judged.proposed_at_s);
    let wanted = wanted(
        &judged,
        passed_s,
        guard.window_s,
        may_veto(guard, sender).await?,
    );
    let Some(input) = wanted else {
        return Ok(());
    };
    let now_us = guard.wall.now_us();
    sender
        .push(&guard.chain, now_us, guard.vault, &input)
        .await?;
    Ok(())
}

/// The call that is to be made now, `passed_s` seconds after the proposal.
fn wanted(judged: &Judged, passed_s: u64, window_s: u64, may_veto: bool) -> Option<Bytes> {
    let is_past = |percent| passed_s.saturating_mul(100) >= window_s.saturating_mul(percent);
    let can_veto = may_veto && passed_s < window_s;
    let veto = || {
        let (seq, root) = (judged.seq, judged.root);
        Bytes::from(StakeVault::vetoCall { seq, root }.abi_encode())
    };
    match &judged.verdict {
        Verdict::Follows => None,
        Verdict::Unknown { .. } => (can_veto && is_past(UNKNOWN_PERCENT)).then(veto),
        Verdict::Differs { .. } => can_veto.then(veto),
        Verdict::Provable { .. } if can_veto && is_past(CHALLENGE_PERCENT) => Some(veto()),
        Verdict::Provable { call, .. } => Some(call.clone()),
    }
}

async fn may_veto(guard: &Guard, sender: &Sender) -> anyhow::Result<bool> {
    let guardian = guard
        .chain
        .view(guard.vault, &StakeVault::guardianCall {}, None)
        .await?;
    Ok(guardian == sender.address())
}

/// Pauses or takes inflows again, and waits until the vault says so.
///
/// # Errors
/// When the key is not the guardian's, or the node does not answer.
pub async fn set_paused(
    guard: &Guard,
    settings: GuardianSettings,
    paused: bool,
) -> anyhow::Result<()> {
    let stuck_after_us = i64::try_from(settings.stuck_after.as_micros()).unwrap_or(i64::MAX);
    let mut sender = Sender::new(settings.key, settings.max_fee, stuck_after_us);
    anyhow::ensure!(
        may_veto(guard, &sender).await?,
        "{} is not the guardian of {}, so it cannot pause",
        sender.address(),
        guard.vault
    );
    let input = Bytes::from(StakeVault::setPausedCall { paused }.abi_encode());
    loop {
        let books = guard
            .chain
            .view(guard.vault, &StakeVault::booksCall {}, None)
            .await?;
        if books.paused == paused {
            return Ok(());
        }
        let now_us = guard.wall.now_us();
        sender
            .push(&guard.chain, now_us, guard.vault, &input)
            .await?;
        pause(settings.poll).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;
    use contracts::abi::Fault;

    fn judged(verdict: Verdict) -> Judged {
        Judged {
            number: 3,
            seq: 2,
            root: B256::repeat_byte(7),
            proposed_at_s: 1_000,
            verdict,
        }
    }

    fn is_veto(call: &Option<Bytes>) -> bool {
        call.as_ref()
            .is_some_and(|call| StakeVault::vetoCall::abi_decode(call).is_ok())
    }

    #[test]
    fn what_follows_is_left_alone_and_what_differs_is_vetoed_at_once() {
        assert_eq!(wanted(&judged(Verdict::Follows), 119, 120, true), None);
        let differs = judged(Verdict::Differs {
            differences: vec!["a leaf".to_owned()],
        });
        assert!(is_veto(&wanted(&differs, 0, 120, true)));
        assert_eq!(wanted(&differs, 0, 120, false), None, "not its key");
        assert_eq!(wanted(&differs, 120, 120, true), None, "the window is over");
    }

    #[test]
    fn what_cannot_be_checked_is_vetoed_late_in_the_window() {
        let unknown = judged(Verdict::Unknown {
            why: "no file".to_owned(),
        });
        assert_eq!(wanted(&unknown, 83, 120, true), None);
        assert!(is_veto(&wanted(&unknown, 84, 120, true)));
    }

    #[test]
    fn a_challenge_goes_first_and_a_veto_takes_over() {
        let call = Bytes::from_static(&[1, 2, 3]);
        let provable = judged(Verdict::Provable {
            fault: Fault::StakeDelta,
            call: call.clone(),
            differences: Vec::new(),
        });
        assert_eq!(wanted(&provable, 59, 120, true), Some(call.clone()));
        assert!(is_veto(&wanted(&provable, 60, 120, true)));
        // Whoever cannot veto goes on challenging until the proposal is gone.
        assert_eq!(wanted(&provable, 300, 120, false), Some(call.clone()));
        assert_eq!(wanted(&provable, 300, 120, true), Some(call));
    }
}
