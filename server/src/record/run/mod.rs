//! The runs of a round's hosted models as a file of the record, one run of it, and what must follow
//! in it. Whether the model answers the same again is not asked here: nothing is executed.

mod check;

use alloy::primitives::{Address, B256, keccak256};
use contracts::round::round_id;
use contracts::runs::{
    self, Inclusion, InputBlock, ModelRun, RunReceipt, RunTree, Runtime, TreeKind,
};
use domain::timestamp::SECOND_US;
use domain::{ModelId, RoundId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// What the file of a round's runs calls itself.
pub const RUNS_FORMAT: &str = "foretoken-runs-1";
/// What one run calls itself.
pub const RUN_FORMAT: &str = "foretoken-run-1";

/// `rounds/<round>/runs.json`: the runs that a round's commitment holds.
#[must_use]
pub fn runs_path(round: &RoundId) -> String {
    format!("rounds/{round}/runs.json")
}

/// Which round, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The round.
    #[schema(value_type = String)]
    pub round: RoundId,
    /// The chain.
    pub chain_id: u64,
    /// RoundRegistry.
    #[schema(value_type = String)]
    pub registry: Address,
    /// T in seconds.
    pub starts_at: u64,
    /// The contracts' name of the round.
    #[schema(value_type = String)]
    pub chain_round: B256,
}

/// All runs of a round: what its commitment holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsFile {
    /// [`RUNS_FORMAT`].
    pub format: String,
    /// Which round.
    #[serde(flatten)]
    pub place: Place,
    /// What the models were given.
    pub input: InputRow,
    /// The models that were to run, by id.
    pub models: Vec<ModelRow>,
    /// Everything that ran one of them.
    pub runtimes: Vec<RuntimeRow>,
    /// The receipts with what they claim, by model id.
    pub runs: Vec<RanRow>,
    /// What the round's salt holds; null before the lock.
    pub committed: Option<CommittedRow>,
}

/// One run with everything that its check needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFile {
    /// `foretoken-run-1`.
    pub format: String,
    /// Which round.
    #[serde(flatten)]
    pub place: Place,
    /// The signed receipt.
    pub receipt: ReceiptRow,
    /// What ran the model; null when nothing did, or it did not say.
    pub runtime: Option<RuntimeRow>,
    /// What the model was given.
    pub input: InputRow,
    /// What it answered: float32, little-endian, one a row, hexadecimal; empty without an answer.
    pub output: String,
    /// Root over the models that were to run in the round.
    #[schema(value_type = String)]
    pub models_root: B256,
    /// Shows that this model with these digests is one of them.
    pub model_proof: ProofRow,
    /// What the round's salt holds: the commitment of before T stands for it. Null before the round
    /// is resolved.
    pub committed: Option<CommittedRow>,
    /// Shows that the receipt is under `committed.receipts_root`; null before the round is resolved,
    /// and for a receipt that came after the lock.
    pub receipt_proof: Option<ProofRow>,
}

/// A block of features.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputRow {
    /// Rows.
    pub rows: u64,
    /// Columns.
    pub columns: u64,
    /// The columns' names in their order.
    pub names: Vec<String>,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// float32, little-endian, row-major, hexadecimal.
    pub bytes: String,
}

/// A model that was to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRow {
    /// Its id.
    pub model: ModelId,
    /// SHA-256 of the uploaded file.
    pub artifact: String,
    /// SHA-256 of its canonical re-encoding; null where none was made.
    pub canonical: Option<String>,
}

/// What executed a model.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(default)]
pub struct RuntimeRow {
    /// The settings of execution by name: `cpu-v1`.
    pub profile: String,
    /// Version of ONNX Runtime.
    pub ort_version: String,
    /// SHA-256 of its library.
    pub library: String,
    /// The execution provider.
    pub provider: String,
    /// Its options, and those of the session.
    pub options: String,
    /// Class of the processor's instructions: `x86-64-v3`.
    pub isa: String,
    /// The runner's build.
    pub build: String,
    /// The sandbox level that the model's process reached.
    pub sandbox: String,
}

