//! The combined forecast of a round as typed data (EIP-712): what signers sign and what
//! `AggregateVerifier` checks. The struct is that of the contract's calls.
//!
//! This module hashes and orders; it must never hold a key.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};

pub use crate::abi::Aggregate;

/// Bytes of a signature: r, s, v.
pub const SIGNATURE_BYTES: usize = 65;

/// The EIP-712 domain of forecasts: another chain and another verifier have another.
#[must_use]
pub const fn domain(chain_id: u64, verifier: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Foretoken aggregate",
        version: "1",
        chain_id: chain_id,
        verifying_contract: verifier,
    }
}

/// The hash to sign; `AggregateVerifier.hashOf` says the same.
#[must_use]
pub fn signing_hash(aggregate: &Aggregate, chain_id: u64, verifier: Address) -> B256 {
    aggregate.eip712_signing_hash(&domain(chain_id, verifier))
}

/// The signatures as the contract wants them: by ascending signer, each signer once.
#[must_use]
pub fn ordered(mut signed: Vec<(Address, [u8; SIGNATURE_BYTES])>) -> Vec<Bytes> {
    signed.sort_unstable();
    signed.dedup_by_key(|(signer, _)| *signer);
    let bytes = |(_, signature): (Address, [u8; SIGNATURE_BYTES])| Bytes::from(signature);
    signed.into_iter().map(bytes).collect()
}
