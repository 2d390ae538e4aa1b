//! The files of the public record, as they are written and read. Amounts and wide numbers are
//! decimal texts in units of 1e-9 token, scores integers of 1e-9, probabilities ppm: no float.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use alloy::primitives::{Address, B256, keccak256};
use domain::{RoundId, Tournament, TournamentId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a batch file calls itself.
pub const BATCH_FORMAT: &str = "foretoken-batch-1";
/// What a round file calls itself.
pub const ROUND_FORMAT: &str = "foretoken-round-1";

/// Lists every batch file; changes with each batch.
pub const INDEX_PATH: &str = "index.json";
/// Says which contracts and which receipt signers the record is about.
pub const DEPLOYMENT_PATH: &str = "deployment.json";

/// keccak256 of a file's bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> B256 {
    keccak256(bytes)
}

/// `batches/<vault>/<seq>-<attempt>.json`.
#[must_use]
pub fn batch_path(vault: Address, seq: i64, attempt: i64) -> String {
    format!("batches/{vault:#x}/{seq}-{attempt}.json")
}

/// `rounds/<round>/<16 digits of its keccak256>.json`: another content is another file.
#[must_use]
pub fn round_path(round: &RoundId, digest: B256) -> String {
    let digits: String = hex::encode(digest).chars().take(16).collect();
    format!("rounds/{round}/{digits}.json")
}

/// Names the newest batch that holds the round.
#[must_use]
pub fn pointer_path(round: &RoundId) -> String {
    format!("rounds/{round}/batch.json")
}

/// The price evidence, byte for byte as it was hashed.
#[must_use]
pub fn evidence_path(round: &RoundId) -> String {
    format!("rounds/{round}/evidence.json")
}

/// The rule of a tournament, byte for byte as the operator entered it.
#[must_use]
pub fn rule_path(tournament: &TournamentId) -> String {
    format!("tournaments/{tournament}.toml")
}

/// Whether a file never changes once it is there: all but the index, the deployment and what names
/// a round's newest batch.
#[must_use]
pub fn is_fixed(path: &str) -> bool {
    path != INDEX_PATH && path != DEPLOYMENT_PATH && !path.ends_with("/batch.json")
}

/// A file of the record and the keccak256 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Relative to the record's folder.
    pub file: String,
    /// keccak256 of the bytes.
    pub keccak256: B256,
}

/// `index.json`: every batch file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// By vault, seq and attempt.
    pub batches: Vec<IndexEntry>,
}

/// One batch of the index.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The vault.
    pub vault: Address,
    /// Its place in the vault's sequence.
    pub seq: i64,
    /// Counts the batches that tried this place.
    pub attempt: i64,
    /// How many rounds it settles.
    pub rounds: usize,
    /// Its file.
    pub file: String,
    /// keccak256 of its file: the `recordHash` of its proposal.
    pub keccak256: B256,
}

/// `rounds/<round>/batch.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The newest batch file that holds the round.
    pub batch: String,
}

/// `deployment.json`. What it says of the chain is checked against the chain; the receipt signers
/// are the operator's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentFile {
    /// The chain.
    pub chain_id: u64,
    /// RoundRegistry.
    pub registry: Address,
    /// The vault of each kind of tournament: `direction`.
    pub vaults: BTreeMap<String, Address>,
    /// No event of these contracts is older than this block.
    pub deployed_block: u64,
    /// Every address that has signed receipts here.
    pub receipt_signers: Vec<Address>,
    /// Address of the node, when it is a development chain of this computer.
    pub rpc: Option<String>,
    /// Every tournament.
    pub tournaments: Vec<TournamentRef>,
    /// All that the operator knows of the contracts and their parameters.
    pub contracts: serde_json::Value,
}

/// A tournament of the deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TournamentRef {
    /// Its id.
    pub id: TournamentId,
    /// The contracts' name of it: keccak256 of the id.
    pub key: B256,
    /// SHA-256 of the rule file, as the registry holds it.
    pub rule_hash: B256,
    /// The rule file.
    pub file: String,
}

/// A batch: its keccak256 stands on the chain, and everything else hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    /// [`BATCH_FORMAT`].
    pub format: String,
    /// The chain.
    pub chain_id: u64,
    /// RoundRegistry.
    pub registry: Address,
    /// The vault that it is proposed to.
    pub vault: Address,
    /// Its place in the vault's sequence.
    pub seq: i64,
    /// Counts the batches that tried this place.
    pub attempt: i64,
    /// Root of the ledger before it.
    pub prev_root: B256,
    /// Hash of the ledger's top node after it.
    pub new_top: B256,
    /// Root of the ledger after it.
    pub new_root: B256,
    /// What burns.
    #[serde(with = "text")]
    pub burned: u64,
    /// What it takes from the pool.
    #[serde(with = "text")]
    pub pool_used: u64,
    /// What it changes, by ascending index.
    pub changes: Vec<ChangeRow>,
    /// Its rounds by T and tournament, void ones too.
    pub rounds: Vec<RoundRef>,
}

/// One changed entry of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// Model index.
    pub index: u32,
    /// Sum of its D.
    #[serde(with = "text")]
    pub stake_delta: i64,
    /// Sum of its fee shares.
    #[serde(with = "text")]
    pub pool_reward: u64,
}

/// A round of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundRef {
    /// The round.
    pub round: RoundId,
    /// `up`, `down` or `void`.
    pub outcome: String,
    /// Why it is void; empty otherwise.
    pub void_reason: String,
    /// Its file.
    #[serde(flatten)]
    pub at: FileRef,
}

