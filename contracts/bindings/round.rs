//! Hashes of a round: its id, its commitment, the seal of a sealed prediction, and the hash of the
//! reveals that a proposal stores.

use alloy_primitives::{Address, B256, FixedBytes, U256, keccak256};
use alloy_sol_types::SolValue;

use crate::abi::Reveal;

/// Bytes of a commitment that the registry keeps; the event has all of it.
pub type KeptCommitment = FixedBytes<28>;

/// keccak256(abi.encode(chainId, registry, tournament, T)), T in seconds.
#[must_use]
pub fn round_id(chain_id: u64, registry: Address, tournament: B256, starts_at: u64) -> B256 {
    keccak256(
        (
            U256::from(chain_id),
            registry,
            tournament,
            U256::from(starts_at),
        )
            .abi_encode(),
    )
}

/// keccak256(0x03 ‖ roundId ‖ root ‖ salt), root being that of the prediction tree.
#[must_use]
pub fn commitment(round_id: B256, root: B256, salt: B256) -> B256 {
    keccak256([&[3], round_id.as_slice(), root.as_slice(), salt.as_slice()].concat())
}

/// The part of a commitment that the registry answers with.
#[must_use]
pub fn kept(commitment: B256) -> KeptCommitment {
    let [ref first @ .., _, _, _, _] = commitment.0;
    FixedBytes(*first)
}

/// keccak256(0x04 ‖ roundId ‖ index u32 ‖ w u64 ‖ p u32 ‖ salt), w in units, p in ppm.
#[must_use]
pub fn seal(round_id: B256, index: u32, w: u64, p: u32, salt: B256) -> B256 {
    let bytes = [
        &[4],
        round_id.as_slice(),
        &index.to_be_bytes(),
        &w.to_be_bytes(),
        &p.to_be_bytes(),
        salt.as_slice(),
    ];
    keccak256(bytes.concat())
}

/// What a proposal stores of its reveals: keccak256 of their ABI words, eight to a reveal.
#[must_use]
pub fn reveals_hash(reveals: &[Reveal]) -> B256 {
    let words: Vec<u8> = reveals.iter().flat_map(SolValue::abi_encode).collect();
    keccak256(words)
}
