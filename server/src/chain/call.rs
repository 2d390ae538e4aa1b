//! One call of a contract by a key that does nothing else: sent, then waited for.

use alloy::primitives::{Address, Bytes};

use super::ChainError;
use super::deploy::mined;
use super::rpc::{Chain, Receipt};
use super::transaction::{Key, Unsigned, sign};

/// Calls a contract and waits until that is mined and took effect.
///
/// # Errors
/// [`ChainError::Rpc`], also when the call would revert; [`ChainError::Refused`],
/// [`ChainError::NotMined`]: then the transaction may still be mined.
pub async fn call_and_wait(
    chain: &Chain,
    key: &Key,
    contract: Address,
    input: Bytes,
    what: &'static str,
) -> Result<Receipt, ChainError> {
    let estimate = chain.estimate(key.address(), contract, &input).await?;
    let unsigned = Unsigned {
        chain_id: chain.chain_id(),
        nonce: chain.nonce(key.address(), false).await?,
        to: Some(contract),
        input,
        gas_limit: estimate.saturating_mul(5) / 4,
        fees: chain.fees().await?,
    };
    let signed = sign(key, &unsigned)?;
    chain.send(&signed.raw).await?;
    mined(chain, signed.tx_hash, what).await
}
