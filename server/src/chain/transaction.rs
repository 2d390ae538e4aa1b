//! Signing: a transaction becomes bytes here, and its fate is decided by nobody but the chain.

use std::fmt;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;

use super::ChainError;

/// A tip that blocks take, wei per gas.
const TIP_WEI: u128 = 1_000_000_000;
/// Nodes demand at least 10 % more of a replacement; we offer 15 %.
const BUMP_PERCENT: u128 = 115;

/// A private key of the chain. Never printed.
#[derive(Clone)]
pub struct Key(PrivateKeySigner);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.address())
    }
}

impl Key {
    /// From 32 secret bytes.
    ///
    /// # Errors
    /// [`ChainError::Key`] for zero or numbers beyond the curve's order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, ChainError> {
        PrivateKeySigner::from_bytes(&B256::from(bytes))
            .map(Self)
            .map_err(|_| ChainError::Key)
    }

    /// From 64 hex digits, with or without `0x`.
    ///
    /// # Errors
    /// [`ChainError::Key`].
    pub fn from_hex(text: &str) -> Result<Self, ChainError> {
        let digits = text.trim().trim_start_matches("0x");
        let mut bytes = [0_u8; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| ChainError::Key)?;
        Self::from_bytes(bytes)
    }

    /// The secret as 64 hex digits, for the key file that only its owner reads.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.to_bytes())
    }

    /// The account of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a 32-byte digest: r ‖ s ‖ v as 65 bytes with v 27 or 28.
    ///
    /// # Errors
    /// [`ChainError::Key`].
    pub fn sign_digest(&self, digest: B256) -> Result<[u8; 65], ChainError> {
        self.0
            .sign_hash_sync(&digest)
            .map(|signature| signature.as_bytes())
            .map_err(|_| ChainError::Key)
    }
}

/// What a transaction offers per gas, wei.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fees {
    /// At most, base fee and tip together.
    pub max: u128,
    /// For the block's maker.
    pub tip: u128,
}

impl Fees {
    /// Twice the base fee and the tip.
    #[must_use]
    pub fn over_base(base: u128) -> Self {
        Self {
            max: base.saturating_mul(2).saturating_add(TIP_WEI),
            tip: TIP_WEI,
        }
    }

    /// These fees, but at most `cap`.
    #[must_use]
    pub fn capped(self, cap: u128) -> Self {
        let max = self.max.min(cap);
        let tip = self.tip.min(max);
        Self { max, tip }
    }

    /// The fees of a replacement: at least 10 % above these in both, at least `suggested`, at most
    /// `cap`. `None` when the cap leaves no room for a replacement.
    #[must_use]
    pub fn bumped(self, suggested: Self, cap: u128) -> Option<Self> {
        let more = |fee: u128| fee.saturating_mul(BUMP_PERCENT).div_ceil(100);
        let max = more(self.max).max(suggested.max);
        let tip = more(self.tip).max(suggested.tip).min(max);
        (max <= cap).then_some(Self { max, tip })
    }
}

/// What is to be signed.
#[derive(Clone, Debug)]
pub struct Unsigned {
    /// The chain.
    pub chain_id: u64,
    /// The sender's count.
    pub nonce: u64,
    /// The contract called, or `None` to make one.
    pub to: Option<Address>,
    /// Call data or creation code.
    pub input: Bytes,
    /// At most.
    pub gas_limit: u64,
    /// Offered.
    pub fees: Fees,
}

/// Signed bytes and their hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// As a node takes them.
    pub raw: Vec<u8>,
    /// The transaction's hash.
    pub tx_hash: B256,
}

/// Signs. The same input gives the same bytes.
///
/// # Errors
/// [`ChainError::Key`].
pub fn sign(key: &Key, unsigned: &Unsigned) -> Result<Signed, ChainError> {
    let transaction = TxEip1559 {
        chain_id: unsigned.chain_id,
        nonce: unsigned.nonce,
        gas_limit: unsigned.gas_limit,
        max_fee_per_gas: unsigned.fees.max,
        max_priority_fee_per_gas: unsigned.fees.tip,
        to: unsigned.to.map_or(TxKind::Create, TxKind::Call),
        value: U256::ZERO,
        access_list: alloy::eips::eip2930::AccessList::default(),
        input: unsigned.input.clone(),
    };
    let signature = key
        .0
        .sign_hash_sync(&transaction.signature_hash())
        .map_err(|_| ChainError::Key)?;
    let signed = transaction.into_signed(signature);
    Ok(Signed {
        raw: signed.encoded_2718(),
        tx_hash: *signed.hash(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(nonce: u64, fees: Fees) -> Unsigned {
        Unsigned {
            chain_id: 31_337,
            nonce,
            to: Some(Address::repeat_byte(7)),
            input: Bytes::from_static(&[1, 2, 3]),
            gas_limit: 100_000,
            fees,
        }
    }

    #[test]
    fn the_same_input_gives_the_same_bytes_and_another_nonce_others() {
        let key = Key::from_bytes([5; 32]).expect("a key");
        let fees = Fees::over_base(10);
        let first = sign(&key, &unsigned(1, fees)).expect("signs");
        assert_eq!(first, sign(&key, &unsigned(1, fees)).expect("signs"));
        assert_ne!(
            first.tx_hash,
            sign(&key, &unsigned(2, fees)).expect("signs").tx_hash
        );
        assert!(!format!("{key:?}").contains(&key.to_hex()));
    }

    #[test]
    fn a_bump_is_at_least_ten_percent_and_never_above_the_cap() {
        let fees = Fees { max: 101, tip: 11 };
        let bumped = fees.bumped(Fees::over_base(0), u128::MAX).expect("room");
        assert!(bumped.max >= 112 && bumped.tip >= 13);
        let bumped = fees.bumped(Fees { max: 1, tip: 1 }, 200).expect("room");
        assert_eq!(bumped, Fees { max: 117, tip: 13 });
        assert_eq!(fees.bumped(Fees { max: 1, tip: 1 }, 110), None);
        assert_eq!(fees.capped(10), Fees { max: 10, tip: 10 });
        assert_eq!(fees.capped(1_000), fees);
    }
}
