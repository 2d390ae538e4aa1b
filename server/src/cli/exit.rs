//! `foretoken exit`: what every model can claim, proved from the chain alone, and taken out of the
//! vault. Asks no server and opens no database.

use std::fmt::Write as _;

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use anyhow::Context;
use contracts::abi::{Books, Model, StakeVault};
use contracts::ledger::Ledger;
use contracts::tree::LedgerTree;
use domain::TokenAmount;
use domain::timestamp::{SECOND_US, rfc3339};
use serde_json::json;

use super::{Ended, print, refuse};
use crate::chain::{self, Chain, ChainAddress, Key, call_and_wait};
use crate::record::History;

/// Under this name the key is expected that pays for transactions.
const KEY: &str = "FORETOKEN_KEY";

#[derive(Debug, clap::Args)]
pub(super) struct ExitArgs {
    /// JSON-RPC address of the chain
    #[arg(long, value_name = "URL", env = "FORETOKEN_RPC")]
    rpc: String,
    /// The vault
    #[arg(long, value_name = "ADDRESS")]
    vault: ChainAddress,
    /// Only this model, by its position
    #[arg(long, value_name = "INDEX", conflicts_with = "owner")]
    model: Option<u32>,
    /// Only models of this wallet [default with --send: the key's own]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<ChainAddress>,
    /// With --send: every model, whoever owns it
    #[arg(long, conflicts_with_all = ["model", "owner"])]
    all: bool,
    /// First block to read [default: the one that made the vault]
    #[arg(long, value_name = "BLOCK")]
    from_block: Option<u64>,
    /// Shut the vault down if it is due, and withdraw what can be withdrawn; the key is in
    /// FORETOKEN_KEY and only pays for gas: a vault pays the models' owners
    #[arg(long)]
    send: bool,
    /// Print one JSON object, with proofs
    #[arg(long)]
    json: bool,
}

/// The vault at one block.
struct View {
    chain: Chain,
    vault: ChainAddress,
    block: u64,
    now_s: u64,
    books: Books,
    idle_until_s: u64,
    tree: LedgerTree,
    claims: Vec<Claim>,
}

/// What one model can claim.
struct Claim {
    index: u32,
    model: Model,
    stake_delta: i128,
    pool_reward: u128,
    claimable: u64,
}

pub(super) async fn run(args: ExitArgs) -> anyhow::Result<Ended> {
    let key = args.send.then(key).transpose()?;
    let chain = chain::connect(&args.rpc)
        .await
        .with_context(|| format!("the chain at {} does not answer", args.rpc))?;
    let owner = args.owner.or_else(|| {
        let own = key.as_ref().map(Key::address);
        own.filter(|_| args.model.is_none() && !args.all)
    });
    let view = View::read(&args, owner, chain).await?;
    if let Some(index) = args.model.filter(|_| view.claims.is_empty()) {
        return Ok(refuse(&format!("the vault has no model {index}")));
    }
    let Some(key) = key else {
        print(&if args.json {
            view.json()?
        } else {
            view.text()?
        })?;
        return Ok(Ended::Done);
    };
    view.leave(&args, owner, &key).await
}

fn key() -> anyhow::Result<Key> {
    let text = std::env::var(KEY).ok().filter(|text| !text.is_empty());
    let text = text.with_context(|| format!("--send needs a key in {KEY}"))?;
    Key::from_hex(text.trim()).with_context(|| format!("{KEY} is no key"))
}