/// Our signed word about one run (EIP-712 `RunReceipt`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReceiptRow {
    /// Of all receipts of runs of this server, from 1, without gaps.
    pub sequence: u64,
    /// The round.
    #[schema(value_type = String)]
    pub round: RoundId,
    /// The model.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// SHA-256 of the uploaded file.
    pub model_digest: String,
    /// SHA-256 of its canonical re-encoding; null where none was made.
    pub canonical_digest: Option<String>,
    /// Root over what the model was given.
    #[schema(value_type = String)]
    pub input_root: B256,
    /// Root over what it answered.
    #[schema(value_type = String)]
    pub output_root: B256,
    /// Hash of what ran it; zero when nothing did.
    #[schema(value_type = String)]
    pub runtime_digest: B256,
    /// `ok`, why there is no answer, or `no-answer` when nothing came before the lock.
    pub status: String,
    /// Processor milliseconds of the model.
    pub cpu_ms: u64,
    /// When the server had the answer whole, market time; of `no-answer` the moment of the lock.
    pub finished_at: String,
    /// The same in microseconds; this is signed.
    pub finished_us: u64,
    /// The runner that answered; empty when none did.
    pub runner: String,
    /// EIP-712 hash that is signed.
    #[schema(value_type = String)]
    pub hash: B256,
    /// 65 bytes.
    pub signature: String,
    /// Who signed.
    #[schema(value_type = String)]
    pub signer: Address,
}

/// A receipt and the answer that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RanRow {
    /// The receipt.
    pub receipt: ReceiptRow,
    /// float32, little-endian, one a row, hexadecimal.
    pub output: String,
    /// Whether the lock found it: it is under the receipts' root.
    pub in_time: bool,
}

/// What the salt of a round's commitment is made of, beside models root and input root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommittedRow {
    /// Hid the roots until the outcome.
    #[schema(value_type = String)]
    pub seed: B256,
    /// Root over the receipts that the lock found.
    #[schema(value_type = String)]
    pub receipts_root: B256,
    /// keccak256(0x05 ‖ seed ‖ models root ‖ input root ‖ receipts root): the salt of the commitment.
    #[schema(value_type = String)]
    pub salt: B256,
}

/// An inclusion proof in a tree of runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProofRow {
    /// The leaf's position, from 0.
    pub index: u64,
    /// Leaves of the tree.
    pub count: u64,
    /// The neighbour at each level that has one, from the leaf up.
    #[schema(value_type = Vec<String>)]
    pub siblings: Vec<B256>,
}

impl From<Inclusion> for ProofRow {
    fn from(proof: Inclusion) -> Self {
        Self {
            index: proof.index,
            count: proof.count,
            siblings: proof.siblings,
        }
    }
}

impl ProofRow {
    fn verify(&self, kind: TreeKind, root: B256, leaf: B256) -> bool {
        let proof = Inclusion {
            index: self.index,
            count: self.count,
            siblings: self.siblings.clone(),
        };
        proof.verify(kind, root, leaf)
    }
}

impl RuntimeRow {
    /// Its hash; `None` when the library's digest is none.
    #[must_use]
    pub fn digest(&self) -> Option<B256> {
        Some(runs::runtime_digest(&Runtime {
            profile: self.profile.clone(),
            ortVersion: self.ort_version.clone(),
            library: sha256_of(&self.library)?,
            provider: self.provider.clone(),
            options: self.options.clone(),
            isa: self.isa.clone(),
            build: self.build.clone(),
            sandbox: self.sandbox.clone(),
        }))
    }
}

impl InputRow {
    /// The root over it and the SHA-256 of its bytes; `None` when it is no whole block.
    #[must_use]
    pub fn root(&self) -> Option<(B256, B256)> {
        let bytes = hex::decode(&self.bytes).ok()?;
        let length = self.rows.checked_mul(self.columns)?.checked_mul(4)?;
        if u64::try_from(bytes.len()) != Ok(length) {
            return None;
        }
        let sha256 = B256::from_slice(&Sha256::digest(&bytes));
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let root = runs::input_root(&InputBlock {
            rows: self.rows,
            columns: self.columns,
            names: &names,
            sha256,
            bytes: &bytes,
        });
        Some((root, sha256))
    }
}

