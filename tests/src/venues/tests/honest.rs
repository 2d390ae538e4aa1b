//! Honest venues say the truth of the market, in the words that the venues document.

use datasets::candle::BAR_US;
use domain::OutcomeRule;
use server::prices::feeds::protocol::{
    Cursor, after_page, candles_path, decode_candles, decode_time, decode_trades, ping, time_path,
    trades_path,
};
use server::prices::rule::decide;

use super::*;

#[tokio::test]
async fn a_stream_brings_every_trade_of_the_market_once_and_in_order() {
    let (venues, clock) = venues().await;
    for venue in Venue::ALL {
        clock.set(NOW_US);
        let mut client = Client::subscribed(&venues, venue).await;
        let until_us = NOW_US + 20 * SECOND_US;
        clock.set(until_us);
        let expected = truth(venues.market(), venue, until_us);
        assert!(expected.len() > 20, "{venue:?}");
        let heard = client.many(expected.len()).await;
        assert_eq!(by_number(heard.clone()), expected, "{venue:?}");
        for asset in Asset::ALL {
            let own = heard.iter().filter(|t| t.symbol == symbol(venue, asset));
            let numbers: Vec<i64> = own.map(|trade| trade.trade_id).collect();
            assert!(numbers.is_sorted(), "{venue:?}");
        }
    }
}

#[tokio::test]
async fn subscriptions_are_answered_and_begin_as_documented() {
    let (venues, _clock) = venues().await;
    let last = |venue, asset| venues.market().last_id(venue, asset, NOW_US);
    let mut client = Client::connect(&venues, Venue::Coinbase).await;
    client
        .say(&subscribe(Venue::Coinbase, &symbols(Venue::Coinbase)))
        .await;
    for asset in Asset::ALL {
        let first = client.trades().await;
        assert_eq!(first[0].trade_id, last(Venue::Coinbase, asset));
    }
    let names = symbols(Venue::Coinbase);
    assert_eq!(client.message().await, Ok(Message::Subscribed(names)));

    let mut client = Client::connect(&venues, Venue::Kraken).await;
    assert_eq!(
        client.message().await,
        Ok(Message::Other),
        "the status comes first"
    );
    client
        .say(&subscribe(Venue::Kraken, &symbols(Venue::Kraken)))
        .await;
    for name in symbols(Venue::Kraken) {
        assert_eq!(client.message().await, Ok(Message::Subscribed(vec![name])));
    }
    for asset in Asset::ALL {
        let newest = client.trades().await;
        assert_eq!(newest.len(), 50);
        assert_eq!(newest[49].trade_id, last(Venue::Kraken, asset));
    }
    client
        .say(ping(Venue::Kraken).expect("Kraken wants pings"))
        .await;
    let pong = client.frame().await.expect("an answer");
    assert!(String::from_utf8_lossy(&pong).contains("pong"));

    let mut client = Client::connect(&venues, Venue::Binance).await;
    client
        .say(&subscribe(Venue::Binance, &symbols(Venue::Binance)))
        .await;
    assert_eq!(client.message().await, Ok(Message::Subscribed(Vec::new())));
}

#[tokio::test]
async fn markets_that_do_not_exist_are_refused() {
    let (venues, _clock) = venues().await;
    for (venue, name) in [(Venue::Coinbase, "BTC-XYZ"), (Venue::Kraken, "BTC/XYZ")] {
        let mut client = Client::connect(&venues, venue).await;
        client.say(&subscribe(venue, &[name.to_owned()])).await;
        let refusal = loop {
            match client.message().await.expect("documented") {
                Message::Other => {}
                other => break other,
            }
        };
        assert!(
            matches!(&refusal, Message::Refused(why) if why.contains(name)),
            "{refusal:?}"
        );
    }
    let mut client = Client::connect(&venues, Venue::Binance).await;
    client.say("{}").await;
    assert!(matches!(client.message().await, Ok(Message::Refused(_))));
    for venue in Venue::ALL {
        let path = trades_path(venue, "XYZ", &Cursor::after(1, NOW_US));
        let (_, body) = get(&format!("{}{path}", venues.rest_url(venue))).await;
        let error = decode_trades(venue, "XYZ", &body).expect_err("no such market");
        assert!(matches!(error, DecodeError::Refused(_)), "{error}");
    }
}

