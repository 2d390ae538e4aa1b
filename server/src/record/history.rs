//! What the chain says of one vault: its proposals with their changes, its head, the commitments of
//! the registry. Read from events and the call data of proposing transactions, never from a server.

use std::collections::{BTreeMap, HashMap};

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use contracts::abi::{Head, Reveal, StakeVault};
use contracts::changes::{self, Change};
use contracts::ledger::Ledger;

use super::RecordError;
use crate::chain::{Chain, Logged, Said, read_logs};

/// How a proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its window runs, or nobody has accepted it yet.
    Pending,
    /// It is or was the head.
    Accepted,
    /// Vetoed, challenged, too late, or the vault was shut down over it.
    Dead,
}

/// A proposal with all that its transaction said.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The vault's count of proposals.
    pub number: u32,
    /// Its place in the vault's sequence.
    pub seq: u64,
    /// The root that it makes, as the vault says.
    pub new_root: B256,
    /// The root that it stands on.
    pub prev_root: B256,
    /// Hash of the new ledger's top node.
    pub new_top: B256,
    /// What burns.
    pub burned: u64,
    /// What it takes from the pool.
    pub pool_used: u64,
    /// What it opens of each round.
    pub reveals: Vec<Reveal>,
    /// What it changes.
    pub changes: Vec<Change>,
    /// keccak256 of its batch file.
    pub record_hash: B256,
    /// Its transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block: u64,
    /// How it ended.
    pub fate: Fate,
}

/// A model of the vault and what moved in and out, units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whose wallet is paid.
    pub owner: Address,
    /// Paid in.
    pub deposited: u64,
    /// Paid out.
    pub withdrawn: u64,
}

/// The history of a vault up to a block.
#[derive(Clone, Debug)]
pub struct History {
    vault: Address,
    registry: Address,
    next_block: u64,
    /// By number.
    proposals: BTreeMap<u32, Proposal>,
    commitments: HashMap<B256, B256>,
    models: BTreeMap<u32, Registered>,
    is_shut: bool,
}

