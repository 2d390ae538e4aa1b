//! What is to be done about a proposal: nothing, a veto, or a challenge that proves it wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use alloy::primitives::{Address, B256, Bytes};
use alloy::sol_types::SolCall;
use contracts::abi::{Fault, Reveal, StakeVault};
use contracts::fault::{self, ClaimedNode, Leaves, RevealedRound};
use contracts::ledger::Ledger;
use contracts::tree::{PredictionLeaf, PredictionTree};

use crate::chain::{Chain, ChainError};
use crate::record::format::RoundFile;
use crate::record::{
    Difference, History, Loaded, Proposal, RecordError, Source, check_loaded, load_proposal,
};

/// So many differences are told; there may be one for each model.
const MOST_TOLD: usize = 20;

/// What follows for a pending proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything follows from the record and the chain.
    Follows,
    /// The record cannot be had, at least not yet: a guardian vetoes what stays so.
    Unknown {
        /// Why.
        why: String,
    },
    /// Something does not follow, and the contract cannot be shown what.
    Differs {
        /// What, the first ones.
        differences: Vec<String>,
    },
    /// The contract itself says that something is wrong.
    Provable {
        /// What it says.
        fault: Fault,
        /// Call data of the vault that makes it say so.
        call: Bytes,
        /// What differs, the first ones.
        differences: Vec<String>,
    },
}

/// A verdict and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The vault's count of proposals.
    pub number: u32,
    /// Its place in the sequence.
    pub seq: u64,
    /// The root that it would make.
    pub root: B256,
    /// When it was proposed, seconds.
    pub proposed_at_s: u64,
    /// What follows.
    pub verdict: Verdict,
}

impl Judged {
    /// Whether a guardian that sees this acts, now or before the window ends.
    #[must_use]
    pub fn is_to_be_stopped(&self) -> bool {
        self.verdict != Verdict::Follows
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, seq) = (self.number, self.seq);
        match &self.verdict {
            Verdict::Follows => write!(f, "proposal {number} of batch {seq} follows"),
            Verdict::Unknown { why } => {
                write!(
                    f,
                    "proposal {number} of batch {seq} cannot be checked: {why}"
                )
            }
            Verdict::Differs { differences } => {
                let told = differences.join("; ");
                write!(
                    f,
                    "proposal {number} of batch {seq} does not follow: {told}"
                )
            }
            Verdict::Provable {
                fault, differences, ..
            } => {
                let told = differences.join("; ");
                write!(
                    f,
                    "proposal {number} of batch {seq} is provably wrong, {fault}: {told}"
                )
            }
        }
    }
}

/// What a verdict is made from.
pub(super) struct Case<'a> {
    pub(super) chain: &'a Chain,
    pub(super) source: &'a Source,
    pub(super) history: &'a History,
    pub(super) proposal: &'a Proposal,
    pub(super) fault_proof: Address,
}

