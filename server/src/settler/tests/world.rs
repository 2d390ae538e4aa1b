//! A development chain with our contracts, and a market clock that tests move by hand.

use std::time::Duration;

use alloy::primitives::Address;
use domain::timestamp::SECOND_US;
use domain::{ModelId, RoundState};
use tokio::task::JoinHandle;

use super::super::*;
use crate::chain::anvil::{self, Anvil, AnvilSettings};
use crate::chain::wallet::Wallet;
use crate::chain::{DeployKeys, DeploySettings, NewTournament, deploy};
use crate::db::testing;
use crate::stakes::testing::{in_transaction, model, tokens, tournament};
use crate::{rounds, stakes};

/// A block of wall time; its market time is the test's clock, or a second after the block before.
const PACE: Duration = Duration::from_millis(100);
const LIMIT: Duration = Duration::from_secs(120);

pub(super) struct World {
    pub(super) db: Db,
    pub(super) _folder: tempfile::TempDir,
    pub(super) wall: WallClock,
    pub(super) hand: WallClock,
    pub(super) market: MarketClock,
    pub(super) anvil: Anvil,
    pub(super) chain: Chain,
    pub(super) deployment: Deployment,
    pub(super) keys: DeployKeys,
    pub(super) miner: (CancellationToken, JoinHandle<()>),
}

pub(super) fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32]).expect("a key")
}

impl World {
    /// A chain with our contracts, on a market clock that the test moves by hand from `market_us`.
    pub(super) async fn new(market_us: i64) -> Self {
        let (db, folder) = testing::sqlite().await;
        let wall = WallClock::system();
        let hand = WallClock::manual(market_us);
        let market = MarketClock::live(hand.clone());
        let program = anvil::locate(None).expect("anvil");
        let settings = AnvilSettings {
            program,
            state: None,
            timestamp_s: market_us / SECOND_US - 100,
            port: None,
        };
        let (anvil, chain) = Anvil::start(settings).await.expect("anvil starts");
        let stop = CancellationToken::new();
        let mining = tokio::spawn(mine(chain.clone(), market.clone(), stop.clone()));
        let keys = DeployKeys {
            owner: key(0x41),
            committer: key(0x42),
            operator: key(0x43),
            guardian: key(0x44),
        };
        for key in [&keys.owner, &keys.committer, &keys.operator] {
            anvil::give_gas(&chain, key.address()).await.expect("gas");
        }
        let entered = in_transaction(&db, async |conn| tournament(conn).await).await;
        let tournaments = [NewTournament {
            key: entered.chain_key.parse().expect("a key"),
            rule_hash: entered.rule_hash.parse().expect("a hash"),
            a_ppm: entered.tournament.stake.a_ppm,
        }];
        let short = DeploySettings {
            window_s: 30,
            delay_s: 1_060,
            ..DeploySettings::demo()
        };
        let deployment = deploy(&db, &chain, &keys.roles(), &short, &tournaments)
            .await
            .expect("deploys");
        let again = deploy(&db, &chain, &keys.roles(), &short, &tournaments)
            .await
            .expect("deploys");
        assert_eq!(deployment, again, "a second deployment is the first");
        Self {
            db,
            _folder: folder,
            wall,
            hand,
            market,
            anvil,
            chain,
            deployment,
            keys,
            miner: (stop, mining),
        }
    }

    pub(super) fn settler_keys(&self) -> SettlerKeys {
        SettlerKeys {
            committer: self.keys.committer.clone(),
            operator: self.keys.operator.clone(),
        }
    }

    pub(super) fn record(&self) -> record::Folder {
        record::Folder::new(self._folder.path().join("record"))
    }

    pub(super) fn settings() -> SettlerSettings {
        SettlerSettings {
            poll: Duration::from_millis(50),
            reconcile_every: Duration::from_millis(500),
            ..SettlerSettings::default()
        }
    }

    pub(super) async fn settler(&self) -> Settler {
        let (db, market, wall) = (self.db.clone(), self.market.clone(), self.wall.clone());
        let own = (self.settler_keys(), Self::settings());
        Settler::new(db, market, wall, self.chain.clone(), own, self.record())
            .await
            .expect("a settler")
    }

    pub(super) fn run_settler(&self, stop: &CancellationToken) -> JoinHandle<anyhow::Result<()>> {
        tokio::spawn(run(
            self.db.clone(),
            self.market.clone(),
            self.wall.clone(),
            self.chain.clone(),
            (self.settler_keys(), Self::settings()),
            self.record(),
            stop.clone(),
        ))
    }

    /// A model with a wallet of its own and this stake, registered on chain and linked.
    pub(super) async fn staked_model(&self, name: &str, byte: u8) -> (ModelId, Wallet) {
        let key = key(byte);
        anvil::give_gas(&self.chain, key.address())
            .await
            .expect("gas");
        let wallet: Address = key.address();
        let model = in_transaction(&self.db, async |conn| model(conn, name, wallet).await).await;
        let mut owner = Wallet::new(&self.chain, &self.deployment, self.keys.owner.clone())
            .await
            .expect("owner");
        let given = owner.give(wallet, tokens(20_000)).await.expect("gives");
        owner.wait(given).await.expect("given");
        let mut wallet = Wallet::new(&self.chain, &self.deployment, key)
            .await
            .expect("a wallet");
        wallet.approve(tokens(20_000)).await.expect("approves");
        let entered = in_transaction(&self.db, async |conn| tournament(conn).await).await;
        let tournament = entered.chain_key.parse().expect("a key");
        let key = stakes::model_key(&model);
        let sent = wallet
            .register_model(tournament, key, tokens(10_000))
            .await
            .expect("registers");
        wallet.wait(sent).await.expect("registered");
        (model, wallet)
    }

    pub(super) async fn until(
        &self,
        what: &str,
        mut check: impl AsyncFnMut(&mut crate::db::Conn) -> bool,
    ) {
        let end_us = self.wall.now_us() + i64::try_from(LIMIT.as_micros()).expect("short");
        loop {
            if check(&mut self.db.read().await.expect("reads")).await {
                return;
            }
            let halted = settlement::halted(&mut self.db.read().await.expect("reads")).await;
            assert!(
                self.wall.now_us() < end_us,
                "waited too long for {what}; {halted:?}"
            );
            pause(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn until_state(&self, round: &domain::RoundId, state: RoundState) {
        self.until(state.name(), async |conn| {
            rounds::get(conn, round).await.expect("a round").state == state
        })
        .await;
    }

    /// Moves the market's clock on, never back.
    pub(super) fn move_to(&self, market_us: i64) {
        self.hand.set(self.hand.now_us().max(market_us));
    }

    pub(super) async fn end(self) {
        self.miner.0.cancel();
        self.miner.1.await.expect("joins");
        self.anvil.stop().await.expect("anvil ends");
    }
}

pub(super) async fn mine(chain: Chain, market: MarketClock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        anvil::mine_once(&chain, market.now_us())
            .await
            .expect("mines");
        pause(PACE).await;
    }
}