/// Everything about one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoundFile {
    /// [`ROUND_FORMAT`].
    pub format: String,
    /// The round.
    pub round: RoundId,
    /// The chain.
    pub chain_id: u64,
    /// RoundRegistry.
    pub registry: Address,
    /// The contracts' name of the tournament.
    pub tournament_key: B256,
    /// T in seconds, as the contracts count it.
    pub starts_at: u64,
    /// The contracts' name of the round.
    pub chain_round: B256,
    /// The rule file.
    pub rule_file: String,
    /// SHA-256 of the rule file, as the registry holds it.
    pub rule_hash: B256,
    /// The rule file as read, every default written out.
    pub rule: Tournament,
    /// `up`, `down` or `void`.
    pub outcome: String,
    /// Why it is void; empty otherwise.
    pub void_reason: String,
    /// Published price at the start; null when void.
    pub p0: Option<String>,
    /// Published price at the end; null when void.
    pub p1: Option<String>,
    /// Median return in 1e-12, floored.
    pub return_e12: Option<i64>,
    /// The price evidence; null when the round was void before it closed.
    pub evidence: Option<FileRef>,
    /// W, the sum of all w.
    #[serde(rename = "W", with = "text")]
    pub total_w: u64,
    /// P, the sum of all w·p.
    #[serde(rename = "P", with = "text")]
    pub total_p: u128,
    /// Hash of the prediction tree's top node.
    pub top: B256,
    /// Root of the prediction tree.
    pub root: B256,
    /// Hid the root until now.
    pub salt: B256,
    /// What was committed before T.
    pub commitment: B256,
    /// The mean of the public reference models' counted p; null when void.
    pub reference_ppm: Option<u32>,
    /// What burns.
    #[serde(with = "text")]
    pub burned: u64,
    /// What the round counted, by model id, those without a stake too.
    pub predictions: Vec<PredictionRow>,
    /// Sealed and never revealed: absent from the round. By model id; left out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub never_revealed: Vec<UnopenedRow>,
    /// The runs of hosted models that the salt holds; absent in a round without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<RunsRef>,
}

/// What a round's salt holds of its hosted models' runs, and the file of the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsRef {
    /// Root over the models that were to run.
    pub models_root: B256,
    /// Root over what they were given.
    pub input_root: B256,
    /// Root over the receipts that the lock found.
    pub receipts_root: B256,
    /// Hid the roots; the round's salt is keccak256(0x05 ‖ seed ‖ the three roots).
    pub seed: B256,
    /// The file.
    #[serde(flatten)]
    pub at: FileRef,
}

/// What a round counted of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionRow {
    /// The model.
    pub model: String,
    /// Its leaf's position; null when it was scored, not staked.
    pub index: Option<u32>,
    /// Stake at risk.
    #[serde(with = "text")]
    pub w: u64,
    /// Counted p, ppm.
    pub p: u32,
    /// p as posted, ppm.
    pub posted: u32,
    /// The number of the prediction that counts: an earlier receipt was replaced.
    pub sequence: i64,
    /// The seal that hid it until it was revealed; left out of an open prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealRow>,
    /// Whether it is a public reference model.
    pub is_reference: bool,
    /// Its scores; null when the round is void.
    pub scores: Option<ScoreRow>,
    /// What the round adds to its skill memory before it fades; null without a stake or when void.
    pub skill: Option<SkillRow>,
    /// D, what the round pays or takes.
    #[serde(rename = "D", with = "text")]
    pub delta: i64,
    /// Its share of buyers' money.
    #[serde(with = "text")]
    pub fee_share: u64,
}

/// A seal that was opened: keccak256(0x04 ‖ chain_round ‖ index ‖ w ‖ posted p ‖ salt).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRow {
    /// The commitment.
    pub seal: B256,
    /// Hid it.
    pub salt: B256,
    /// The index that it was made with; 4294967295 for a model without a place in the vault.
    pub index: u32,
    /// The stake that it names, units; 18446744073709551615 for none.
    #[serde(with = "text")]
    pub w: u64,
    /// The number of the seal; that of the prediction is of what opened it.
    pub sequence: i64,
}

/// A seal that was its model's latest prediction and that nobody opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnopenedRow {
    /// The model.
    pub model: String,
    /// The commitment.
    pub seal: B256,
    /// The number of the seal.
    pub sequence: i64,
}

/// Scores in 1e-9; higher is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreRow {
    /// 1 − (p − y)².
    pub brier: i64,
    /// ln p(y).
    pub log: i64,
    /// Brier score less that of one half.
    pub skill_half: i64,
    /// Brier score less that of everybody else's stake-weighted mean; null without such a mean.
    pub skill_crowd: Option<i64>,
}

/// Exact differences of scores in 1e-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkillRow {
    /// Score less that of one half.
    #[serde(with = "text")]
    pub e_half: i64,
    /// Score less that of the reference models' mean.
    #[serde(with = "text")]
    pub e_reference: i64,
}

/// The bytes of a file: indented JSON with a final line break, the same for the same content.
///
/// # Errors
/// When it cannot be written as JSON, which nothing of this format does.
pub fn bytes_of(content: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(content)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Numbers that JSON readers may round, as decimal texts.
mod text {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        number: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| serde::de::Error::custom(format!("{text:?} is not such a number")))
    }
}
