//! One key that wants one thing at a time: the same nonce with a higher fee until it is mined.
//!
//! Nothing is stored. A guardian that starts anew asks the chain for its nonce, and the contract
//! lets a proposal die once: what is sent twice reverts.

use alloy::primitives::{Address, Bytes};

use crate::chain::{Chain, ChainError, Fees, Key, Unsigned, sign};

/// Gas beyond the estimate, since the chain moves on before the transaction is mined.
const MORE_GAS: (u64, u64) = (5, 4);

/// What was sent last.
#[derive(Debug)]
struct Sent {
    nonce: u64,
    fees: Fees,
    gas_limit: u64,
    to: Address,
    input: Bytes,
    wall_us: i64,
}

/// Sends for one key.
#[derive(Debug)]
pub(super) struct Sender {
    key: Key,
    max_fee: u128,
    stuck_after_us: i64,
    last: Option<Sent>,
}

impl Sender {
    /// `max_fee` is in wei per gas; a transaction not mined after `stuck_after_us` microseconds is
    /// offered more.
    pub(super) fn new(key: Key, max_fee: u128, stuck_after_us: i64) -> Self {
        Self {
            key,
            max_fee,
            stuck_after_us,
            last: None,
        }
    }

    pub(super) fn address(&self) -> Address {
        self.key.address()
    }

    /// Brings a call nearer to its block; to be called on every pass while the call is wanted.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], also when the call would revert. Whatever it says, the transaction may
    /// have been sent.
    pub(super) async fn push(
        &mut self,
        chain: &Chain,
        wall_us: i64,
        to: Address,
        input: &Bytes,
    ) -> Result<(), ChainError> {
        let nonce = chain.nonce(self.address(), false).await?;
        let waiting = self.last.as_ref().filter(|sent| sent.nonce == nonce);
        let (fees, gas_limit) = match waiting {
            Some(sent) if sent.to == to && sent.input == *input => {
                let is_stuck = wall_us.saturating_sub(sent.wall_us) > self.stuck_after_us;
                let raised = if is_stuck {
                    sent.fees.bumped(chain.fees().await?, self.max_fee)
                } else {
                    None
                };
                (raised.unwrap_or(sent.fees), sent.gas_limit)
            }
            Some(sent) => {
                // Something else waits on this nonce; the new call takes its place.
                let raised = sent.fees.bumped(chain.fees().await?, self.max_fee);
                (
                    raised.unwrap_or(sent.fees),
                    self.gas(chain, to, input).await?,
                )
            }
            None => {
                let fees = chain.fees().await?.capped(self.max_fee);
                (fees, self.gas(chain, to, input).await?)
            }
        };
        let is_new = waiting.is_none_or(|sent| sent.fees != fees || sent.input != *input);
        let unsigned = Unsigned {
            chain_id: chain.chain_id(),
            nonce,
            to: Some(to),
            input: input.clone(),
            gas_limit,
            fees,
        };
        let signed = sign(&self.key, &unsigned)?;
        if is_new {
            self.last = Some(Sent {
                nonce,
                fees,
                gas_limit,
                to,
                input: input.clone(),
                wall_us,
            });
        } else if chain.knows(signed.tx_hash).await? {
            return Ok(());
        }
        chain.send(&signed.raw).await
    }

    async fn gas(&self, chain: &Chain, to: Address, input: &Bytes) -> Result<u64, ChainError> {
        let estimate = chain.estimate(self.address(), to, input).await?;
        Ok(estimate.saturating_mul(MORE_GAS.0) / MORE_GAS.1)
    }
}
