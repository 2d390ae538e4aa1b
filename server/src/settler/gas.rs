//! What the keys have to pay gas with, noted for whoever watches.

use super::Settler;
use crate::settlement::{self, SettlementError};

impl Settler {
    /// Looks at both keys. A node that does not answer costs the note and nothing else.
    pub(super) async fn note_balances(&self) -> Result<(), SettlementError> {
        for key in [&self.keys.committer, &self.keys.operator] {
            let balance = match self.chain.balance(key.address()).await {
                Ok(balance) => balance.to_string(),
                Err(error) => {
                    tracing::debug!(%error, "the balance of a key could not be read");
                    continue;
                }
            };
            let signer = key.address().to_string();
            let mut tx = self.db.begin().await?;
            settlement::note_balance(&mut tx, &signer, &balance, self.wall.now_us()).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}
