//! The decoders against the frames and answers that the venues publish as examples.

use domain::timestamp::parse_rfc3339;
use domain::{Price, Quantity, Venue};

use super::message::{DecodeError, LONGEST_FRAME, Message, VenueTrade};
use super::protocol::{
    Cursor, after_page, candles_path, decode, decode_candles, decode_time, decode_trades,
    subscribe, trades_path,
};

fn trade(symbol: &str, id: i64, price: &str, quantity: &str, time_us: i64) -> VenueTrade {
    VenueTrade {
        symbol: symbol.into(),
        trade_id: id,
        price: price.parse().expect("a price"),
        quantity: Quantity::from_text_floored(quantity).expect("a quantity"),
        venue_time_us: time_us,
    }
}

fn one(venue: Venue, frame: &str) -> Message {
    decode(venue, frame.as_bytes()).expect("a documented frame")
}

fn moment(text: &str) -> i64 {
    parse_rfc3339(text).expect("a moment")
}

#[test]
fn binance_frames() {
    let event = r#"{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}"#;
    let expected = trade("BNBBTC", 12_345, "0.001", "100", 1_672_515_782_136_000);
    assert_eq!(
        one(Venue::Binance, event),
        Message::Trades(vec![expected.clone()])
    );
    let combined = format!(r#"{{"stream":"bnbbtc@trade","data":{event}}}"#);
    assert_eq!(
        one(Venue::Binance, &combined),
        Message::Trades(vec![expected])
    );
    let microseconds = event.replace("1672515782136", "1672515782136123");
    let Message::Trades(trades) = one(Venue::Binance, &microseconds) else {
        panic!("no trade");
    };
    assert_eq!(trades[0].venue_time_us, 1_672_515_782_136_123);
    let acknowledged = r#"{"result":null,"id":1}"#;
    assert_eq!(
        one(Venue::Binance, acknowledged),
        Message::Subscribed(Vec::new())
    );
    let refused = r#"{"error":{"code":2,"msg":"Invalid request: unknown variant"},"id":1}"#;
    assert_eq!(
        one(Venue::Binance, refused),
        Message::Refused("Invalid request: unknown variant".into())
    );
    let shutdown = r#"{"e":"serverShutdown","E":1770123456789}"#;
    assert_eq!(one(Venue::Binance, shutdown), Message::Closing);
}

#[test]
fn coinbase_frames() {
    let matched = r#"{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66-ca53-498f-9c13-a110027a60e8","taker_order_id":"132fb6ae-456b-4654-b4e0-d681ac05cea1","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}"#;
    let time_us = moment("2014-11-07T08:19:27.028459Z");
    let expected = trade("BTC-USD", 10, "400.23", "5.23512", time_us);
    assert_eq!(
        one(Venue::Coinbase, matched),
        Message::Trades(vec![expected.clone()])
    );
    let last = matched.replace("\"match\"", "\"last_match\"");
    assert_eq!(one(Venue::Coinbase, &last), Message::Trades(vec![expected]));
    let subscriptions = r#"{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD","ETH-USD"],"account_ids":null}]}"#;
    assert_eq!(
        one(Venue::Coinbase, subscriptions),
        Message::Subscribed(vec!["BTC-USD".into(), "ETH-USD".into()])
    );
    let error = r#"{"type":"error","message":"Failed to subscribe","reason":"BTC-XYZ is not a valid product"}"#;
    assert_eq!(
        one(Venue::Coinbase, error),
        Message::Refused("Failed to subscribe: BTC-XYZ is not a valid product".into())
    );
    let heartbeat = r#"{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}"#;
    assert_eq!(one(Venue::Coinbase, heartbeat), Message::Other);
}

#[test]
fn kraken_frames() {
    let update = r#"{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}"#;
    let time_us = moment("2023-09-25T07:49:37.708706Z");
    let expected = trade("MATIC/USD", 4_665_906, "0.5117", "40.0", time_us);
    assert_eq!(one(Venue::Kraken, update), Message::Trades(vec![expected]));
    let acknowledged = r#"{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"MATIC/USD"},"success":true,"time_in":"2023-09-25T09:21:10.428340Z","time_out":"2023-09-25T09:21:10.428375Z"}"#;
    assert_eq!(
        one(Venue::Kraken, acknowledged),
        Message::Subscribed(vec!["MATIC/USD".into()])
    );
    let refused = r#"{"error":"Currency pair not supported BTC/XYZ","method":"subscribe","success":false,"symbol":"BTC/XYZ","time_in":"2023-09-25T09:21:10.428340Z","time_out":"2023-09-25T09:21:10.428375Z"}"#;
    assert_eq!(
        one(Venue::Kraken, refused),
        Message::Refused("Currency pair not supported BTC/XYZ".into())
    );
    for other in [
        r#"{"channel":"heartbeat"}"#,
        r#"{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":1,"system":"online","version":"2.0.0"}]}"#,
        r#"{"method":"pong","req_id":101,"time_in":"2023-09-24T14:10:23.799685Z","time_out":"2023-09-24T14:10:23.799703Z"}"#,
    ] {
        assert_eq!(one(Venue::Kraken, other), Message::Other, "{other}");
    }
}

#[test]
fn broken_and_unknown_frames_are_told_apart() {
    for venue in Venue::ALL {
        for broken in [
            &b"{"[..],
            b"",
            b"[]",
            b"null",
            b"\xff\xfe",
            b"{\"e\":\"trade\"}x",
        ] {
            let error = decode(venue, broken).expect_err("broken");
            assert!(
                matches!(error, DecodeError::Malformed(_)),
                "{venue:?} {broken:?} {error}"
            );
        }
        let huge = vec![b' '; LONGEST_FRAME + 1];
        let error = decode(venue, &huge).expect_err("huge");
        assert!(matches!(error, DecodeError::TooLong { .. }));
    }
    let unknown = [
        (Venue::Binance, r#"{"e":"news"}"#),
        (Venue::Coinbase, r#"{"type":"news"}"#),
        (Venue::Kraken, r#"{"channel":"news"}"#),
    ];
    for (venue, frame) in unknown {
        let error = decode(venue, frame.as_bytes()).expect_err("unknown");
        assert_eq!(error, DecodeError::Unknown("news".into()));
    }
    let shifted = r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":-1.5,"qty":1,"ord_type":"market","trade_id":1,"timestamp":"2023-09-25T07:49:37.708706Z"}]}"#;
    assert!(decode(Venue::Kraken, shifted.as_bytes()).is_err());
}

#[test]
fn subscriptions_are_what_the_venues_document() {
    let symbols = ["BTCUSDT".to_owned(), "ETHUSDT".to_owned()];
    let text: serde_json::Value =
        serde_json::from_str(&subscribe(Venue::Binance, &symbols)).expect("JSON");
    assert_eq!(text["method"], "SUBSCRIBE");
    assert_eq!(text["params"][1], "ethusdt@trade");
    let symbols = ["BTC-USD".to_owned()];
    let text: serde_json::Value =
        serde_json::from_str(&subscribe(Venue::Coinbase, &symbols)).expect("JSON");
    assert_eq!(text["type"], "subscribe");
    assert_eq!(text["channels"][0], "matches");
    let symbols = ["BTC/USD".to_owned()];
    let text: serde_json::Value =
        serde_json::from_str(&subscribe(Venue::Kraken, &symbols)).expect("JSON");
    assert_eq!(text["params"]["channel"], "trade");
    assert_eq!(text["params"]["symbol"][0], "BTC/USD");
}

#[test]
fn old_trades() {
    let binance = br#"[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]"#;
    let expected = trade("BNBBTC", 28_457, "4.000001", "12", 1_499_865_549_590_000);
    assert_eq!(
        decode_trades(Venue::Binance, "BNBBTC", binance),
        Ok(vec![expected])
    );
    let coinbase = br#"[{"time":"2014-11-07T22:19:28.578544Z","trade_id":74,"price":"10.00000000","size":"0.01000000","side":"buy"}]"#;
    let expected = trade(
        "BTC-USD",
        74,
        "10",
        "0.01",
        moment("2014-11-07T22:19:28.578544Z"),
    );
    assert_eq!(
        decode_trades(Venue::Coinbase, "BTC-USD", coinbase),
        Ok(vec![expected])
    );
    let kraken = br#"{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952]],"last":"1688671969993150842"}}"#;
    let expected = trade(
        "BTC/USD",
        61_044_952,
        "30243.4",
        "0.34507674",
        1_688_669_597_827_736,
    );
    assert_eq!(
        decode_trades(Venue::Kraken, "BTC/USD", kraken),
        Ok(vec![expected])
    );
}

#[test]
fn venues_errors_are_said_as_theirs() {
    let errors = [
        (
            Venue::Binance,
            r#"{"code":-1121,"msg":"Invalid symbol."}"#,
            "Invalid symbol.",
        ),
        (Venue::Coinbase, r#"{"message":"NotFound"}"#, "NotFound"),
        (
            Venue::Kraken,
            r#"{"error":["EQuery:Unknown asset pair"]}"#,
            "EQuery:Unknown asset pair",
        ),
    ];
    for (venue, answer, said) in errors {
        let refused = DecodeError::Refused(said.into());
        assert_eq!(
            decode_trades(venue, "X", answer.as_bytes()),
            Err(refused.clone())
        );
        assert_eq!(
            decode_candles(venue, answer.as_bytes()),
            Err(refused.clone())
        );
        assert_eq!(decode_time(venue, answer.as_bytes()), Err(refused));
    }
}

#[test]
fn bars_and_clocks() {
    let price = |text: &str| text.parse::<Price>().expect("a price");
    let binance = br#"[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]]"#;
    let bars = decode_candles(Venue::Binance, binance).expect("a kline");
    assert_eq!(bars[0].open_time_us, 1_499_040_000_000_000);
    assert_eq!(
        (bars[0].open, bars[0].close),
        (price("0.0163479"), price("0.015771"))
    );
    assert_eq!(bars[0].volume.units(), 14_897_611_427_815);
    let coinbase =
        b"[[1415398768, 0.32, 4.2, 0.35, 4.2, 12.3],[1415398468, 0.3, 4.1, 0.3, 0.35, 1]]";
    let bars = decode_candles(Venue::Coinbase, coinbase).expect("candles");
    assert_eq!(bars[0].open_time_us, 1_415_398_468_000_000);
    let last = &bars[1];
    assert_eq!((last.low, last.high), (price("0.32"), price("4.2")));
    assert_eq!((last.open, last.close), (price("0.35"), price("4.2")));
    let kraken = br#"{"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39243896",23]],"last":1688672160}}"#;
    let bars = decode_candles(Venue::Kraken, kraken).expect("bars");
    assert_eq!(bars[0].close, price("30305.7"));
    assert_eq!(bars[0].volume.units(), 339_243_896);
    let clocks = [
        (
            Venue::Binance,
            r#"{"serverTime":1499827319559}"#,
            1_499_827_319_559_000,
        ),
        (
            Venue::Coinbase,
            r#"{"iso":"2015-01-07T23:47:25.201Z","epoch":1420674445.201}"#,
            moment("2015-01-07T23:47:25.201Z"),
        ),
        (
            Venue::Kraken,
            r#"{"error":[],"result":{"unixtime":1688669448,"rfc1123":"Thu, 06 Jul 23 18:50:48 +0000"}}"#,
            1_688_669_448_500_000,
        ),
    ];
    for (venue, answer, us) in clocks {
        assert_eq!(decode_time(venue, answer.as_bytes()), Ok(us), "{venue:?}");
    }
}

#[test]
fn pages_go_on_where_the_venue_continues() {
    let page = |ids: std::ops::Range<i64>| -> Vec<VenueTrade> {
        ids.map(|id| trade("S", id, "1", "1", id * 1_000)).collect()
    };
    let known = Cursor::after(10, 5_000);
    assert!(trades_path(Venue::Binance, "BTCUSDT", &known).contains("fromId=11&"));
    assert_eq!(after_page(Venue::Binance, &known, &page(11..500)), None);
    let full = page(11..1011);
    assert_eq!(
        after_page(Venue::Binance, &known, &full),
        Some(Cursor::after(1010, 1_010_000))
    );
    assert!(trades_path(Venue::Kraken, "BTC/USD", &known).contains("pair=XBTUSD&since=4999000&"));
    assert_eq!(
        after_page(Venue::Kraken, &known, &full),
        Some(Cursor::after(1010, 1_010_000))
    );
    // Coinbase starts at the newest and goes back until what is known.
    let first = trades_path(Venue::Coinbase, "BTC-USD", &known);
    assert_eq!(first, "/products/BTC-USD/trades?limit=1000");
    let next = after_page(Venue::Coinbase, &known, &page(500..1500)).expect("more");
    assert!(trades_path(Venue::Coinbase, "BTC-USD", &next).ends_with("after=500"));
    assert_eq!(after_page(Venue::Coinbase, &next, &page(11..500)), None);
    let bars = candles_path(Venue::Binance, "BTCUSDT", 300_000_000, 600_000_000);
    assert!(bars.contains("startTime=300000&endTime=599999"));
}
