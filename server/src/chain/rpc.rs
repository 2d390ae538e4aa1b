//! The provider: every question to a node goes through here.

use std::time::Duration;

use alloy::consensus::{BlockHeader, Transaction};
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::network::TransactionBuilder;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, Log, TransactionRequest};
use alloy::sol_types::SolCall;
use alloy::transports::http::reqwest;
use serde_json::Value;

use super::transaction::Fees;
use super::{ChainError, revert};

/// A request that takes longer than this has an unknown result.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A node's JSON-RPC address and its chain.
#[derive(Clone, Debug)]
pub struct Chain {
    provider: DynProvider,
    chain_id: u64,
    url: String,
}

/// A block as the follower needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent_hash: B256,
    /// Its time in seconds.
    pub time_s: u64,
}

/// What happened to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub tx_hash: B256,
    /// Its block.
    pub block_number: u64,
    /// Whether it took effect; a reverted one only paid its gas.
    pub succeeded: bool,
    /// What it used.
    pub gas_used: u64,
    /// The contract that it made, if it made one.
    pub contract: Option<Address>,
}

/// What a transaction was sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The contract or account that it calls; none when it makes a contract.
    pub to: Option<Address>,
    /// The chain's own coin that it carries, wei.
    pub value: U256,
    /// Its call data.
    pub input: Bytes,
}

/// Connects to a node and asks for its chain.
///
/// # Errors
/// [`ChainError::Address`] and [`ChainError::Rpc`].
pub async fn connect(rpc_url: &str) -> Result<Chain, ChainError> {
    let url: reqwest::Url = rpc_url
        .parse()
        .map_err(|_| ChainError::Address(rpc_url.to_owned()))?;
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .build()
        .map_err(|_| ChainError::Address(rpc_url.to_owned()))?;
    let provider = ProviderBuilder::new()
        .disable_recommended_fillers()
        .connect_reqwest(client, url)
        .erased();
    let chain_id = provider.get_chain_id().await?;
    Ok(Chain {
        provider,
        chain_id,
        url: rpc_url.to_owned(),
    })
}

impl Chain {
    /// The chain's id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The node's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], [`ChainError::NoBlock`].
    pub async fn latest(&self) -> Result<BlockRef, ChainError> {
        self.block(BlockNumberOrTag::Latest)
            .await?
            .ok_or(ChainError::NoBlock(u64::MAX))
    }

