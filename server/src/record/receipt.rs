//! What became of a receipt: included, opened, replaced, never revealed or omitted.

use alloy::primitives::{Address, B256, Signature, keccak256};
use contracts::receipt::{PredictionReceipt, signing_hash};
use contracts::round::round_id;
use domain::TokenAmount;
use domain::timestamp::SECOND_US;
use serde::Serialize;

use super::difference::or_none;
use super::format::{PredictionRow, RoundFile};
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
    /// The round counted what this seal holds.
    Opened {
        /// The number of the prediction that opened it.
        by: i64,
    },
    /// The seal was the model's latest prediction and was not opened before the lock: the model is
    /// absent by its own doing.
    NeverRevealed,
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
    let amount = |text: &str| {
        TokenAmount::from_tokens(text).map_err(|error| format!("its stake is no amount: {error}"))
    };
    let stake = receipt.stake.as_deref().map(amount).transpose()?;
    let seal = match &receipt.seal {
        Some(text) => text.parse().map_err(|_| "its seal is not 32 bytes")?,
        None => B256::ZERO,
    };
    let start_us = receipt.round.start_us();
    let start_s = whole("round", start_us.checked_div(SECOND_US).unwrap_or(-1))?;
    let tournament = keccak256(receipt.round.tournament().as_str());
    let typed = PredictionReceipt {
        roundId: round_id(chain_id, registry, tournament, start_s),
        model: receipt.model.to_string(),
        countedPpm: receipt.p_ppm.unwrap_or(0),
        postedPpm: receipt.posted_ppm.unwrap_or(0),
        stakeNamed: stake.is_some(),
        stakeUnits: stake.map_or(0, TokenAmount::units),
        sequence: whole("sequence", receipt.sequence)?,
        receivedAtUs: whole("received_us", receipt.received_us)?,
        stakeCountedUnits: amount(&receipt.stake_counted)?.units(),
        seal,
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
    let is_of = |model: &str| model == receipt.model.as_str();
    if let Some(row) = file.predictions.iter().find(|row| is_of(&row.model)) {
        return check_counted(receipt, file, row);
    }
    let omitted = |what: &str| Standing::Omitted {
        why: format!("{} counts nothing of {}{what}", file.round, receipt.model),
    };
    let Some(absent) = file.never_revealed.iter().find(|row| is_of(&row.model)) else {
        return omitted("");
    };
    if absent.sequence > receipt.sequence {
        return Standing::Replaced {
            by: absent.sequence,
        };
    }
    let is_it = absent.sequence == receipt.sequence && is_seal(receipt, absent.seal);
    if is_it {
        return Standing::NeverRevealed;
    }
    omitted(&format!(" but the closed seal {}", absent.sequence))
}

/// Whether the receipt is that of the seal itself, still closed.
fn is_seal(receipt: &Receipt, seal: B256) -> bool {
    receipt.posted_ppm.is_none() && names(receipt, seal)
}

fn names(receipt: &Receipt, seal: B256) -> bool {
    let named = receipt.seal.as_ref().and_then(|text| text.parse().ok());
    named == Some(seal)
}

fn check_counted(receipt: &Receipt, file: &RoundFile, row: &PredictionRow) -> Standing {
    if let Some(sealed) = &row.seal
        && sealed.sequence == receipt.sequence
        && is_seal(receipt, sealed.seal)
    {
        return Standing::Opened { by: row.sequence };
    }
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
    let counted = (Some(row.p), Some(row.posted));
    let seal = row.seal.as_ref().map(|sealed| sealed.seal);
    let is_same_seal = match seal {
        Some(seal) => names(receipt, seal),
        None => receipt.seal.is_none(),
    };
    if counted != (receipt.p_ppm, receipt.posted_ppm) || !is_same_seal {
        let why = format!(
            "{} counts prediction {} as {} ppm posted {} ppm with seal {}, the receipt says {}, {} \
             and {}",
            file.round,
            row.sequence,
            row.p,
            row.posted,
            or_none(seal),
            or_none(receipt.p_ppm),
            or_none(receipt.posted_ppm),
            or_none(receipt.seal.as_ref()),
        );
        return Standing::Omitted { why };
    }
    Standing::Included
}
