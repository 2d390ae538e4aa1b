//! What a wallet signs to act on the server without an API key (EIP-712). The domain is that of the
//! receipts, so a request holds on one chain and one registry alone; the kind of a request is in its
//! type; the account, the model or the round that it is about is in its fields.

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolStruct, sol};

use crate::receipt::domain;

sol! {
    /// A prediction. `roundId` as on the chain, `model` the server's model id, p in ppm as posted,
    /// the stake in units of 1e-9 token if one is named, else 0. `seal` alone: sealed; `salt` not
    /// zero: the opening of a seal; both zero: open. `nonce` grows within a model and round.
    #[derive(Debug, PartialEq, Eq)]
    struct Prediction {
        bytes32 roundId;
        string model;
        uint32 postedPpm;
        bool stakeNamed;
        uint64 stakeUnits;
        bytes32 seal;
        bytes32 salt;
        uint64 nonce;
    }

    /// Opens the account of a wallet, or makes another key of it when it is open.
    #[derive(Debug, PartialEq, Eq)]
    struct OpenAccount {
        string name;
        address wallet;
        uint64 issuedAtUs;
        bytes32 nonce;
    }

    /// Gives the wallet to an account that has none.
    #[derive(Debug, PartialEq, Eq)]
    struct LinkWallet {
        string account;
        address wallet;
        uint64 issuedAtUs;
        bytes32 nonce;
    }

    /// Makes an API key of the wallet's account. `expiresAtS` 0: it does not expire; no `addresses`:
    /// it works from everywhere.
    #[derive(Debug, PartialEq, Eq)]
    struct CreateKey {
        address wallet;
        string name;
        string[] scopes;
        uint64 expiresAtS;
        string[] addresses;
        uint64 issuedAtUs;
        bytes32 nonce;
    }

    /// Lets the key of `session` sign predictions of the account's models until `expiresAtS`.
    #[derive(Debug, PartialEq, Eq)]
    struct DelegateSession {
        address session;
        string account;
        uint64 expiresAtS;
        uint64 issuedAtUs;
        bytes32 nonce;
    }
}

/// The hash to sign.
#[must_use]
pub fn signing_hash<T: SolStruct>(request: &T, chain_id: u64, registry: Address) -> B256 {
    request.eip712_signing_hash(&domain(chain_id, registry))
}