impl ModelRow {
    /// As its leaf holds it; `None` when a digest is none.
    #[must_use]
    pub fn run(&self) -> Option<ModelRun> {
        Some(ModelRun {
            model: self.model.to_string(),
            artifact: sha256_of(&self.artifact)?,
            canonical: canonical_of(self.canonical.as_deref())?,
        })
    }
}

impl ReceiptRow {
    /// As it is signed; `None` when a digest is none.
    #[must_use]
    pub fn typed(&self, chain_round: B256) -> Option<RunReceipt> {
        Some(RunReceipt {
            roundId: chain_round,
            model: self.model.to_string(),
            modelDigest: sha256_of(&self.model_digest)?,
            canonicalDigest: canonical_of(self.canonical_digest.as_deref())?,
            inputRoot: self.input_root,
            outputRoot: self.output_root,
            runtimeDigest: self.runtime_digest,
            status: self.status.clone(),
            cpuMs: self.cpu_ms,
            finishedAtUs: self.finished_us,
            runner: self.runner.clone(),
            sequence: self.sequence,
        })
    }
}

impl Place {
    /// A round of a registry.
    #[must_use]
    pub fn of(round: &RoundId, chain_id: u64, registry: Address) -> Self {
        let seconds = round.start_us().checked_div(SECOND_US);
        let starts_at = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let starts_at = starts_at.unwrap_or_default();
        let tournament = keccak256(round.tournament().as_str());
        Self {
            round: round.clone(),
            chain_id,
            registry,
            starts_at,
            chain_round: round_id(chain_id, registry, tournament, starts_at),
        }
    }
}

impl RunsFile {
    /// The tree over the models; `None` when a digest is none.
    #[must_use]
    pub fn models_tree(&self) -> Option<RunTree> {
        let leaves = self.models.iter();
        let leaves = leaves.map(|row| row.run().map(|run| runs::model_leaf(&run)));
        Some(RunTree::new(
            TreeKind::Models,
            leaves.collect::<Option<_>>()?,
        ))
    }

    /// The tree over the receipts that the lock found.
    #[must_use]
    pub fn receipts_tree(&self) -> RunTree {
        let leaves = self.in_time();
        let leaves =
            leaves.map(|row| runs::receipt_leaf(row.receipt.model.as_str(), row.receipt.hash));
        RunTree::new(TreeKind::Receipts, leaves.collect())
    }

    fn in_time(&self) -> impl Iterator<Item = &RanRow> {
        self.runs.iter().filter(|row| row.in_time)
    }

    /// One model's run; `None` when it has none.
    #[must_use]
    pub fn run(&self, model: &ModelId) -> Option<RunFile> {
        let ran = self.runs.iter().find(|row| row.receipt.model == *model)?;
        let models = self.models_tree()?;
        let at = self.models.iter().position(|row| row.model == *model)?;
        let digest = ran.receipt.runtime_digest;
        let receipt_proof = self.committed.as_ref().and_then(|_| {
            let mut in_time = self.in_time();
            let at = in_time.position(|row| row.receipt.model == *model)?;
            self.receipts_tree().inclusion(at).map(ProofRow::from)
        });
        Some(RunFile {
            format: RUN_FORMAT.to_owned(),
            place: self.place.clone(),
            receipt: ran.receipt.clone(),
            runtime: self
                .runtimes
                .iter()
                .find(|runtime| runtime.digest() == Some(digest))
                .cloned(),
            input: self.input.clone(),
            output: ran.output.clone(),
            models_root: models.root(),
            model_proof: models.inclusion(at)?.into(),
            committed: self.committed.clone(),
            receipt_proof,
        })
    }
}

/// float32 values of a hexadecimal block.
#[must_use]
pub fn answers(block: &str) -> Option<Vec<f32>> {
    let bytes = hex::decode(block).ok()?;
    let (chunks, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| {
        chunks
            .iter()
            .map(|four| f32::from_le_bytes(*four))
            .collect()
    })
}

/// 64 hexadecimal digits without `0x`, as files are named.
fn sha256_of(text: &str) -> Option<B256> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(B256::from(bytes))
}

/// Zero stands for none.
fn canonical_of(text: Option<&str>) -> Option<B256> {
    text.map_or(Some(B256::ZERO), sha256_of)
}
