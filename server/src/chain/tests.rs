//! The follower against a real development chain that re-organises.

use alloy::primitives::Address;
use alloy::sol_types::SolEvent;
use contracts::abi::{Fault, StakeVault};
use serde_json::json;

use super::anvil::{Anvil, AnvilSettings, give_gas, locate, mine_once};
use super::wallet::Wallet;
use super::*;
use crate::db::testing as databases;

const START_S: i64 = 1_709_640_000;

async fn chain() -> (Anvil, Chain) {
    let program = locate(None).expect("anvil");
    let settings = AnvilSettings {
        program,
        state: None,
        timestamp_s: START_S,
        port: None,
    };
    Anvil::start(settings).await.expect("anvil starts")
}

/// The token stands for a contract whose events nobody reads.
fn somewhere(chain: &Chain) -> Deployment {
    Deployment {
        chain_id: chain.chain_id(),
        deployed_block: 0,
        ..super::testing::deployment()
    }
}

async fn mine(chain: &Chain, blocks: i64) {
    for _ in 0..blocks {
        mine_once(chain, 0).await.expect("mines");
    }
}

#[tokio::test]
async fn the_follower_rewinds_to_the_common_ancestor_at_every_depth() {
    let (anvil, chain) = chain().await;
    let (db, _folder) = databases::sqlite().await;
    let deployment = somewhere(&chain);
    for depth in [1, 3, 6] {
        mine(&chain, 12).await;
        while !follower::step(&db, &chain, &deployment)
            .await
            .expect("follows")
            .caught_up
        {}
        let before = newest_head(&mut db.read().await.expect("reads"))
            .await
            .expect("a head");
        // Another branch of the same height.
        chain
            .command("anvil_reorg", json!([depth, []]))
            .await
            .expect("re-organises");
        let mut rewound = false;
        for _ in 0..20 {
            let progress = follower::step(&db, &chain, &deployment)
                .await
                .expect("follows");
            rewound |= progress.rewound;
            if progress.caught_up && progress.blocks == 0 {
                break;
            }
        }
        let after = newest_head(&mut db.read().await.expect("reads"))
            .await
            .expect("a head");
        let latest = chain.latest().await.expect("answers");
        assert!(rewound, "depth {depth}");
        assert_ne!(after, before);
        assert_eq!(after.expect("a head").hash, latest.hash);
    }
    anvil.stop().await.expect("ends");
}

#[tokio::test]
async fn a_database_of_another_chain_is_noticed() {
    let (anvil, first) = chain().await;
    let (db, _folder) = databases::sqlite().await;
    let mut tx = db.begin().await.expect("begins");
    set_deployment(&mut tx, &somewhere(&first))
        .await
        .expect("kept");
    tx.commit().await.expect("commits");
    let fits = fitting_deployment(&mut db.read().await.expect("reads"), &first).await;
    assert!(
        matches!(fits, Err(ChainError::DoesNotFit(_))),
        "no contract is there"
    );
    mine(&first, 20).await;
    let deployment = somewhere(&first);
    while !follower::step(&db, &first, &deployment)
        .await
        .expect("follows")
        .caught_up
    {}
    anvil.stop().await.expect("ends");
    let (anvil, second) = chain().await;
    mine_once(&second, (START_S + 500) * 1_000_000)
        .await
        .expect("mines");
    mine(&second, 25).await;
    let other = follower::step(&db, &second, &deployment).await;
    assert!(matches!(other, Err(ChainError::DoesNotFit(_))), "{other:?}");
    anvil.stop().await.expect("ends");
}

#[tokio::test]
async fn the_state_of_the_chain_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = Some(folder.path().join("chain.json"));
    let program = locate(None).expect("anvil");
    let settings = AnvilSettings {
        program,
        state,
        timestamp_s: START_S,
        port: None,
    };
    let (anvil, chain) = Anvil::start(settings.clone()).await.expect("starts");
    let key = Key::from_bytes([7; 32]).expect("a key");
    give_gas(&chain, key.address()).await.expect("gas");
    let mut wallet = Wallet::new(&chain, &somewhere(&chain), key.clone())
        .await
        .expect("a wallet");
    wallet
        .give(Address::repeat_byte(1), domain::TokenAmount::ZERO)
        .await
        .expect("sends");
    mine(&chain, 10).await;
    let newest = chain.latest().await.expect("answers");
    anvil.stop().await.expect("ends");
    let (anvil, chain) = Anvil::start(settings).await.expect("starts again");
    let there = chain
        .at(newest.number)
        .await
        .expect("answers")
        .expect("kept");
    assert_eq!(there.hash, newest.hash);
    assert_eq!(chain.nonce(key.address(), false).await.expect("a nonce"), 1);
    anvil.stop().await.expect("ends");
}

#[test]
fn a_challenge_is_read_from_its_log_and_from_the_database() {
    let said = Said::BatchChallenged {
        seq: 3,
        number: 7,
        root: B256::repeat_byte(5),
        challenger: Address::repeat_byte(6),
        fault: Fault::NodeSums as u8,
    };
    let event = StakeVault::BatchChallenged {
        seq: 3,
        number: 7,
        challenger: Address::repeat_byte(6),
        root: B256::repeat_byte(5),
        fault: Fault::NodeSums as u8,
    };
    let log = alloy::primitives::Log {
        address: Address::repeat_byte(1),
        data: event.encode_log_data(),
    };
    assert_eq!(decode::said(&log), Some(said.clone()));
    assert_eq!(said.name(), "batch_challenged");
    let stored = serde_json::to_string(&said).expect("serialises");
    let read: Said = serde_json::from_str(&stored).expect("reads");
    assert_eq!(read, said);
}
