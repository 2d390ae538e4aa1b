//! The receipt that the server signs for a stored prediction (EIP-712). The domain binds it to the
//! chain and the registry, the struct to the round.

use alloy_primitives::{Address, B256};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain, sol};

sol! {
    /// `roundId` as on the chain, `model` the server's model id, probabilities in ppm (posted, and
    /// counted after the clamp), the stake in units of 1e-9 token if one was named, `sequence`
    /// strictly increasing per server, `receivedAtUs` microseconds UTC by the server's receive
    /// clock. `stakeCountedUnits` is what the model would have risked, had the round locked then.
    /// `seal` is 0 of an open prediction; the receipts of a seal and of what opened it both name it.
    /// While it is sealed, probabilities and stake are 0: the server does not know them.
    #[derive(Debug, PartialEq, Eq)]
    struct PredictionReceipt {
        bytes32 roundId;
        string model;
        uint32 countedPpm;
        uint32 postedPpm;
        bool stakeNamed;
        uint64 stakeUnits;
        uint64 sequence;
        uint64 receivedAtUs;
        uint64 stakeCountedUnits;
        bytes32 seal;
    }
}

/// The EIP-712 domain of everything the server signs about rounds.
#[must_use]
pub const fn domain(chain_id: u64, registry: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Foretoken",
        version: "1",
        chain_id: chain_id,
        verifying_contract: registry,
    }
}

/// The hash to sign.
#[must_use]
pub fn signing_hash(receipt: &PredictionReceipt, chain_id: u64, registry: Address) -> B256 {
    receipt.eip712_signing_hash(&domain(chain_id, registry))
}
