//! The receipt of one run and the description of what ran it, as typed data (EIP-712).

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolStruct, sol};

use crate::receipt::domain;

sol! {
    /// What executed a model. `profile` names the settings of execution (`cpu-v1`), `library` is the
    /// SHA-256 of the ONNX Runtime file, `provider` the execution provider, `options` its options,
    /// `isa` the class of the processor's instructions (`x86-64-v3`), `build` the runner's version,
    /// `sandbox` the level that the model's process reached.
    #[derive(Debug, PartialEq, Eq)]
    struct Runtime {
        string profile;
        string ortVersion;
        bytes32 library;
        string provider;
        string options;
        string isa;
        string build;
        string sandbox;
    }

    /// `roundId` as on the chain, `model` the server's model id, `modelDigest` the SHA-256 of the
    /// uploaded file, `canonicalDigest` that of its canonical re-encoding (zero: none was made),
    /// `inputRoot` and `outputRoot` the trees of [`crate::runs`], `runtimeDigest` the hash of
    /// [`Runtime`] (zero: nothing ran), `status` `ok` or why there is no answer, `cpuMs` processor
    /// milliseconds of the model, `finishedAtUs` when the server had the answer whole, market
    /// microseconds UTC, `runner` the name of the runner (empty: none answered), `sequence` the
    /// receipt's number: of all receipts of runs of one server, from 1, without gaps.
    #[derive(Debug, PartialEq, Eq)]
    struct RunReceipt {
        bytes32 roundId;
        string model;
        bytes32 modelDigest;
        bytes32 canonicalDigest;
        bytes32 inputRoot;
        bytes32 outputRoot;
        bytes32 runtimeDigest;
        string status;
        uint64 cpuMs;
        uint64 finishedAtUs;
        string runner;
        uint64 sequence;
    }
}

/// The hash of the runtime's description (EIP-712 `hashStruct`).
#[must_use]
pub fn runtime_digest(runtime: &Runtime) -> B256 {
    runtime.eip712_hash_struct()
}

/// The hash to sign, in the domain of prediction receipts.
#[must_use]
pub fn signing_hash(receipt: &RunReceipt, chain_id: u64, registry: Address) -> B256 {
    receipt.eip712_signing_hash(&domain(chain_id, registry))
}
