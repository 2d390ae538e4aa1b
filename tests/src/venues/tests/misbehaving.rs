//! Every misbehaviour can be seen by a client, and ends when the venue is told to be honest.

use server::prices::feeds::protocol::{Cursor, decode_time, decode_trades, time_path, trades_path};

use super::*;
use crate::venues::Misbehaviour;
use crate::venues::misbehaviour::scaled;

/// Both markets of a venue for five seconds, as they are sent while `command` is on.
async fn heard_under(venue: Venue, command: Misbehaviour) -> (Vec<VenueTrade>, Vec<VenueTrade>) {
    let (venues, clock) = venues().await;
    let mut client = Client::subscribed(&venues, venue).await;
    venues.command(venue, command);
    let until_us = NOW_US + 30 * SECOND_US;
    clock.set(until_us);
    let expected = truth(venues.market(), venue, until_us);
    let heard = client.many(expected.len()).await;
    (heard, expected)
}

#[tokio::test]
async fn wrong_prices_and_clocks_are_sent() {
    for venue in Venue::ALL {
        let asset = Asset::Btc;
        let print = Misbehaviour::Print {
            asset,
            percent: -20,
        };
        let (heard, expected) = heard_under(venue, print).await;
        let heard = by_number(heard);
        let differ = heard.iter().zip(&expected).filter(|(a, b)| a != b);
        let differ: Vec<_> = differ.collect();
        assert_eq!(differ.len(), 1, "{venue:?}: one wild print");
        assert_eq!(differ[0].0.price, scaled(differ[0].1.price, 80, 100));

        let (heard, expected) = heard_under(venue, Misbehaviour::ShiftDecimals { places: 1 }).await;
        let shifted = expected.iter().map(|trade| scaled(trade.price, 10, 1));
        let heard: Vec<_> = by_number(heard).iter().map(|trade| trade.price).collect();
        assert_eq!(heard, shifted.collect::<Vec<_>>(), "{venue:?}");

        let (heard, expected) = heard_under(venue, Misbehaviour::ClockOff { seconds: -5 }).await;
        let late = expected
            .iter()
            .map(|trade| trade.venue_time_us - 5 * SECOND_US);
        let heard: Vec<_> = by_number(heard)
            .iter()
            .map(|trade| trade.venue_time_us)
            .collect();
        assert_eq!(heard, late.collect::<Vec<_>>(), "{venue:?}");
    }
}

#[tokio::test]
async fn rest_is_wrong_too_and_fails_on_command() {
    let (venues, _clock) = venues().await;
    for venue in Venue::ALL {
        let market = venues.market();
        let known = market.last_id(venue, Asset::Btc, NOW_US - 60 * SECOND_US);
        let known = market.trade(venue, Asset::Btc, known).expect("a trade");
        let cursor = Cursor::after(known.trade_id, known.venue_time_us);
        let name = symbol(venue, Asset::Btc);
        let trades = format!(
            "{}{}",
            venues.rest_url(venue),
            trades_path(venue, name, &cursor)
        );
        let page = |body: &[u8]| {
            let mut page = decode_trades(venue, name, body).expect("a page");
            page.sort_by_key(|trade| trade.trade_id);
            page.pop().expect("trades")
        };
        let truth = page(&get(&trades).await.1);
        venues.command(venue, Misbehaviour::ShiftDecimals { places: -3 });
        venues.command(venue, Misbehaviour::ClockOff { seconds: 5 });
        let wrong = page(&get(&trades).await.1);
        assert_eq!(wrong.price, scaled(truth.price, 1, 1_000), "{venue:?}");
        assert_eq!(wrong.venue_time_us, truth.venue_time_us + 5 * SECOND_US);
        let time = format!("{}{}", venues.rest_url(venue), time_path(venue));
        let clock_us = decode_time(venue, &get(&time).await.1).expect("a clock");
        assert!((clock_us - NOW_US - 5 * SECOND_US).abs() <= SECOND_US);
        venues.command(venue, Misbehaviour::RestFails { status: 503 });
        assert_eq!(get(&time).await.0, 503);
        venues.command(venue, Misbehaviour::Honest);
        assert_eq!(page(&get(&trades).await.1), truth);
        venues.command(venue, Misbehaviour::RestSlow { seconds: 1 });
        let wall = WallClock::system();
        let began_us = wall.now_us();
        assert_eq!(get(&time).await.0, 200);
        assert!(wall.now_us() - began_us >= SECOND_US);
    }
}

