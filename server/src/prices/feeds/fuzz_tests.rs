//! The decoders against frames that nobody documents: published ones, changed at random.
//!
//! `cargo xtask fuzz` runs a million of them, the test command some thousands.

use domain::Venue;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::protocol::{decode, decode_candles, decode_time, decode_trades};

/// Inputs when nobody asks for more.
const INPUTS: u64 = 10_000;
const SEEDS: [&str; 12] = [
    r#"{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}"#,
    r#"{"stream":"bnbbtc@trade","data":{"e":"trade","E":1,"s":"BNBBTC","t":1,"p":"1e-3","q":"1","T":1672515782136}}"#,
    r#"[{"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,"isBuyerMaker":true,"isBestMatch":true}]"#,
    r#"[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]]"#,
    r#"{"type":"match","trade_id":10,"sequence":50,"time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}"#,
    r#"{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD","ETH-USD"]}]}"#,
    r#"[{"time":"2014-11-07T22:19:28.578544Z","trade_id":74,"price":"10.00000000","size":"0.01000000","side":"buy"}]"#,
    r"[[1415398768, 0.32, 4.2, 0.35, 4.2, 12.3]]",
    r#"{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}"#,
    r#"{"method":"subscribe","result":{"channel":"trade","snapshot":true,"symbol":"MATIC/USD"},"success":true}"#,
    r#"{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952]],"last":"1688671969993150842"}}"#,
    r#"{"error":[],"result":{"unixtime":1688669448,"rfc1123":"Thu, 06 Jul 23 18:50:48 +0000"}}"#,
];
/// What breaks number and text readers.
const NASTY: [&str; 16] = [
    "1e999",
    "-0",
    "9223372036854775808",
    "\"\\ud800\"",
    "null",
    "[[[[[[[[",
    "{\"a\":",
    "1e-40",
    "\u{0}",
    "\"0x10\"",
    "00",
    "-1e5",
    "true",
    "\"\"",
    "1.",
    "99999999999.999999999",
];

#[test]
fn no_input_makes_a_decoder_panic() {
    let wanted = std::env::var("FORETOKEN_FUZZ_INPUTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(INPUTS);
    let mut dice = StdRng::seed_from_u64(wanted);
    let mut taken = 0_u64;
    for _ in 0..wanted {
        let input = changed(&mut dice);
        for venue in Venue::ALL {
            taken += u64::from(decode(venue, &input).is_ok());
            taken += u64::from(decode_trades(venue, "S", &input).is_ok());
            taken += u64::from(decode_candles(venue, &input).is_ok());
            taken += u64::from(decode_time(venue, &input).is_ok());
        }
    }
    // Inputs that are all refused at the first byte would show nothing.
    assert!(
        taken > wanted / 20,
        "{taken} of {wanted} inputs were understood"
    );
    println!("fuzz: {wanted} inputs to 12 decoders each, {taken} understood, no panic");
}

/// A published text with up to four changes.
fn changed(dice: &mut StdRng) -> Vec<u8> {
    let seed = SEEDS[dice.random_range(0..SEEDS.len())];
    let mut bytes = seed.as_bytes().to_vec();
    for _ in 0..dice.random_range(0..=4) {
        let at = dice.random_range(0..=bytes.len());
        match dice.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] = dice.random(),
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 => bytes.truncate(at),
            3 => {
                let nasty = NASTY[dice.random_range(0..NASTY.len())];
                bytes.splice(at..at, nasty.bytes());
            }
            4 => {
                let end = (at + dice.random_range(0..20)).min(bytes.len());
                let copied = bytes[at..end].to_vec();
                bytes.splice(at..at, copied);
            }
            _ => {
                // A whole number of the text becomes another one.
                let digits = bytes.iter().enumerate().skip(at);
                let start = digits.clone().find(|(_, b)| b.is_ascii_digit());
                if let Some((start, _)) = start {
                    let length = bytes[start..]
                        .iter()
                        .take_while(|byte| byte.is_ascii_digit())
                        .count();
                    let other = dice.random::<u64>() >> dice.random_range(0..64);
                    bytes.splice(start..start + length, other.to_string().bytes());
                }
            }
        }
    }
    bytes
}
