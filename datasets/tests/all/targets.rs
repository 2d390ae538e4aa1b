//! Targets against a calculation straight from neighbouring bars.

use datasets::candle::{BAR_US, Candle};
use datasets::targets::target;
use datasets::{Asset, DatasetError};
use domain::{Direction, Price};

use crate::both;

#[test]
fn targets_are_the_sign_of_neighbouring_closes() {
    for (asset, equal_closes) in [(Asset::Btc, 19), (Asset::Eth, 12)] {
        let (own, _) = both(asset);
        let mut equal = 0;
        for pair in own.windows(2) {
            let moved = pair[1].close.units() - pair[0].close.units();
            let expected = match moved {
                1.. => Some(Direction::Up),
                0 => None,
                _ => Some(Direction::Down),
            };
            equal += usize::from(expected.is_none());
            assert_eq!(target(own, pair[1].open_time_us).unwrap(), expected);
        }
        assert_eq!(equal, equal_closes, "as counted at the source");
    }
}

#[test]
fn a_target_compares_closes_not_the_bar_with_itself() {
    let bar = |open_time_us: i64, open: i64, close: i64| Candle {
        open_time_us,
        open: Price::from_units(open).unwrap(),
        high: Price::from_units(open.max(close)).unwrap(),
        low: Price::from_units(open.min(close)).unwrap(),
        close: Price::from_units(close).unwrap(),
        volume: 1.0,
    };
    // Opens far above the close before and falls, yet ends higher than that close.
    let own = [bar(0, 100, 100), bar(BAR_US, 120, 110)];
    assert_eq!(target(&own, BAR_US).unwrap(), Some(Direction::Up));
}

#[test]
fn a_target_without_both_bars_is_refused() {
    let (own, _) = both(Asset::Btc);
    let first_us = own[0].open_time_us;
    let missing = |t_us| match target(own, t_us) {
        Err(DatasetError::MissingBar { open_time_us, .. }) => open_time_us,
        answer => panic!("{answer:?}"),
    };
    assert_eq!(missing(first_us), first_us - BAR_US);
    let end_us = own[own.len() - 1].close_time_us();
    assert_eq!(missing(end_us), end_us);
    assert!(matches!(
        target(own, first_us + 1),
        Err(DatasetError::NotARound { .. })
    ));
}
