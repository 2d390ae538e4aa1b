//! What tests need of the chain without having one.

use alloy::primitives::{Address, B256};

use super::{BlockRef, Deployment, Event, Said, store};
use crate::db::Conn;

/// Contracts that exist on no chain.
pub(crate) fn deployment() -> Deployment {
    Deployment {
        chain_id: 31_337,
        token: Address::repeat_byte(1),
        registry: Address::repeat_byte(2),
        vault: Address::repeat_byte(3),
        deployed_block: 0,
        window_s: 120,
        settle_by_s: 900,
        delay_s: 1_400,
        margin_s: 60,
        idle_limit_s: 7 * 86_400,
        bond: 1_000_000_000,
        minimum_deposit: 1_000_000_000,
        committer: Address::repeat_byte(4),
        operator: Address::repeat_byte(5),
        guardian: Address::repeat_byte(6),
        owner: Address::repeat_byte(7),
    }
}

/// Records a block of this moment, so that our view of the chain is fresh.
pub(crate) async fn head(conn: &mut Conn, number: u64, time_us: i64) {
    let block = BlockRef {
        number,
        hash: B256::from([u8::try_from(number % 251).expect("small"); 32]),
        parent_hash: B256::ZERO,
        time_s: u64::try_from(time_us / 1_000_000).expect("after 1970"),
    };
    store::insert_block(conn, &block).await.expect("records");
}

/// A final event of the vault or the registry in a block of its own.
pub(crate) fn event(address: Address, number: i64, said: Said) -> Event {
    Event {
        block_hash: B256::from([u8::try_from(number % 251).expect("small"); 32]).to_string(),
        log_index: 0,
        block_number: number,
        block_time_s: 1_709_640_000,
        tx_hash: B256::from([9; 32]).to_string(),
        address,
        is_final: true,
        said,
    }
}

/// Records a final event as the follower does, so that it waits to be applied.
pub(crate) async fn record(conn: &mut Conn, event: &Event) {
    store::insert_event(conn, event).await.expect("records");
    let number = u64::try_from(event.block_number).expect("a height");
    store::mark_final(conn, number).await.expect("is final");
}
