//! Why a contract refuses a call: the custom errors of our contracts, read from the node's answer.

use std::fmt;

use alloy::primitives::Bytes;
use alloy::sol_types::SolInterface;
use alloy::transports::TransportError;
use contracts::abi::fore_token::ForeToken::ForeTokenErrors;
use contracts::abi::round_registry::RoundRegistry::RoundRegistryErrors;
use contracts::abi::stake_vault::StakeVault::StakeVaultErrors;

/// A contract's refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The error's name as the contract has it; `unknown` for one that is not of our contracts.
    pub name: String,
    /// The name with its values.
    pub text: String,
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The refusal in a node's error, if a contract said it.
pub(super) fn of(error: &TransportError) -> Option<Revert> {
    let data = error.as_error_resp()?.as_revert_data()?;
    Some(decode(&data))
}

fn decode(data: &Bytes) -> Revert {
    let known = StakeVaultErrors::abi_decode(data)
        .map(|error| format!("{error:?}"))
        .or_else(|_| RoundRegistryErrors::abi_decode(data).map(|error| format!("{error:?}")))
        .or_else(|_| ForeTokenErrors::abi_decode(data).map(|error| format!("{error:?}")));
    let Ok(shown) = known else {
        return Revert {
            name: "unknown".to_owned(),
            text: format!("an unknown error {data}"),
        };
    };
    // `WrongSeq(WrongSeq { seq: 2, expected: 1 })`: the variant, and in it the error itself.
    let (name, inner) = shown.split_once('(').unwrap_or((&shown, &shown));
    Revert {
        name: name.to_owned(),
        text: inner.strip_suffix(')').unwrap_or(inner).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::B256;
    use alloy::sol_types::SolError;
    use contracts::abi::{ForeToken, RoundRegistry, StakeVault};

    use super::*;

    #[test]
    fn errors_of_all_three_contracts_have_their_names_and_values() {
        let read = |data: Vec<u8>| decode(&Bytes::from(data));
        let (seq, expected) = (2, 1);
        let error = read(StakeVault::WrongSeq { seq, expected }.abi_encode());
        assert_eq!(error.name, "WrongSeq");
        assert_eq!(error.text, "WrongSeq { seq: 2, expected: 1 }");
        let settled = RoundRegistry::RoundSettled {
            roundId: B256::repeat_byte(7),
            proposal: 3,
        };
        let error = read(settled.abi_encode());
        assert_eq!(error.name, "RoundSettled");
        assert!(error.text.contains("0x0707") && error.text.contains("proposal: 3"));
        let error = read(StakeVault::IsPaused {}.abi_encode());
        assert_eq!(error.name, "IsPaused");
        let poor = ForeToken::ERC20InsufficientBalance {
            sender: alloy::primitives::Address::ZERO,
            balance: alloy::primitives::U256::ZERO,
            needed: alloy::primitives::U256::from(5),
        };
        assert_eq!(read(poor.abi_encode()).name, "ERC20InsufficientBalance");
        assert_eq!(read(vec![1, 2, 3, 4]).name, "unknown");
        assert_eq!(read(Vec::new()).name, "unknown");
    }
}