impl Case<'_> {
    /// Judges.
    ///
    /// # Errors
    /// [`ChainError`] for the node's trouble: nothing is known then.
    pub(super) async fn judge(&self) -> Result<Verdict, ChainError> {
        let (history, proposal) = (self.history, self.proposal);
        let unknown = |error: RecordError| match error {
            RecordError::Chain(error) => Err(error),
            error => Ok(Verdict::Unknown {
                why: error.to_string(),
            }),
        };
        let loaded = match load_proposal(self.source, history, proposal).await {
            // Bytes that the chain vouches for and that are no batch file.
            Err(error @ RecordError::Unreadable { .. }) => {
                let differences = vec![error.to_string()];
                return Ok(Verdict::Differs { differences });
            }
            Err(error) => return unknown(error),
            Ok(loaded) => loaded,
        };
        let report = match check_loaded(&loaded, self.chain, history, proposal).await {
            Err(error) => return unknown(error),
            Ok(report) => report,
        };
        let provable = self.provable(&loaded, &report.differences).await?;
        let differences: Vec<String> = report
            .differences
            .iter()
            .take(MOST_TOLD)
            .map(Difference::to_string)
            .collect();
        Ok(match provable {
            Some((fault, call)) => Verdict::Provable {
                fault,
                call,
                differences,
            },
            None if differences.is_empty() => Verdict::Follows,
            None => Verdict::Differs { differences },
        })
    }

    /// A call that makes the contract reject the proposal, if the published leaves give one.
    async fn provable(
        &self,
        loaded: &Loaded,
        differences: &[Difference],
    ) -> Result<Option<(Fault, Bytes)>, ChainError> {
        let published: Vec<(Reveal, Vec<PredictionLeaf>)> = self
            .proposal
            .reveals
            .iter()
            .map(|reveal| (reveal.clone(), leaves_of(reveal, &loaded.rounds)))
            .collect();
        let tournaments = self.tournaments(&published, differences).await?;
        if let Some(found) = self.foreign_leaf(&published, &tournaments).await? {
            return Ok(Some(found));
        }
        let Some((head, next)) = self.ledgers() else {
            return Ok(None);
        };
        let rounds: Vec<RevealedRound<'_>> = published
            .iter()
            .map(|(reveal, leaves)| RevealedRound {
                reveal: reveal.clone(),
                leaves: Leaves::Direction(leaves),
            })
            .collect();
        // The contract judges, so that no second rule can disagree with it.
        for (index, tournament) in suspects(self.proposal, differences, &tournaments) {
            let Ok(call) = fault::challenge(index, tournament, &head, &next, &rounds) else {
                return Ok(None);
            };
            let asked = fault::ask_model(self.history.vault(), &call);
            if let Some(fault) = self.ask(asked).await? {
                return Ok(Some((fault, call.abi_encode().into())));
            }
        }
        Ok(None)
    }

    /// The ledgers before and after, when the call data rebuilds the proposed root.
    fn ledgers(&self) -> Option<(Ledger, Ledger)> {
        let head = self.history.ledger_before(self.proposal.seq).ok()?;
        let mut next = head.clone();
        next.apply(&self.proposal.changes).ok()?;
        let is_whole = next.tree().ok()?.root() == self.proposal.new_root;
        is_whole.then_some((head, next))
    }

    /// The tournament of every model that the proposal speaks of; zero for an index that nobody
    /// registered.
    async fn tournaments(
        &self,
        published: &[(Reveal, Vec<PredictionLeaf>)],
        differences: &[Difference],
    ) -> Result<BTreeMap<u32, B256>, ChainError> {
        let leaves = published.iter().flat_map(|(_, leaves)| leaves);
        let mut indexes: BTreeSet<u32> = leaves.map(|leaf| leaf.index).collect();
        indexes.extend(self.proposal.changes.iter().map(|change| change.index));
        indexes.extend(differences.iter().filter_map(|one| one.model_index));
        let mut tournaments = BTreeMap::new();
        for index in indexes {
            let call = StakeVault::modelCall { index };
            let model = self.chain.view(self.history.vault(), &call, None).await?;
            tournaments.insert(index, model.tournament);
        }
        Ok(tournaments)
    }

    async fn foreign_leaf(
        &self,
        published: &[(Reveal, Vec<PredictionLeaf>)],
        tournaments: &BTreeMap<u32, B256>,
    ) -> Result<Option<(Fault, Bytes)>, ChainError> {
        for (place, (reveal, leaves)) in published.iter().enumerate() {
            let is_foreign =
                |leaf: &&PredictionLeaf| tournaments.get(&leaf.index) != Some(&reveal.tournament);
            let Some(leaf) = leaves.iter().find(is_foreign) else {
                continue;
            };
            let (Ok(tree), Ok(place)) = (PredictionTree::from_leaves(leaves), u16::try_from(place))
            else {
                continue;
            };
            let node = ClaimedNode::leaf(&tree, leaf);
            let reveals = self.proposal.reveals.clone();
            let call = fault::challenge_prediction_node(place, node, reveals);
            let asked = fault::ask_node(self.history.vault(), &call);
            if let Some(fault) = self.ask(asked).await? {
                return Ok(Some((fault, call.abi_encode().into())));
            }
        }
        Ok(None)
    }

    /// What the contract says of a claim; `None` when it finds nothing or refuses the claim.
    async fn ask(&self, input: Bytes) -> Result<Option<Fault>, ChainError> {
        let answer = match self.chain.call(self.fault_proof, input).await {
            Ok(answer) => answer,
            Err(ChainError::Rpc(error)) if error.is_error_resp() => return Ok(None),
            Err(error) => return Err(error),
        };
        let number = answer.last().copied().unwrap_or_default();
        Ok(Fault::try_from(number)
            .ok()
            .filter(|fault| *fault != Fault::None))
    }
}

/// The published leaves of a revealed round; none when its file is missing.
fn leaves_of(reveal: &Reveal, rounds: &[RoundFile]) -> Vec<PredictionLeaf> {
    let file = rounds
        .iter()
        .find(|file| (file.tournament_key, file.starts_at) == (reveal.tournament, reveal.startsAt));
    let rows = file.into_iter().flat_map(|file| &file.predictions);
    let leaf = |index, w, p| PredictionLeaf { index, w, p };
    let mut leaves: Vec<PredictionLeaf> = rows
        .filter_map(|row| row.index.map(|index| leaf(index, row.w, row.p)))
        .collect();
    leaves.sort_by_key(|leaf| leaf.index);
    leaves
}

/// Models worth asking about, those with a difference of their own first.
fn suspects(
    proposal: &Proposal,
    differences: &[Difference],
    tournaments: &BTreeMap<u32, B256>,
) -> Vec<(u32, B256)> {
    if differences.is_empty() {
        return Vec::new();
    }
    let named = differences.iter().filter_map(|one| one.model_index);
    let changed = proposal.changes.iter().map(|change| change.index);
    let mut seen = BTreeSet::new();
    named
        .chain(changed)
        .chain(tournaments.keys().copied())
        .filter(|index| seen.insert(*index))
        .map(|index| (index, tournaments.get(&index).copied().unwrap_or_default()))
        .collect()
}