    /// The newest final block, or `None` while the chain has none.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn finalized(&self) -> Result<Option<BlockRef>, ChainError> {
        self.block(BlockNumberOrTag::Finalized).await
    }

    /// The block at a height, if the node has it.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn at(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        self.block(BlockNumberOrTag::Number(number)).await
    }

    async fn block(&self, tag: BlockNumberOrTag) -> Result<Option<BlockRef>, ChainError> {
        let block = self.provider.get_block_by_number(tag).await?;
        Ok(block.map(|block| BlockRef {
            number: block.header.number(),
            hash: block.header.hash,
            parent_hash: block.header.parent_hash(),
            time_s: block.header.timestamp(),
        }))
    }

    /// The logs of some contracts in the blocks `from..=to`.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub(super) async fn logs(
        &self,
        addresses: &[Address],
        from: u64,
        to: u64,
    ) -> Result<Vec<Log>, ChainError> {
        let filter = Filter::new()
            .address(addresses.to_vec())
            .from_block(from)
            .to_block(to);
        Ok(self.provider.get_logs(&filter).await?)
    }

    /// The logs of some contracts in one block.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub(super) async fn logs_of(
        &self,
        addresses: &[Address],
        block: B256,
    ) -> Result<Vec<Log>, ChainError> {
        let filter = Filter::new()
            .address(addresses.to_vec())
            .at_block_hash(block);
        Ok(self.provider.get_logs(&filter).await?)
    }

    /// Transactions that an account has sent, seen from the newest or from the last final block.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn nonce(&self, account: Address, final_only: bool) -> Result<u64, ChainError> {
        let block = if final_only {
            BlockId::finalized()
        } else {
            BlockId::latest()
        };
        Ok(self
            .provider
            .get_transaction_count(account)
            .block_id(block)
            .await?)
    }

    /// Transactions that an account had sent at a block's height.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], also when the node has not come to that height.
    pub async fn nonce_at(&self, account: Address, number: u64) -> Result<u64, ChainError> {
        let count = self.provider.get_transaction_count(account);
        Ok(count.block_id(BlockId::number(number)).await?)
    }

    /// What happened to a transaction; `None` while no block has it.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn receipt(&self, tx_hash: B256) -> Result<Option<Receipt>, ChainError> {
        let receipt = self.provider.get_transaction_receipt(tx_hash).await?;
        Ok(receipt.and_then(|receipt| {
            Some(Receipt {
                tx_hash,
                block_number: receipt.block_number?,
                succeeded: receipt.status(),
                gas_used: receipt.gas_used,
                contract: receipt.contract_address,
            })
        }))
    }

    /// Whether the node knows a transaction, mined or waiting.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn knows(&self, tx_hash: B256) -> Result<bool, ChainError> {
        Ok(self
            .provider
            .get_transaction_by_hash(tx_hash)
            .await?
            .is_some())
    }

    /// What a transaction was sent with; `None` when the node does not know it.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn sent(&self, tx_hash: B256) -> Result<Option<Sent>, ChainError> {
        let found = self.provider.get_transaction_by_hash(tx_hash).await?;
        Ok(found.map(|found| Sent {
            to: found.to(),
            value: found.value(),
            input: found.input().clone(),
        }))
    }

    /// Hands signed bytes to the node. Whatever it answers, the transaction may have been sent.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], which says nothing about the transaction's fate.
    pub async fn send(&self, raw: &[u8]) -> Result<(), ChainError> {
        // What became of it is asked for by hash, so nothing waits for it here.
        drop(self.provider.send_raw_transaction(raw).await?);
        Ok(())
    }

    /// Calls a view of a contract at a block's height, or at the newest block.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], [`ChainError::Answer`].
    pub async fn view<C: SolCall>(
        &self,
        contract: Address,
        call: &C,
        at: Option<u64>,
    ) -> Result<C::Return, ChainError> {
        let request = TransactionRequest::default()
            .with_to(contract)
            .with_input(Bytes::from(call.abi_encode()));
        let block = at.map_or(BlockId::latest(), BlockId::number);
        let answer = self.provider.call(request).block(block).await?;
        C::abi_decode_returns(&answer).map_err(|_| ChainError::Answer(C::SIGNATURE))
    }

    /// Calls a contract at the newest block with call data that is encoded already.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], also when the call reverts.
    pub async fn call(&self, contract: Address, input: Bytes) -> Result<Bytes, ChainError> {
        let request = TransactionRequest::default()
            .with_to(contract)
            .with_input(input);
        Ok(self.provider.call(request).block(BlockId::latest()).await?)
    }

    /// The gas that a call would use at the newest block.
    ///
    /// # Errors
    /// [`ChainError::Rpc`], and [`ChainError::Reverted`] when the call would revert.
    pub async fn estimate(
        &self,
        from: Address,
        to: Address,
        input: &Bytes,
    ) -> Result<u64, ChainError> {
        let request = TransactionRequest::default()
            .with_from(from)
            .with_to(to)
            .with_input(input.clone());
        let estimate = self.provider.estimate_gas(request);
        let estimate = estimate.block(BlockId::latest()).await;
        estimate.map_err(|error| {
            revert::of(&error).map_or(ChainError::Rpc(error), ChainError::Reverted)
        })
    }

    /// Fees that the next blocks take even when the base fee doubles.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn fees(&self) -> Result<Fees, ChainError> {
        let block = self
            .provider
            .get_block_by_number(BlockNumberOrTag::Latest)
            .await?;
        let base = block
            .and_then(|block| block.header.base_fee_per_gas())
            .unwrap_or_default();
        Ok(Fees::over_base(u128::from(base)))
    }

    /// Whether an address holds code.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn has_code(&self, address: Address) -> Result<bool, ChainError> {
        Ok(!self.provider.get_code_at(address).await?.is_empty())
    }

    /// Whether an address held code at a block's height.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn had_code(&self, address: Address, number: u64) -> Result<bool, ChainError> {
        let block = BlockId::number(number);
        let code = self.provider.get_code_at(address).block_id(block).await?;
        Ok(!code.is_empty())
    }

    /// What an account holds of the chain's own coin, wei.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        Ok(self.provider.get_balance(account).await?)
    }

    /// A command of a development chain (`evm_…`, `anvil_…`).
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub(crate) async fn command(
        &self,
        method: &'static str,
        parameters: Value,
    ) -> Result<Value, ChainError> {
        Ok(self.provider.raw_request(method.into(), parameters).await?)
    }
}
