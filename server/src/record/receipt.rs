//! What became of a receipt: included, replaced or omitted.

use alloy::primitives::{Address, B256, Signature, keccak256};
use contracts::receipt::{PredictionReceipt, signing_hash};
use contracts::round::round_id;
use domain::TokenAmount;
use domain::timestamp::SECOND_US;
use serde::Serialize;

use super::format::RoundFile;
use crate::predictions::Receipt;

/// What became of a receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// The round counted exactly this prediction.
    Included,
    /// The round counted a later prediction of the model.
    Replaced {
        /// Its number.
        by: i64,
    },
    /// The round counted another prediction than the latest that was acknowledged, or none. Listed,
    /// and changes no round.
    Omitted {
        /// What the round says.
        why: String,
    },
}

/// The address that signed the receipt, for this chain and registry: what the receipt itself says
/// of hash and signer counts for nothing.
///
/// # Errors
/// What is wrong with it.
pub fn signer_of(receipt: &Receipt, chain_id: u64, registry: Address) -> Result<Address, String> {
    let whole = |what: &str, stored: i64| {
        u64::try_from(stored).map_err(|_| format!("its {what} is below 0"))
    };
    let stake = receipt
        .stake
        .as_deref()
        .map(TokenAmount::from_tokens)
        .transpose()
        .map_err(|error| format!("its stake is no amount: {error}"))?;
    let start_us = receipt.round.start_us();
    let start_s = whole("round", start_us.checked_div(SECOND_US).unwrap_or(-1))?;
    let tournament = keccak256(receipt.round.tournament().as_str());
    let typed = PredictionReceipt {
        roundId: round_id(chain_id, registry, tournament, start_s),
        model: receipt.model.to_string(),
        countedPpm: receipt.p_ppm,
        postedPpm: receipt.posted_ppm,
        stakeNamed: stake.is_some(),
        stakeUnits: stake.map_or(0, TokenAmount::units),
        sequence: whole("sequence", receipt.sequence)?,
        receivedAtUs: whole("received_us", receipt.received_us)?,
    };
    let hash: B256 = signing_hash(&typed, chain_id, registry);
    let signature: Signature = receipt
        .signature
        .parse()
        .map_err(|_| "its signature is not 65 bytes".to_owned())?;
    signature
        .recover_address_from_prehash(&hash)
        .map_err(|_| "its signature is of no key".to_owned())
}

/// What a round did with a receipt whose signature holds.
#[must_use]
pub fn check_receipt(receipt: &Receipt, file: &RoundFile) -> Standing {
    let rows = &file.predictions;
    let row = rows.iter().find(|row| row.model == receipt.model.as_str());
    let Some(row) = row else {
        let why = format!("{} counts nothing of {}", file.round, receipt.model);
        return Standing::Omitted { why };
    };
    if row.sequence > receipt.sequence {
        return Standing::Replaced { by: row.sequence };
    }
    if row.sequence < receipt.sequence {
        let why = format!(
            "{} counts the earlier prediction {} of {}",
            file.round, row.sequence, receipt.model
        );
        return Standing::Omitted { why };
    }
    if (row.p, row.posted) != (receipt.p_ppm, receipt.posted_ppm) {
        let why = format!(
            "{} counts prediction {} as {} ppm posted {} ppm, the receipt says {} and {}",
            file.round, row.sequence, row.p, row.posted, receipt.p_ppm, receipt.posted_ppm
        );
        return Standing::Omitted { why };
    }
    Standing::Included
}
