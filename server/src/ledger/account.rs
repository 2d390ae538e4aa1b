//! The accounts between which money moves.

use std::fmt;

/// Where money can be. Sums over all accounts are zero, so what is outside counts negative.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// Outside of the vaults: a wallet, or `world` where the event names nobody.
    Outside(String),
    /// What a model can claim.
    Model {
        /// The vault, `0x…`.
        vault: String,
        /// The model's position.
        index: u32,
    },
    /// A vault's pool.
    Pool(String),
    /// What a proposal has locked in a vault.
    Bond(String),
    /// Burned by a vault, for ever.
    Burned(String),
}

impl Account {
    /// Whoever an event does not name.
    #[must_use]
    pub fn world() -> Self {
        Self::Outside("world".to_owned())
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> AccountKind {
        match self {
            Self::Outside(_) => AccountKind::Outside,
            Self::Model { .. } => AccountKind::Model,
            Self::Pool(_) => AccountKind::Pool,
            Self::Bond(_) => AccountKind::Bond,
            Self::Burned(_) => AccountKind::Burned,
        }
    }

    /// The vault that holds it; empty for what is outside.
    pub(super) fn vault(&self) -> &str {
        match self {
            Self::Outside(_) => "",
            Self::Model { vault, .. }
            | Self::Pool(vault)
            | Self::Bond(vault)
            | Self::Burned(vault) => vault,
        }
    }

    /// The model's position; −1 for other accounts.
    pub(super) fn model_index(&self) -> i64 {
        match self {
            Self::Model { index, .. } => i64::from(*index),
            _ => -1,
        }
    }
}

/// The stored name: `outside:…`, `model:VAULT:INDEX`, `pool:VAULT`, `bond:VAULT`, `burned:VAULT`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(whom) => write!(f, "outside:{whom}"),
            Self::Model { vault, index } => write!(f, "model:{vault}:{index}"),
            Self::Pool(vault) => write!(f, "pool:{vault}"),
            Self::Bond(vault) => write!(f, "bond:{vault}"),
            Self::Burned(vault) => write!(f, "burned:{vault}"),
        }
    }
}

/// A kind of account. Stored by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountKind {
    /// Wallets and the world.
    Outside,
    /// Models' stakes.
    Model,
    /// Pools.
    Pool,
    /// Bonds.
    Bond,
    /// Burned.
    Burned,
}

impl AccountKind {
    /// All kinds, in the order in which people read them.
    pub const ALL: [Self; 5] = [
        Self::Outside,
        Self::Model,
        Self::Pool,
        Self::Bond,
        Self::Burned,
    ];

    /// The stored name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Model => "model",
            Self::Pool => "pool",
            Self::Bond => "bond",
            Self::Burned => "burned",
        }
    }
}