#[tokio::test]
async fn old_trades_are_complete_page_after_page() {
    let (venues, _clock) = venues().await;
    let (asset, since_us) = (Asset::Eth, NOW_US - 1_800 * SECOND_US);
    for venue in Venue::ALL {
        let known = venues
            .market()
            .trades(venue, asset, since_us - 60 * SECOND_US, since_us);
        let known = known.last().expect("a trade").clone();
        let mut cursor = Some(Cursor::after(known.trade_id, known.venue_time_us));
        let mut walked = Vec::new();
        let mut pages = 0;
        while let Some(at) = cursor {
            let path = trades_path(venue, symbol(venue, asset), &at);
            let (status, body) = get(&format!("{}{path}", venues.rest_url(venue))).await;
            assert_eq!(status, 200);
            let page = decode_trades(venue, symbol(venue, asset), &body).expect("a page");
            cursor = after_page(venue, &at, &page);
            walked.extend(page);
            pages += 1;
        }
        assert!(pages > 1, "{venue:?} has more than one page");
        walked.retain(|trade| trade.trade_id > known.trade_id);
        let mut walked = by_number(walked);
        walked.dedup();
        let expected = venues.market().trades(venue, asset, since_us, NOW_US + 1);
        assert_eq!(walked, expected, "{venue:?}");
    }
}

#[tokio::test]
async fn bars_are_what_the_trades_say_and_clocks_are_right() {
    let (venues, _clock) = venues().await;
    let asset = Asset::Btc;
    let newest_us = NOW_US.div_euclid(BAR_US) * BAR_US;
    let (from_us, to_us) = (newest_us - 12 * BAR_US, newest_us);
    for venue in Venue::ALL {
        let path = candles_path(venue, symbol(venue, asset), from_us, to_us);
        let (_, body) = get(&format!("{}{path}", venues.rest_url(venue))).await;
        let mut bars = decode_candles(venue, &body).expect("bars");
        // Kraken answers later ones too: the one that has not closed.
        bars.retain(|bar| bar.open_time_us < to_us);
        let opens = (0..12).map(|number| from_us + number * BAR_US);
        let expected: Vec<_> = opens
            .filter_map(|open_us| venues.market().candle(venue, asset, open_us))
            .collect();
        assert_eq!(bars, expected, "{venue:?}");
        let url = format!("{}{}", venues.rest_url(venue), time_path(venue));
        let clock_us = decode_time(venue, &get(&url).await.1).expect("a clock");
        assert!((clock_us - NOW_US).abs() <= SECOND_US, "{venue:?}");
    }
}

#[tokio::test]
async fn kraken_beats_each_second_and_leaves_who_is_silent() {
    let (venues, clock) = venues().await;
    let mut client = Client::subscribed(&venues, Venue::Kraken).await;
    venues.command(Venue::Kraken, crate::venues::Misbehaviour::Mute);
    clock.set(NOW_US + SECOND_US);
    let beat = client.frame().await.expect("the connection lives");
    assert_eq!(beat, br#"{"channel":"heartbeat"}"#);
    clock.set(NOW_US + 61 * SECOND_US);
    while client.frame().await.is_some() {}
    assert_eq!(
        venues.counts(Venue::Kraken).get("silent_clients_left"),
        Some(&1)
    );
}

#[tokio::test]
async fn binance_pings_and_combines_streams() {
    let (venues, clock) = venues().await;
    let combined = venues.stream_url(Venue::Binance).replace("/ws", "/stream");
    let (socket, _) = connect_async(combined).await.expect("a stream");
    let venue = Venue::Binance;
    let mut client = Client { venue, socket };
    client.say(&subscribe(venue, &symbols(venue))).await;
    assert_eq!(client.message().await, Ok(Message::Subscribed(Vec::new())));
    clock.set(NOW_US + 20 * SECOND_US);
    let pinged = async {
        loop {
            match client.socket.next().await.expect("lives").expect("a frame") {
                Frame::Ping(_) => return,
                Frame::Text(text) => assert!(text.contains(r#""stream":""#), "{text}"),
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(LIMIT, pinged).await.expect("a ping");
    let raw = venues
        .stream_url(Venue::Binance)
        .replace("/ws", "/ws/ethusdt@trade");
    let (socket, _) = connect_async(raw).await.expect("a stream");
    let mut client = Client { venue, socket };
    clock.set(NOW_US + 24 * SECOND_US);
    assert_eq!(client.trades().await[0].symbol, "ETHUSDT");
}

#[test]
fn the_true_outcome_of_most_rounds_is_a_direction() {
    let market = Market::new(11);
    let rule = OutcomeRule::default();
    let mut voids = 0;
    for round in 0..200 {
        let t0_us = NOW_US.div_euclid(BAR_US) * BAR_US + round * BAR_US;
        let ends = (t0_us, t0_us + BAR_US);
        let decision = decide(&market.expected_evidence(Asset::Btc, &rule, ends, 80_000));
        assert!(
            decision
                .venues
                .iter()
                .all(|venue| venue.p0.is_some() && venue.p1.is_some())
        );
        voids += usize::from(decision.void.is_some());
    }
    assert!(voids < 30, "{voids} of 200 are void");
}