impl View {
    async fn read(
        args: &ExitArgs,
        owner: Option<ChainAddress>,
        chain: Chain,
    ) -> anyhow::Result<Self> {
        let vault = args.vault;
        let newest = chain.latest().await?;
        anyhow::ensure!(
            chain.has_code(vault).await?,
            "{vault} is no contract on chain {}",
            chain.chain_id()
        );
        let registry = chain
            .view(vault, &StakeVault::registryCall {}, None)
            .await?;
        let from = match args.from_block {
            Some(from) => from,
            None => first_block(&chain, vault, newest.number).await,
        };
        let mut history = History::new(vault, registry, from);
        history.advance(&chain, newest.number).await?;
        let (ledger, _) = history.ledger_at_head(&chain).await?;
        let at = Some(newest.number);
        let books = chain.view(vault, &StakeVault::booksCall {}, at).await?;
        let idle_s = chain.view(vault, &StakeVault::idleLimitCall {}, at).await?;
        let count = u32::try_from(history.models().len()).unwrap_or(u32::MAX);
        anyhow::ensure!(
            count == books.models,
            "{count} registrations were found, the vault has {} models: name an earlier --from-block",
            books.models
        );
        let mut claims = Vec::new();
        for (index, registered) in history.models() {
            let is_named = args.model.is_none_or(|model| model == *index)
                && owner.is_none_or(|owner| owner == registered.owner);
            if is_named {
                claims.push(claim(&chain, vault, at, &ledger, *index).await?);
            }
        }
        Ok(Self {
            vault,
            block: newest.number,
            now_s: newest.time_s,
            idle_until_s: books
                .acceptedAt
                .to::<u64>()
                .saturating_add(u64::from(idle_s)),
            tree: ledger.tree()?,
            books,
            claims,
            chain,
        })
    }

    /// Whether anyone may end the vault for ever.
    fn is_due(&self) -> bool {
        !self.books.shut && self.now_s >= self.idle_until_s
    }

    /// Why nothing can be taken for a model, or what can.
    fn now(&self, claim: &Claim) -> Result<u64, String> {
        if claim.claimable == 0 {
            return Err("nothing to claim".into());
        }
        if self.books.shut {
            return Ok(claim.claimable);
        }
        let requested = u64::try_from(claim.model.requested).unwrap_or(u64::MAX);
        if requested == 0 {
            return Err("no withdrawal is requested".into());
        }
        let matures_s = claim.model.maturesAt.to::<u64>();
        if self.now_s < matures_s {
            return Err(format!("its request matures {}", moment(matures_s)));
        }
        Ok(requested.min(claim.claimable))
    }

    fn call(&self, claim: &Claim) -> anyhow::Result<StakeVault::withdrawCall> {
        Ok(StakeVault::withdrawCall {
            index: claim.index,
            stakeDelta: claim.stake_delta,
            poolReward: claim.pool_reward,
            proof: self.tree.proof(claim.index)?.to_words(),
        })
    }

    fn state(&self) -> String {
        if self.books.shut {
            return "the vault is shut down: everything leaves without a request".into();
        }
        if self.is_due() {
            return "the vault has been idle long enough: anyone may shut it down (--send)".into();
        }
        format!(
            "the vault is open; without another batch anyone may shut it down from {}, now it is {}",
            moment(self.idle_until_s),
            moment(self.now_s)
        )
    }

    fn text(&self) -> anyhow::Result<String> {
        let mut text = format!(
            "ledger rebuilt from the chain at block {}: root {}, the vault's head\n{}\n",
            self.block,
            self.tree.root(),
            self.state()
        );
        for claim in &self.claims {
            let now = match self.now(claim) {
                Ok(units) => format!("{} can be withdrawn now", tokens(units)),
                Err(why) => why,
            };
            writeln!(
                text,
                "model {}: {} claimable by {}; {now}",
                claim.index,
                tokens(claim.claimable),
                claim.model.owner
            )?;
            if self.now(claim).is_ok() {
                let data = Bytes::from(self.call(claim)?.abi_encode());
                writeln!(text, "  call data for {}: {data}", self.vault)?;
            }
        }
        Ok(text.trim_end().to_owned())
    }

    fn json(&self) -> anyhow::Result<String> {
        let mut models = Vec::with_capacity(self.claims.len());
        for claim in &self.claims {
            let call = self.call(claim)?;
            models.push(json!({
                "index": claim.index,
                "owner": claim.model.owner,
                "tournament": claim.model.tournament,
                "deposited": claim.model.deposited.to_string(),
                "withdrawn": claim.model.withdrawn.to_string(),
                "stake_delta": claim.stake_delta.to_string(),
                "pool_reward": claim.pool_reward.to_string(),
                "claimable": claim.claimable.to_string(),
                "requested": claim.model.requested.to_string(),
                "matures_at": claim.model.maturesAt.to::<u64>(),
                "withdrawable_now": self.now(claim).unwrap_or(0).to_string(),
                "proof": call.proof.to_vec(),
                "calldata": Bytes::from(call.abi_encode()),
            }));
        }
        let all = json!({
            "vault": self.vault,
            "block": self.block,
            "root": self.tree.root(),
            "is_shut": self.books.shut,
            "may_shut_down_at": self.idle_until_s,
            "may_shut_down": self.is_due(),
            "models": models,
        });
        Ok(all.to_string())
    }

