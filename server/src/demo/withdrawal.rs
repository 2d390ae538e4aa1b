//! One stake leaves, as any owner can: asked for at the start, taken with a proof when it matures.

use anyhow::Context;
use domain::timestamp::SECOND_US;

use super::progress::{leaving_amount, say};
use super::report::Withdrawal;
use super::world::World;
use crate::chain::wallet::Wallet;
use crate::db;
use crate::{settlement, stakes};

/// Under this name the payment is remembered, so that a resumed demo does not ask again.
const FACT: &str = "demo_withdrawal";

/// How far the withdrawal is.
pub(super) enum Leaving {
    /// Nobody leaves.
    Nobody,
    /// Asked for; may be taken at this market time.
    Asked { matures_us: i64 },
    /// Taken.
    Paid(Withdrawal),
}

impl Leaving {
    /// Asks for the withdrawal unless that was done before.
    pub(super) async fn new(world: &World) -> anyhow::Result<Self> {
        let Some(leaver) = &world.participants.leaver else {
            return Ok(Self::Nobody);
        };
        let mut conn = world.db.read().await?;
        if let Some(text) = db::fact(&mut conn, FACT).await? {
            return Ok(Self::Paid(serde_json::from_str(&text)?));
        }
        let stake = stakes::of_model(&mut conn, &leaver.model).await?;
        let stake = stake.context("the leaver has no stake")?;
        drop(conn);
        if stake.requested.units() == 0 {
            let mut wallet =
                Wallet::new(&world.chain, &world.deployment, leaver.key.clone()).await?;
            let asked = wallet
                .request_withdrawal(stake.model_index, leaving_amount()?)
                .await?;
            wallet.wait(asked).await?;
        }
        // The contract counts from the block that mined the request, which is behind us.
        let matures_us = if stake.requested.units() == 0 {
            world.market.now_us() + world.deployment.delay_s * SECOND_US
        } else {
            stake.matures_us
        };
        Ok(Self::Asked { matures_us })
    }

    /// Takes the withdrawal once it has matured. A batch accepted meanwhile makes the proof stale;
    /// then the next look takes a fresh one.
    pub(super) async fn step(&mut self, world: &World) -> anyhow::Result<()> {
        let Self::Asked { matures_us } = *self else {
            return Ok(());
        };
        // A few blocks later, since the chain's clock is up to a block behind the market's.
        if world.market.now_us() < matures_us + 15 * SECOND_US {
            return Ok(());
        }
        let leaver = world.participants.leaver.as_ref().context("a leaver")?;
        let mut conn = world.db.read().await?;
        let (leaf, proof) = settlement::withdrawal_proof(&mut conn, &leaver.model).await?;
        drop(conn);
        let mut wallet = Wallet::new(&world.chain, &world.deployment, leaver.key.clone()).await?;
        let before = wallet.tokens().await?;
        let tx = wallet.withdraw(&leaf, &proof).await?;
        if let Err(error) = wallet.wait(tx).await {
            say(&format!("the withdrawal is tried again: {error}"));
            return Ok(());
        }
        let wei = wallet.tokens().await?.saturating_sub(before);
        let units = wei / alloy::primitives::U256::from(1_000_000_000_u64);
        let paid = Withdrawal {
            model: leaver.model.to_string(),
            amount: units.to_string(),
            tx: tx.to_string(),
        };
        let mut db_tx = world.db.begin().await?;
        db::set_fact(&mut db_tx, FACT, &serde_json::to_string(&paid)?).await?;
        db_tx.commit().await?;
        *self = Self::Paid(paid);
        Ok(())
    }

    /// The payment, once made.
    pub(super) fn paid(&self) -> Option<&Withdrawal> {
        match self {
            Self::Paid(paid) => Some(paid),
            Self::Nobody | Self::Asked { .. } => None,
        }
    }
}
