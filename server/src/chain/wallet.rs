//! What a participant does with a wallet, for the demo and for tests. The serving process never
//! holds such a key: people sign in their browser.

use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use contracts::abi::{ForeToken, StakeVault, WEI_PER_UNIT};
use contracts::tree::{LedgerLeaf, LedgerSums, Proof};
use domain::TokenAmount;

use super::deploy::{Sender, mined};
use super::{Chain, ChainError, Deployment, Key, Receipt};

/// A key at work. Every action gives the hash of its transaction at once; [`Wallet::wait`] says
/// what became of it. One wallet of a key at a time: it counts its own transactions.
#[derive(Debug)]
pub struct Wallet {
    chain: Chain,
    deployment: Deployment,
    key: Key,
    nonce: u64,
}

impl Wallet {
    /// A wallet that goes on where the chain says that the key is.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn new(chain: &Chain, deployment: &Deployment, key: Key) -> Result<Self, ChainError> {
        let nonce = chain.nonce(key.address(), false).await?;
        Ok(Self {
            chain: chain.clone(),
            deployment: deployment.clone(),
            key,
            nonce,
        })
    }

    /// The wallet's address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// Gives tokens of its own to somebody.
    ///
    /// # Errors
    /// [`ChainError::Rpc`]; the transaction may have been sent all the same. So below.
    pub async fn give(&mut self, to: Address, amount: TokenAmount) -> Result<B256, ChainError> {
        let call = ForeToken::transferCall {
            to,
            value: wei(amount),
        };
        self.call(self.deployment.token, &call).await
    }

    /// Lets the vault take up to `amount`.
    ///
    /// # Errors
    /// As [`Wallet::give`].
    pub async fn approve(&mut self, amount: TokenAmount) -> Result<B256, ChainError> {
        let call = ForeToken::approveCall {
            spender: self.deployment.vault,
            value: wei(amount),
        };
        self.call(self.deployment.token, &call).await
    }

    /// Registers a model with its first deposit.
    ///
    /// # Errors
    /// As [`Wallet::give`].
    pub async fn register_model(
        &mut self,
        tournament: B256,
        model_key: B256,
        amount: TokenAmount,
    ) -> Result<B256, ChainError> {
        let call = StakeVault::registerModelCall {
            tournament,
            modelKey: model_key,
            amount: amount.units(),
        };
        self.call(self.deployment.vault, &call).await
    }

    /// Adds to a stake.
    ///
    /// # Errors
    /// As [`Wallet::give`].
    pub async fn deposit(&mut self, index: u32, amount: TokenAmount) -> Result<B256, ChainError> {
        let call = StakeVault::depositCall {
            index,
            amount: amount.units(),
        };
        self.call(self.deployment.vault, &call).await
    }

    /// Asks for a withdrawal.
    ///
    /// # Errors
    /// As [`Wallet::give`].
    pub async fn request_withdrawal(
        &mut self,
        index: u32,
        amount: TokenAmount,
    ) -> Result<B256, ChainError> {
        let call = StakeVault::requestWithdrawalCall {
            index,
            amount: amount.units(),
        };
        self.call(self.deployment.vault, &call).await
    }

    /// Takes what was asked for, with the proof of the model's entry at the head.
    ///
    /// # Errors
    /// As [`Wallet::give`].
    pub async fn withdraw(
        &mut self,
        leaf: &LedgerLeaf,
        proof: &Proof<LedgerSums>,
    ) -> Result<B256, ChainError> {
        let call = StakeVault::withdrawCall {
            index: leaf.index,
            stakeDelta: leaf.stake_delta,
            poolReward: leaf.pool_reward,
            proof: proof.to_words(),
        };
        self.call(self.deployment.vault, &call).await
    }

    /// Vetoes the pending proposal; the guardian's wallet only.
    ///
    /// # Errors
    /// As [`Wallet::give`].
    pub async fn veto(&mut self, seq: u64, root: B256) -> Result<B256, ChainError> {
        self.call(self.deployment.vault, &StakeVault::vetoCall { seq, root })
            .await
    }

    /// What a wallet holds of the token, wei.
    ///
    /// # Errors
    /// [`ChainError::Rpc`].
    pub async fn tokens(&self) -> Result<U256, ChainError> {
        let call = ForeToken::balanceOfCall {
            account: self.address(),
        };
        self.chain.view(self.deployment.token, &call, None).await
    }

    /// Waits until a transaction is mined.
    ///
    /// # Errors
    /// [`ChainError::Refused`], [`ChainError::NotMined`].
    pub async fn wait(&self, tx_hash: B256) -> Result<Receipt, ChainError> {
        mined(&self.chain, tx_hash, "a wallet's transaction").await
    }

    async fn call<C: SolCall>(&mut self, contract: Address, call: &C) -> Result<B256, ChainError> {
        let mut sender = Sender::at(&self.chain, &self.key, self.nonce);
        let tx_hash = sender
            .send(Some(contract), call.abi_encode().into())
            .await?;
        self.nonce = self.nonce.saturating_add(1);
        Ok(tx_hash)
    }
}

fn wei(amount: TokenAmount) -> U256 {
    U256::from(amount.units()).saturating_mul(U256::from(WEI_PER_UNIT))
}