impl History {
    /// An empty history: nothing of the contracts is older than `deployed_block`.
    #[must_use]
    pub fn new(vault: Address, registry: Address, deployed_block: u64) -> Self {
        Self {
            vault,
            registry,
            next_block: deployed_block,
            proposals: BTreeMap::new(),
            commitments: HashMap::new(),
            models: BTreeMap::new(),
            is_shut: false,
        }
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> Address {
        self.vault
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> Address {
        self.registry
    }

    /// The last block that was read; none before the first.
    #[must_use]
    pub fn last_block(&self) -> Option<u64> {
        self.next_block.checked_sub(1)
    }

    /// Reads on up to and with `to`, in ranges of blocks. Blocks that a re-organisation may still
    /// replace are the caller's risk: whoever goes on from a history gives final blocks only.
    ///
    /// # Errors
    /// [`RecordError::Chain`] for the node's trouble (the same call again goes on from where it
    /// was), [`RecordError::History`] for what no vault of ours says.
    pub async fn advance(&mut self, chain: &Chain, to: u64) -> Result<(), RecordError> {
        while self.next_block <= to {
            let contracts = [self.registry, self.vault];
            let (logs, read_to) = read_logs(chain, &contracts, self.next_block, to).await?;
            // All that is asked of the node comes first: its trouble leaves the history as it was.
            let mut proposals = Vec::new();
            for logged in &logs {
                if matches!(logged.said, Said::BatchProposed { .. }) {
                    proposals.push(read_proposal(chain, self.vault, logged).await?);
                }
            }
            let mut proposals = proposals.into_iter();
            for logged in &logs {
                self.take(&logged.said, &mut proposals)?;
            }
            self.next_block = read_to.saturating_add(1);
        }
        Ok(())
    }

    fn take(
        &mut self,
        said: &Said,
        proposals: &mut impl Iterator<Item = Proposal>,
    ) -> Result<(), RecordError> {
        match *said {
            Said::BatchProposed { number, .. } => {
                let proposal = proposals.next().filter(|one| one.number == number);
                let lost = || broken(format!("proposal {number} was not read"));
                self.proposals.insert(number, proposal.ok_or_else(lost)?);
            }
            Said::BatchAccepted { number, .. } => self.ended(number, Fate::Accepted)?,
            Said::BatchDied { number, .. } | Said::BatchChallenged { number, .. } => {
                self.ended(number, Fate::Dead)?;
            }
            Said::RoundCommitted { round, commitment } => {
                self.commitments.insert(round, commitment);
            }
            Said::ModelRegistered {
                index,
                owner,
                amount,
                ..
            } => {
                let registered = Registered {
                    owner,
                    deposited: amount,
                    withdrawn: 0,
                };
                self.models.insert(index, registered);
            }
            Said::Deposited { index, amount } => {
                let model = self.model_mut(index)?;
                model.deposited = model.deposited.saturating_add(amount);
            }
            Said::Withdrawn { index, amount, .. } => {
                let model = self.model_mut(index)?;
                model.withdrawn = model.withdrawn.saturating_add(amount);
            }
            Said::ShutDown { .. } => {
                self.is_shut = true;
                for proposal in self.proposals.values_mut() {
                    if proposal.fate == Fate::Pending {
                        proposal.fate = Fate::Dead;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn model_mut(&mut self, index: u32) -> Result<&mut Registered, RecordError> {
        let unknown = || broken(format!("model {index} was never registered"));
        self.models.get_mut(&index).ok_or_else(unknown)
    }

    fn ended(&mut self, number: u32, fate: Fate) -> Result<(), RecordError> {
        let proposal = self.proposals.get_mut(&number);
        let unknown = || broken(format!("proposal {number} was never made"));
        proposal.ok_or_else(unknown)?.fate = fate;
        Ok(())
    }

    /// The proposal that waits, if one does.
    #[must_use]
    pub fn pending(&self) -> Option<&Proposal> {
        let newest = self.proposals.values().next_back();
        newest.filter(|proposal| proposal.fate == Fate::Pending)
    }

    /// The newest proposal of a place in the sequence that is not dead, else the newest dead one.
    #[must_use]
    pub fn proposal_of(&self, seq: u64) -> Option<&Proposal> {
        let of_seq = || self.proposals.values().rev().filter(|one| one.seq == seq);
        of_seq()
            .find(|one| one.fate != Fate::Dead)
            .or_else(|| of_seq().next())
    }

    /// What was committed for a round, by the registry's name of it.
    #[must_use]
    pub fn commitment(&self, chain_round: B256) -> Option<B256> {
        self.commitments.get(&chain_round).copied()
    }

    /// The models by index.
    #[must_use]
    pub fn models(&self) -> &BTreeMap<u32, Registered> {
        &self.models
    }

    /// Whether the vault was shut down.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.is_shut
    }

    /// The ledger after the accepted batches before a place in the sequence; all of them with
    /// `u64::MAX`.
    ///
    /// # Errors
    /// [`RecordError::History`] when the batches do not follow each other.
    pub fn ledger_before(&self, seq: u64) -> Result<Ledger, RecordError> {
        let mut accepted: Vec<&Proposal> = self
            .proposals
            .values()
            .filter(|one| one.fate == Fate::Accepted && one.seq < seq)
            .collect();
        accepted.sort_by_key(|proposal| proposal.seq);
        let mut ledger = Ledger::default();
        for (proposal, expected) in accepted.into_iter().zip(1_u64..) {
            if proposal.seq != expected {
                return Err(broken(format!("no accepted batch {expected} was found")));
            }
            ledger
                .apply(&proposal.changes)
                .map_err(|error| broken(error.to_string()))?;
        }
        Ok(ledger)
    }

    /// The ledger at the head, checked against what the vault answers at the last block read.
    ///
    /// # Errors
    /// [`RecordError::History`] when the rebuilt root is not the vault's.
    pub async fn ledger_at_head(&self, chain: &Chain) -> Result<(Ledger, Head), RecordError> {
        let ledger = self.ledger_before(u64::MAX)?;
        let call = StakeVault::headCall {};
        let head = chain.view(self.vault, &call, self.last_block()).await?;
        let tree = ledger.tree().map_err(|error| broken(error.to_string()))?;
        if tree.root() != head.root {
            return Err(broken(format!(
                "the ledger rebuilt from the accepted batches has the root {}, the vault's head is {}",
                tree.root(),
                head.root
            )));
        }
        Ok((ledger, head))
    }
}

async fn read_proposal(
    chain: &Chain,
    vault: Address,
    logged: &Logged,
) -> Result<Proposal, RecordError> {
    let Said::BatchProposed {
        seq,
        number,
        new_root,
    } = logged.said
    else {
        return Err(broken("an event proposes nothing"));
    };
    let sent = chain.sent(logged.tx_hash).await?;
    let strange = |why: &str| {
        broken(format!(
            "transaction {} of proposal {number} {why}",
            logged.tx_hash
        ))
    };
    let sent = sent.ok_or_else(|| strange("is not known to the node"))?;
    // A proposal through another contract would hide its changes; the operator is a plain key.
    if sent.to != Some(vault) || sent.value != U256::ZERO {
        return Err(strange("does not call the vault itself"));
    }
    let call = StakeVault::proposeBatchCall::abi_decode(&sent.input)
        .map_err(|_| strange("has no call data of a proposal"))?;
    let changes = changes::unpack(&call.changes).map_err(|error| strange(&error.to_string()))?;
    if call.seq != seq {
        return Err(strange("proposes another batch than its event says"));
    }
    Ok(Proposal {
        number,
        seq,
        new_root,
        prev_root: call.prevRoot,
        new_top: call.newTop,
        burned: call.burned,
        pool_used: call.poolUsed,
        reveals: call.reveals,
        changes,
        record_hash: call.recordHash,
        tx_hash: logged.tx_hash,
        block: logged.block,
        fate: Fate::Pending,
    })
}

fn broken(what: impl Into<String>) -> RecordError {
    RecordError::History(what.into())
}
