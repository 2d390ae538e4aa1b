//! Signatures of wallets: one strict form, a short life, and each nonce once.

use alloy::primitives::{Address, B256, Signature};
use alloy::sol_types::SolStruct;
use contracts::requests::signing_hash;
use domain::timestamp::SECOND_US;

use super::{AccountError, store};
use crate::db::Conn;

/// How long after it was signed a request is taken.
pub(super) const LIFE_US: i64 = 300 * SECOND_US;
/// How far a wallet's clock may be ahead of ours.
const AHEAD_US: i64 = 30 * SECOND_US;
/// Nonces are kept longer than requests are taken, should our own clock be set back.
const KEPT_US: i64 = 2 * LIFE_US;

/// Where signatures hold: the chain and the registry of their domain.
#[derive(Clone, Copy, Debug)]
pub struct SigningPlace {
    /// The chain's id.
    pub chain_id: u64,
    /// The registry's address.
    pub registry: Address,
}

/// That a wallet asks for something.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Whose signature it is said to be.
    pub wallet: Address,
    /// When it was signed, wall microseconds.
    pub issued_us: i64,
    /// Not used before by this wallet.
    pub nonce: B256,
    /// 65 bytes, `0x…`.
    pub signature: String,
}

impl Proof {
    /// The moment as typed data has it.
    pub(super) fn issued(&self) -> Result<u64, AccountError> {
        u64::try_from(self.issued_us).map_err(|_| AccountError::SignatureExpired("before 1970"))
    }

    /// Refuses what the wallet did not sign, or not now, or what was carried out before; from here
    /// on the nonce is used, if the caller commits.
    pub(super) async fn accept<T: SolStruct>(
        &self,
        conn: &mut Conn,
        now_us: i64,
        place: SigningPlace,
        request: &T,
    ) -> Result<(), AccountError> {
        if self.issued_us < now_us.saturating_sub(LIFE_US) {
            return Err(AccountError::SignatureExpired("more than 5 minutes ago"));
        }
        if self.issued_us > now_us.saturating_add(AHEAD_US) {
            return Err(AccountError::SignatureExpired("in the future"));
        }
        let hash = signing_hash(request, place.chain_id, place.registry);
        if recover(&hash, &self.signature)? != self.wallet {
            return Err(AccountError::Signature(
                "it is not by the wallet, or over something else",
            ));
        }
        // Last, so that nobody uses up a nonce of somebody else.
        let (wallet, nonce) = (self.wallet.to_string(), self.nonce.to_string());
        let until_us = self.issued_us.saturating_add(KEPT_US);
        if !store::signed::spend_nonce(conn, now_us, &wallet, &nonce, until_us).await? {
            return Err(AccountError::NonceUsed(nonce));
        }
        Ok(())
    }
}

/// Who signed a hash. One form alone is taken, so that no signature has a twin: 65 bytes, s in the
/// lower half, v 27 or 28.
///
/// # Errors
/// [`AccountError::Signature`].
pub fn recover(hash: &B256, signature: &str) -> Result<Address, AccountError> {
    let refused = AccountError::Signature;
    let digits = signature.strip_prefix("0x");
    let bytes = digits.and_then(|digits| hex::decode(digits).ok());
    let bytes: [u8; 65] = bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| refused("it is not 0x and 65 bytes"))?;
    if !matches!(bytes.last(), Some(27 | 28)) {
        return Err(refused("its last byte, v, is neither 27 nor 28"));
    }
    let parsed = Signature::from_raw_array(&bytes).map_err(|_| refused("it has no form"))?;
    if parsed.normalize_s().is_some() {
        return Err(refused("its s is in the upper half"));
    }
    parsed
        .recover_address_from_prehash(hash)
        .map_err(|_| refused("it is of no key"))
}
