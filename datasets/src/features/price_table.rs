//! Features of the asset's own prices.

use super::schema::FeatureGroup::{LaggedReturn, Momentum, Range, Volatility};
use super::schema::FeatureSpec;

macro_rules! features {
    ($($group:ident $name:literal $description:literal $formula:expr;)*) => {
        &[$(FeatureSpec::new($group, $name, $description, $formula)),*]
    };
}
pub(super) use features;

/// A *yardstick* is the asset's root mean square log return per bar over the last 144 bars.
pub(super) const PRICE_FEATURES: &[FeatureSpec] = features![
    LaggedReturn "ret_lag_1" "log return of the newest closed bar, in yardsticks (own root mean square return per bar over 144 bars)" |w| w.own.lagged_return(1);
    LaggedReturn "ret_lag_2" "log return one bar before the newest, in yardsticks" |w| w.own.lagged_return(2);
    LaggedReturn "ret_lag_3" "log return two bars before the newest, in yardsticks" |w| w.own.lagged_return(3);
    LaggedReturn "ret_lag_4" "log return three bars before the newest, in yardsticks" |w| w.own.lagged_return(4);
    LaggedReturn "ret_lag_5" "log return four bars before the newest, in yardsticks" |w| w.own.lagged_return(5);
    LaggedReturn "ret_lag_6" "log return five bars before the newest, in yardsticks" |w| w.own.lagged_return(6);
    Momentum "mom_3" "log return over 3 bars, in yardsticks × √3" |w| w.own.momentum(3);
    Momentum "mom_6" "log return over 6 bars, in yardsticks × √6" |w| w.own.momentum(6);
    Momentum "mom_12" "log return over 12 bars (one hour), in yardsticks × √12" |w| w.own.momentum(12);
    Momentum "mom_24" "log return over 24 bars, in yardsticks × √24" |w| w.own.momentum(24);
    Momentum "mom_48" "log return over 48 bars, in yardsticks × √48" |w| w.own.momentum(48);
    Momentum "mom_144" "log return over 144 bars (twelve hours), in yardsticks × √144" |w| w.own.momentum(144);
    Momentum "gap_mean_12" "newest close against the mean close of 12 bars (log), in yardsticks × √12" |w| w.own.gap_to_mean(12);
    Momentum "gap_mean_48" "newest close against the mean close of 48 bars (log), in yardsticks × √48" |w| w.own.gap_to_mean(48);
    Momentum "gap_mean_144" "newest close against the mean close of 144 bars (log), in yardsticks × √144" |w| w.own.gap_to_mean(144);
    Momentum "ema_gap_12_48" "exponential mean close of span 12 against span 48, both begun 145 bars ago (log), in yardsticks × √48" |w| w.own.exponential_gap(12, 48);
    Momentum "strength_14" "gains less losses over their sum, 14 bars, −1 to 1" |w| w.own.strength(14);
    Momentum "balance_6" "rising less falling bars as a share of 6, −1 to 1" |w| w.own.balance(6);
    Momentum "balance_12" "rising less falling bars as a share of 12, −1 to 1" |w| w.own.balance(12);
    Momentum "balance_48" "rising less falling bars as a share of 48, −1 to 1" |w| w.own.balance(48);
    Volatility "vol_level" "log of the yardstick in basis points" |w| libm::log(w.own.yardstick() * 1e4);
    Volatility "vol_ratio_3" "log of the root mean square return of 3 bars in yardsticks" |w| w.own.volatility_ratio(3);
    Volatility "vol_ratio_6" "log of the root mean square return of 6 bars in yardsticks" |w| w.own.volatility_ratio(6);
    Volatility "vol_ratio_12" "log of the root mean square return of 12 bars in yardsticks" |w| w.own.volatility_ratio(12);
    Volatility "vol_ratio_48" "log of the root mean square return of 48 bars in yardsticks" |w| w.own.volatility_ratio(48);
    Volatility "high_low_vol_12" "log of Parkinson's high-low volatility of 12 bars in yardsticks" |w| w.own.parkinson_ratio(12);
    Volatility "high_low_vol_48" "log of Parkinson's high-low volatility of 48 bars in yardsticks" |w| w.own.parkinson_ratio(48);
    Volatility "autocorr_24" "autocorrelation of 24 returns at lag 1, about zero mean, −1 to 1" |w| w.own.autocorrelation(24);
    Volatility "autocorr_144" "autocorrelation of 144 returns at lag 1, about zero mean, −1 to 1" |w| w.own.autocorrelation(144);
    Volatility "skew_48" "skewness of 48 returns about zero mean" |w| w.own.skewness(48);
    Volatility "skew_144" "skewness of 144 returns about zero mean" |w| w.own.skewness(144);
    Volatility "largest_move_48" "largest absolute return of 48 bars, in yardsticks" |w| w.own.largest_move(48);
    Range "range_pos_6" "newest close within the high-low range of 6 bars, −1 at the low, 1 at the high" |w| w.own.range_position(6);
    Range "range_pos_12" "newest close within the high-low range of 12 bars, −1 at the low, 1 at the high" |w| w.own.range_position(12);
    Range "range_pos_48" "newest close within the high-low range of 48 bars, −1 at the low, 1 at the high" |w| w.own.range_position(48);
    Range "range_pos_144" "newest close within the high-low range of 144 bars, −1 at the low, 1 at the high" |w| w.own.range_position(144);
    Range "body_1" "close less open over high less low of the newest bar, −1 to 1" |w| w.own.body(1);
    Range "body_6" "mean of close less open over high less low, 6 bars, −1 to 1" |w| w.own.body(6);
    Range "wicks_1" "upper less lower wick over high less low of the newest bar, −1 to 1" |w| w.own.wicks(1);
    Range "wicks_6" "mean of upper less lower wick over high less low, 6 bars, −1 to 1" |w| w.own.wicks(6);
    Range "high_low_vol_1" "log of the newest bar's Parkinson volatility in yardsticks" |w| w.own.parkinson_ratio(1);
];
