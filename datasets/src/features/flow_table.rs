//! Features of volume, of the other asset and of the calendar.

use super::price_table::features;
use super::schema::FeatureGroup::{OtherAsset, Time, Volume};
use super::schema::FeatureSpec;

/// Yardsticks are those of the asset that is measured, unless the text says otherwise.
pub(super) const FLOW_FEATURES: &[FeatureSpec] = features![
    Volume "volume_ratio_1_48" "log of the newest bar's volume against the mean of 48 bars" |w| w.own.volume_ratio(1, 48);
    Volume "volume_ratio_6_48" "log of the mean volume of 6 bars against that of 48" |w| w.own.volume_ratio(6, 48);
    Volume "volume_ratio_12_144" "log of the mean volume of 12 bars against that of 144" |w| w.own.volume_ratio(12, 144);
    Volume "signed_volume_3" "volume of rising less falling bars over all volume, 3 bars, −1 to 1" |w| w.own.signed_volume(3);
    Volume "signed_volume_12" "volume of rising less falling bars over all volume, 12 bars, −1 to 1" |w| w.own.signed_volume(12);
    Volume "signed_volume_48" "volume of rising less falling bars over all volume, 48 bars, −1 to 1" |w| w.own.signed_volume(48);
    Volume "volume_move_corr_48" "correlation of volume and absolute return, 48 bars, −1 to 1" |w| w.own.volume_move_correlation(48);
    OtherAsset "other_ret_lag_1" "the other asset's log return of the newest closed bar, in its yardsticks" |w| w.other.lagged_return(1);
    OtherAsset "other_ret_lag_2" "the other asset's log return one bar before the newest, in its yardsticks" |w| w.other.lagged_return(2);
    OtherAsset "other_ret_lag_3" "the other asset's log return two bars before the newest, in its yardsticks" |w| w.other.lagged_return(3);
    OtherAsset "other_mom_6" "the other asset's log return over 6 bars, in its yardsticks × √6" |w| w.other.momentum(6);
    OtherAsset "other_mom_12" "the other asset's log return over 12 bars, in its yardsticks × √12" |w| w.other.momentum(12);
    OtherAsset "other_mom_48" "the other asset's log return over 48 bars, in its yardsticks × √48" |w| w.other.momentum(48);
    OtherAsset "other_vol_ratio_12" "log of the other asset's root mean square return of 12 bars in its yardsticks" |w| w.other.volatility_ratio(12);
    OtherAsset "other_range_pos_48" "the other asset's newest close within its range of 48 bars, −1 to 1" |w| w.other.range_position(48);
    OtherAsset "other_volume_ratio_6_48" "log of the other asset's mean volume of 6 bars against that of 48" |w| w.other.volume_ratio(6, 48);
    OtherAsset "other_signed_volume_12" "the other asset's volume of rising less falling bars over all, 12 bars, −1 to 1" |w| w.other.signed_volume(12);
    OtherAsset "pair_corr_48" "correlation of both assets' returns, 48 bars, −1 to 1" |w| w.correlation(48);
    OtherAsset "pair_corr_144" "correlation of both assets' returns, 144 bars, −1 to 1" |w| w.correlation(144);
    OtherAsset "pair_beta" "slope of own on the other asset's returns, 144 bars, about zero mean" |w| w.beta();
    OtherAsset "pair_spread_3" "own return beyond beta times the other's over 3 bars, in own yardsticks × √3" |w| w.spread(3);
    OtherAsset "pair_spread_12" "own return beyond beta times the other's over 12 bars, in own yardsticks × √12" |w| w.spread(12);
    OtherAsset "pair_spread_48" "own return beyond beta times the other's over 48 bars, in own yardsticks × √48" |w| w.spread(48);
    OtherAsset "pair_relative_vol" "log of own yardstick against the other asset's" |w| w.relative_volatility();
    Time "day_sin" "sine of the round's start on the circle of 24 hours, UTC" |w| w.day_sine();
    Time "day_cos" "cosine of the round's start on the circle of 24 hours, UTC" |w| w.day_cosine();
    Time "hour_sin" "sine of the round's start on the circle of one hour" |w| w.hour_sine();
    Time "hour_cos" "cosine of the round's start on the circle of one hour" |w| w.hour_cosine();
    Time "weekend" "1 when the round starts on a Saturday or Sunday (UTC), else 0" |w| w.weekend();
];
