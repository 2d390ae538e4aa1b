//! How much of a stake is free, and how much of it a round may risk (protocol.md §2, "Stake at
//! risk"). Pure: values in, values out.

use domain::{StakeRule, TokenAmount};

use super::StakeError;

/// Everything that decides what is free, in units of 1e-9 token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) deposited: u64,
    pub(super) withdrawn: u64,
    pub(super) stake_delta: i64,
    pub(super) pool_reward: i64,
    pub(super) requested: u64,
    pub(super) reserved: u64,
}

/// deposited − withdrawn + stakeDelta + poolReward; never below 0 on a chain that is sound.
pub(super) fn claimable(position: &Position) -> Result<TokenAmount, StakeError> {
    i128::from(position.deposited)
        .checked_sub(i128::from(position.withdrawn))
        .and_then(|sum| sum.checked_add(i128::from(position.stake_delta)))
        .and_then(|sum| sum.checked_add(i128::from(position.pool_reward)))
        .and_then(|sum| u64::try_from(sum).ok())
        .and_then(|sum| TokenAmount::from_units(sum).ok())
        .ok_or_else(|| StakeError::Broken(format!("claimable of {position:?} is out of range")))
}

/// ⌊claimable − requested⌋ − reserved, at least 0.
pub(super) fn free(position: &Position) -> Result<TokenAmount, StakeError> {
    let units = claimable(position)?.units();
    amount(
        units
            .saturating_sub(position.requested)
            .saturating_sub(position.reserved),
    )
}

/// The least of the free stake, the amount named (else the default limit) and the cap; under the
/// minimum nothing.
pub(super) fn ask_floor(
    free: TokenAmount,
    named: Option<TokenAmount>,
    rule: &StakeRule,
) -> Result<TokenAmount, StakeError> {
    let wanted = match named {
        Some(named) => named,
        None => share_floor(free, rule.default_limit_ppm)?,
    };
    let ask = free
        .min(wanted)
        .min(share_floor(free, rule.default_cap_ppm)?);
    Ok(if ask < rule.minimum {
        TokenAmount::ZERO
    } else {
        ask
    })
}

pub(super) fn share_floor(of: TokenAmount, ppm: u32) -> Result<TokenAmount, StakeError> {
    let broken = || StakeError::Broken(format!("{ppm} ppm of {of}"));
    let units = u128::from(of.units())
        .checked_mul(u128::from(ppm))
        .and_then(|product| product.checked_div(1_000_000))
        .and_then(|units| u64::try_from(units).ok())
        .ok_or_else(broken)?;
    amount(units)
}

fn amount(units: u64) -> Result<TokenAmount, StakeError> {
    TokenAmount::from_units(units).map_err(|error| StakeError::Broken(error.to_string()))
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use super::*;

    const TOKEN: u64 = 1_000_000_000;

    fn rule() -> StakeRule {
        StakeRule {
            a_ppm: 350_000,
            minimum: TokenAmount::from_units(TOKEN).expect("valid"),
            round_cap: TokenAmount::from_units(100_000 * TOKEN).expect("valid"),
            default_limit_ppm: 5_000,
            default_cap_ppm: 20_000,
            skill_memory_rounds: 60,
        }
    }

    fn tokens(tokens: u64) -> TokenAmount {
        TokenAmount::from_units(tokens * TOKEN).expect("valid")
    }

    #[test]
    fn requests_and_reservations_are_not_free() {
        let position = Position {
            deposited: 1_000,
            withdrawn: 100,
            stake_delta: -50,
            pool_reward: 10,
            requested: 200,
            reserved: 60,
        };
        assert_eq!(claimable(&position).expect("sound").units(), 860);
        assert_eq!(free(&position).expect("sound").units(), 600);
        let everything = Position {
            requested: u64::MAX,
            ..position
        };
        assert_eq!(free(&everything).expect("sound"), TokenAmount::ZERO);
        let broken = Position {
            stake_delta: -2_000,
            ..position
        };
        assert!(claimable(&broken).is_err());
    }

    #[test]
    fn a_model_risks_the_least_of_what_is_free_named_and_capped() {
        let ask = |free, named| ask_floor(free, named, &rule()).expect("in range");
        assert_eq!(ask(tokens(1_000), None), tokens(5));
        assert_eq!(ask(tokens(1_000), Some(tokens(7))), tokens(7));
        assert_eq!(ask(tokens(1_000), Some(tokens(500))), tokens(20));
        assert_eq!(ask(tokens(100), None), TokenAmount::ZERO);
        assert_eq!(ask(tokens(0), Some(tokens(5))), TokenAmount::ZERO);
        assert_eq!(ask(tokens(60), Some(tokens(1))), tokens(1));
    }
}
