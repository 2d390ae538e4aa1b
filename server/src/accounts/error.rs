//! Why an account, a key or a signature is refused.

use domain::AccountId;
use thiserror::Error;

/// Why an account or a key is refused.
#[derive(Debug, Error)]
pub enum AccountError {
    /// The name breaks the rule.
    #[error(
        "account name {0:?} is not 1 to 40 letters, digits, spaces and . _ - + ( ) # without spaces at its ends"
    )]
    Name(String),
    /// Somebody has the name.
    #[error("account name {0:?} is taken")]
    NameTaken(String),
    /// Not an address.
    #[error("{0:?} is no 0x address with a right checksum")]
    Wallet(String),
    /// Another account has the wallet.
    #[error("wallet {0} belongs to another account")]
    WalletTaken(String),
    /// The account has another wallet, for good.
    #[error("account {account} has the wallet {wallet}")]
    WalletDiffers {
        /// The account.
        account: AccountId,
        /// Its wallet.
        wallet: String,
    },
    /// What only a wallet may sign.
    #[error("account {0} has no wallet")]
    WalletMissing(AccountId),
    /// No account has this wallet.
    #[error("no account has the wallet {0}")]
    WalletUnknown(String),
    /// A signature that does not hold.
    #[error("the signature does not hold: {0}")]
    Signature(&'static str),
    /// A signature of another time.
    #[error("the request was signed {0}")]
    SignatureExpired(&'static str),
    /// The request was carried out before.
    #[error("the nonce {0} was used before by this wallet")]
    NonceUsed(String),
    /// No such account.
    #[error("account {0} does not exist")]
    UnknownAccount(AccountId),
    /// A key without scopes could do nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// The account has as many keys as it may.
    #[error("account {0} has 20 keys that are not revoked, or made a thousand in a month")]
    TooManyKeys(AccountId),
    /// What a key is to be breaks a rule.
    #[error("{0}")]
    Rights(String),
    /// Only the operator lets others run models.
    #[error("a key with the scope `run` is the operator's to make")]
    RunNotGiven,
    /// The account has no such key.
    #[error("the account has no key {0:?}")]
    UnknownKey(String),
    /// A key that has ended cannot be rotated.
    #[error("key {0} has ended")]
    KeyEnded(String),
    /// Both keys of a rotation live.
    #[error("key {0} is in a rotation whose two keys are both live")]
    RotationRunning(String),
    /// The account has as many session keys as it may.
    #[error("account {0} has 10 session keys that are live")]
    TooManySessions(AccountId),
    /// The account has no such session key.
    #[error("the account has no live session key {0:?}")]
    UnknownSession(String),
    /// Mistyped or cut: the checksum does not fit.
    #[error(
        "the API key is not of the form ftk_<id>_<secret>_<checksum>, or its checksum is wrong"
    )]
    KeyForm,
    /// Nobody's key.
    #[error("the API key is unknown")]
    KeyUnknown,
    /// It was valid once.
    #[error("the API key {id} was revoked")]
    KeyRevoked {
        /// The part of the key that names it.
        id: String,
    },
    /// It was valid for a time.
    #[error("the API key {id} ended at {at}")]
    KeyExpired {
        /// The part of the key that names it.
        id: String,
        /// When, RFC 3339.
        at: String,
    },
    /// It came from elsewhere.
    #[error("the API key {id} may not be used from {from}")]
    KeyAddress {
        /// The part of the key that names it.
        id: String,
        /// Where the request came from.
        from: String,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}
