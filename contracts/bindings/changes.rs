//! The packed `changes` of a proposal: 20 bytes per changed ledger entry, by ascending index.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use thiserror::Error;

const ENTRY_BYTES: usize = 20;

/// What a batch adds to one entry of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Model index.
    pub index: u32,
    /// Wagers and ranking losses, units.
    pub stake_delta: i64,
    /// Fee shares and ranking gains, units.
    pub pool_reward: u64,
}

/// Why bytes are no changes or changes cannot be packed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ChangesError {
    /// Not a multiple of an entry.
    #[error("{0} bytes of changes are not a multiple of 20")]
    Length(usize),
    /// An index does not ascend.
    #[error("the change of model {0} does not ascend by index")]
    Unordered(u32),
}

/// Packs changes for `proposeBatch`: index u32 ‖ Δ stakeDelta i64 ‖ Δ poolReward u64, big-endian.
///
/// # Errors
/// Indexes that do not ascend strictly.
pub fn pack(changes: &[Change]) -> Result<Vec<u8>, ChangesError> {
    check_order(changes)?;
    let bytes = changes.iter().flat_map(|change| {
        change
            .index
            .to_be_bytes()
            .into_iter()
            .chain(change.stake_delta.to_be_bytes())
            .chain(change.pool_reward.to_be_bytes())
    });
    Ok(bytes.collect())
}

/// Reads the `changes` of a proposal's calldata.
///
/// # Errors
/// A length that is no multiple of 20, or indexes that do not ascend strictly.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Change>, ChangesError> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(ChangesError::Length(bytes.len()));
    }
    let changes: Vec<Change> = entries.iter().map(unpack_entry).collect();
    check_order(&changes)?;
    Ok(changes)
}

/// (Σ Δ stakeDelta, Σ Δ poolReward): what the contract compares with (−burned, poolUsed).
#[must_use]
pub fn sums(changes: &[Change]) -> (i128, u128) {
    // 2^20 entries of 64 bits cannot reach the ends of 128.
    changes.iter().fold((0, 0), |(stake, pool), change| {
        (
            stake.saturating_add(i128::from(change.stake_delta)),
            pool.saturating_add(u128::from(change.pool_reward)),
        )
    })
}

const fn unpack_entry(entry: &[u8; ENTRY_BYTES]) -> Change {
    let [i0, i1, i2, i3, s0, s1, s2, s3, s4, s5, s6, s7, pool @ ..] = *entry;
    Change {
        index: u32::from_be_bytes([i0, i1, i2, i3]),
        stake_delta: i64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        pool_reward: u64::from_be_bytes(pool),
    }
}

fn check_order(changes: &[Change]) -> Result<(), ChangesError> {
    let mut pairs = changes.iter().zip(changes.iter().skip(1));
    match pairs.find(|(before, after)| before.index >= after.index) {
        Some((_, after)) => Err(ChangesError::Unordered(after.index)),
        None => Ok(()),
    }
}
