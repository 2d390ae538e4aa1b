//! Creation code with its constructor arguments: the data of a deploying transaction. Order of a
//! deployment: token (or an existing one), registry, fault proof, vaults, then `registerTournament`;
//! after that the subscriptions and `addFeed` for each feed on sale. The verifier needs no other
//! contract.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::SolConstructor;

use crate::abi::{
    AggregateVerifier, FaultProof, ForeToken, RoundRegistry, Settings, StakeVault,
    SubscriptionSettings, Subscriptions,
};

/// Creation code of the development token.
///
/// `supply` in wei goes to `holder`.
#[must_use]
pub fn fore_token(holder: Address, supply: U256) -> Bytes {
    let arguments = ForeToken::constructorCall { holder, supply }.abi_encode();
    join(&ForeToken::BYTECODE, &arguments)
}

/// Creation code of the round registry.
#[must_use]
pub fn round_registry(owner: Address, committer: Address) -> Bytes {
    let arguments = RoundRegistry::constructorCall {
        owner,
        committer_: committer,
    };
    join(&RoundRegistry::BYTECODE, &arguments.abi_encode())
}

/// Creation code of the contract that judges challenges. One serves any number of vaults.
#[must_use]
pub fn fault_proof() -> Bytes {
    FaultProof::BYTECODE.clone()
}

/// Creation code of a stake vault. The constructor demands
/// `delay > settleBy + 3 · window + margin`, all seconds.
#[must_use]
pub fn stake_vault(settings: Settings) -> Bytes {
    let arguments = StakeVault::constructorCall { settings };
    join(&StakeVault::BYTECODE, &arguments.abi_encode())
}

/// Creation code of the contract that sells subscriptions. Token and registry are those of the
/// vaults; `notice` in seconds, the fee in ppm.
#[must_use]
pub fn subscriptions(settings: SubscriptionSettings) -> Bytes {
    let arguments = Subscriptions::constructorCall { settings };
    join(&Subscriptions::BYTECODE, &arguments.abi_encode())
}

/// Creation code of the verifier of forecasts: ages and delays in seconds, the signers by strictly
/// ascending address, `threshold` of them have to sign.
#[must_use]
pub fn aggregate_verifier(
    owner: Address,
    maximum_age: u32,
    signers_delay: u32,
    signers: Vec<Address>,
    threshold: U256,
) -> Bytes {
    let arguments = AggregateVerifier::constructorCall {
        owner,
        maximumAge_: maximum_age,
        signersDelay_: signers_delay,
        signers_: signers,
        threshold_: threshold,
    };
    join(&AggregateVerifier::BYTECODE, &arguments.abi_encode())
}

fn join(bytecode: &Bytes, arguments: &[u8]) -> Bytes {
    [bytecode.as_ref(), arguments].concat().into()
}