#[tokio::test]
async fn frames_are_doubled_and_put_out_of_order() {
    for venue in Venue::ALL {
        let (venues, clock) = venues().await;
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::Duplicate { percent: 100 });
        let now_us = NOW_US + 10 * SECOND_US;
        clock.set(now_us);
        let expected = truth(venues.market(), venue, now_us);
        let first = client.many(expected.len()).await;
        // The second copy comes within two seconds of the venue's clock, with newer trades.
        clock.set(now_us + 2 * SECOND_US);
        let mut copies = first;
        let is_twice = |copies: &[VenueTrade]| {
            let count = |trade| copies.iter().filter(|copy| *copy == trade).count();
            expected.iter().all(|trade| count(trade) == 2)
        };
        while !is_twice(&copies) {
            copies.extend(client.trades().await);
        }

        let (venues, clock) = super::venues().await;
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::Reorder { percent: 50 });
        let mut heard: Vec<VenueTrade> = Vec::new();
        let mut now_us = NOW_US;
        let is_disordered = |heard: &[VenueTrade]| {
            let own = heard
                .iter()
                .filter(|t| t.symbol == symbol(venue, Asset::Btc));
            !own.map(|trade| trade.trade_id)
                .collect::<Vec<_>>()
                .is_sorted()
        };
        // Frames overtake one another as time passes in small steps.
        while !is_disordered(&heard) {
            assert!(
                now_us < NOW_US + 120 * SECOND_US,
                "{venue:?} stays in order"
            );
            now_us += SECOND_US;
            clock.set(now_us);
            while let Ok(trades) = next_or_none(&mut client).await {
                heard.extend(trades);
            }
        }
    }
}

#[tokio::test]
async fn trades_are_held_back_and_kept_back() {
    for venue in Venue::ALL {
        let (venues, clock) = venues().await;
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::Late { seconds: 30 });
        let then_us = NOW_US + 10 * SECOND_US;
        clock.set(then_us);
        assert!(
            next_or_none(&mut client).await.is_err(),
            "{venue:?}: nothing yet"
        );
        clock.set(then_us + 30 * SECOND_US);
        let late = client.trades().await;
        assert!(late[0].venue_time_us <= then_us);

        let (venues, clock) = super::venues().await;
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::MuteOne { asset: Asset::Btc });
        clock.set(then_us);
        let only = client.many(5).await;
        assert!(
            only.iter().all(|t| t.symbol == symbol(venue, Asset::Eth)),
            "{venue:?}"
        );
        venues.command(venue, Misbehaviour::Mute);
        while next_or_none(&mut client).await.is_ok() {}
        clock.set(then_us + 10 * SECOND_US);
        assert!(
            next_or_none(&mut client).await.is_err(),
            "{venue:?} is mute"
        );
        venues.command(venue, Misbehaviour::Honest);
        clock.set(then_us + 20 * SECOND_US);
        let after = client.trades().await;
        let market = venues.market();
        let asset = crate::venues::market::asset_of(venue, &after[0].symbol).expect("a market");
        let last = market.last_id(venue, asset, then_us + 10 * SECOND_US);
        assert!(
            after[0].trade_id > last,
            "what was kept back does not come later"
        );
    }
}

#[tokio::test]
async fn connections_are_dropped_cut_and_refused() {
    for venue in Venue::ALL {
        let (venues, clock) = venues().await;
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::Disconnect);
        assert_eq!(client.frame().await, None, "{venue:?}");
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::Cut24h);
        if venue == Venue::Binance {
            assert_eq!(client.message().await, Ok(Message::Closing));
        }
        assert_eq!(client.frame().await, None, "{venue:?}");
        venues.command(venue, Misbehaviour::RefuseConnections { seconds: 60 });
        assert!(
            connect_async(venues.stream_url(venue)).await.is_err(),
            "{venue:?}"
        );
        let rest = format!("{}{}", venues.rest_url(venue), time_path(venue));
        assert!(reqwest::get(&rest).await.is_err(), "{venue:?}");
        clock.set(NOW_US + 60 * SECOND_US);
        Client::subscribed(&venues, venue).await;
    }
}

#[tokio::test]
async fn garbage_and_huge_frames_are_sent_and_the_stream_goes_on() {
    for venue in Venue::ALL {
        let (venues, clock) = venues().await;
        let mut client = Client::subscribed(&venues, venue).await;
        venues.command(venue, Misbehaviour::Garbage);
        for number in 0..5 {
            let error = client.message().await.expect_err("garbage");
            let is_refused = matches!(error, DecodeError::Malformed(_) | DecodeError::Unknown(_));
            assert!(is_refused, "{venue:?} {number}: {error}");
        }
        venues.command(venue, Misbehaviour::HugeFrame);
        let error = client.message().await.expect_err("too long");
        assert!(matches!(error, DecodeError::TooLong { .. }), "{error}");
        clock.set(NOW_US + 10 * SECOND_US);
        client.many(5).await;
    }
}

#[tokio::test]
async fn commands_are_taken_over_http() {
    let (venues, clock) = venues().await;
    let url = format!("{}/misbehave", venues.rest_url(Venue::Coinbase));
    let post = async |body: &'static str| {
        let answer = reqwest::Client::new().post(&url).body(body).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(post(r#"{"kind":"clock_off","seconds":5}"#).await, 200);
    assert_eq!(post(r#"{"kind":"kind"}"#).await, 422);
    let mut client = Client::subscribed(&venues, Venue::Coinbase).await;
    clock.set(NOW_US + 5 * SECOND_US);
    assert!(client.trades().await[0].venue_time_us > NOW_US + 5 * SECOND_US);
    let counts = get(&format!("{}/counts", venues.rest_url(Venue::Coinbase))).await;
    assert!(String::from_utf8_lossy(&counts.1).contains("streams"));
}

/// The next trades, or an error when none come for a while.
async fn next_or_none(client: &mut Client) -> Result<Vec<VenueTrade>, tokio::time::error::Elapsed> {
    tokio::time::timeout(Duration::from_millis(150), client.trades()).await
}