    /// Shuts down when that is due, then withdraws all that can be.
    async fn leave(
        mut self,
        args: &ExitArgs,
        owner: Option<ChainAddress>,
        key: &Key,
    ) -> anyhow::Result<Ended> {
        let mut told = Vec::new();
        if self.is_due() {
            let call = StakeVault::shutDownCall {}.abi_encode();
            let what = "the shutdown of the vault";
            let receipt = call_and_wait(&self.chain, key, self.vault, call.into(), what).await?;
            told.push(format!("shut down in {}", receipt.tx_hash));
            let chain = self.chain.clone();
            self = Self::read(args, owner, chain).await?;
        }
        let mut paid = 0_usize;
        for claim in &self.claims {
            let units = match self.now(claim) {
                Ok(units) => units,
                Err(why) => {
                    told.push(format!("model {}: {why}", claim.index));
                    continue;
                }
            };
            let call = self.call(claim)?.abi_encode();
            let what = "a withdrawal";
            let receipt = call_and_wait(&self.chain, key, self.vault, call.into(), what).await?;
            paid = paid.saturating_add(1);
            told.push(format!(
                "model {}: {} withdrawn to {} in {}",
                claim.index,
                tokens(units),
                claim.model.owner,
                receipt.tx_hash
            ));
        }
        if paid == 0 {
            told.push(self.state());
        }
        print(&if args.json {
            json!({ "withdrawals": paid, "told": told }).to_string()
        } else {
            told.join("\n")
        })?;
        Ok(if paid > 0 {
            Ended::Done
        } else {
            refuse("nothing could be withdrawn")
        })
    }
}

async fn claim(
    chain: &Chain,
    vault: ChainAddress,
    at: Option<u64>,
    ledger: &Ledger,
    index: u32,
) -> anyhow::Result<Claim> {
    let model = chain
        .view(vault, &StakeVault::modelCall { index }, at)
        .await?;
    let leaf = ledger.leaf(index);
    let signed = |number: u128| i128::try_from(number).ok();
    let claimable = signed(model.deposited.to::<u128>())
        .zip(signed(model.withdrawn.to::<u128>()))
        .zip(signed(leaf.pool_reward))
        .and_then(|((deposited, withdrawn), reward)| {
            deposited
                .checked_sub(withdrawn)?
                .checked_add(leaf.stake_delta)?
                .checked_add(reward)
        });
    let claimable = claimable.with_context(|| format!("the entry of model {index} overflows"))?;
    Ok(Claim {
        index,
        model,
        stake_delta: leaf.stake_delta,
        pool_reward: leaf.pool_reward,
        // The vault pays nothing below 0.
        claimable: u64::try_from(claimable.max(0)).context("more than a vault can hold")?,
    })
}

/// The block that made the contract: by halves, on nodes that know the past; else the first.
async fn first_block(chain: &Chain, vault: ChainAddress, newest: u64) -> u64 {
    let (mut without, mut with) = (0_u64, newest);
    while with.saturating_sub(without) > 1 {
        let middle = without.midpoint(with);
        match chain.had_code(vault, middle).await {
            Ok(true) => with = middle,
            Ok(false) => without = middle,
            Err(_) => return 0,
        }
    }
    without
}

fn moment(seconds: u64) -> String {
    let us = i64::try_from(seconds).unwrap_or(i64::MAX);
    rfc3339(us.saturating_mul(SECOND_US))
}

fn tokens(units: u64) -> String {
    TokenAmount::from_units(units).map_or_else(
        |_| format!("{units} units"),
        |amount| format!("{} tokens", amount.tokens()),
    )
}
