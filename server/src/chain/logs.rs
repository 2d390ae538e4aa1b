//! The past of contracts, read from a node in ranges of blocks: for those who have no database.

use alloy::primitives::{Address, B256};

use super::event::Said;
use super::rpc::Chain;
use super::{ChainError, decode};

/// Blocks asked for at once. Public nodes refuse more.
const RANGE_BLOCKS: u64 = 2_000;

/// An event as somebody reads it who records nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// What it says.
    pub said: Said,
    /// Its transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block: u64,
}

/// What some contracts said from block `from` on, in the chain's order, and the last block that
/// this reaches: `to` at most.
///
/// # Errors
/// [`ChainError::Rpc`]; [`ChainError::Answer`] for logs without a block or a transaction.
pub async fn read_logs(
    chain: &Chain,
    contracts: &[Address],
    from: u64,
    to: u64,
) -> Result<(Vec<Logged>, u64), ChainError> {
    let mut last = to.min(from.saturating_add(RANGE_BLOCKS).saturating_sub(1));
    let logs = loop {
        match chain.logs(contracts, from, last).await {
            // Some nodes refuse by the number of blocks, others by that of logs.
            Err(ChainError::Rpc(error)) if error.is_error_resp() && last > from => {
                last = from.saturating_add(last.saturating_sub(from) / 2);
            }
            answered => break answered?,
        }
    };
    let answer = || ChainError::Answer("eth_getLogs");
    let mut found = Vec::new();
    for log in logs {
        if let Some(said) = decode::said(&log.inner) {
            found.push(Logged {
                said,
                tx_hash: log.transaction_hash.ok_or_else(answer)?,
                block: log.block_number.ok_or_else(answer)?,
            });
        }
    }
    Ok((found, last))
}
