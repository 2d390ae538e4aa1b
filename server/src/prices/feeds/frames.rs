//! Recorded frames: the form in which raw frames are kept, and reading them back as ticks.
//!
//! A line is a venue's bare message or `{"receive_time_us", "frame"}`, the form of our recordings,
//! where the frame is a JSON string or, written by hand, the message itself. Must decode with the
//! very functions that the live feeds use.

use std::io::{BufRead, Read, Write};

use domain::{Price, Venue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::message::{DecodeError, LONGEST_FRAME, Message, VenueTrade};
use super::protocol;

/// The longest line, bytes: a frame of the greatest length, each byte escaped.
const LONGEST_LINE: usize = 2 * LONGEST_FRAME + 100;

/// What a reading came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Lines that were not empty.
    pub frames: u64,
    /// Trades in them.
    pub trades: u64,
    /// Frames of use to nobody: heartbeats, acknowledgements.
    pub other: u64,
    /// Frames of a kind that the venue does not document.
    pub unknown: u64,
    /// Frames that are broken or too long.
    pub broken: u64,
}

/// One frame as it is kept.
#[derive(Serialize)]
struct Kept<'a> {
    receive_time_us: i64,
    frame: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded<'a> {
    receive_time_us: i64,
    #[serde(borrow)]
    frame: &'a RawValue,
}

/// A trade as `feeds decode` prints it.
#[derive(Serialize)]
struct Tick<'a> {
    venue: Venue,
    symbol: &'a str,
    trade_id: i64,
    price: Price,
    venue_time_us: i64,
    receive_time_us: Option<i64>,
}

/// The line that keeps a frame, its newline included.
///
/// # Errors
/// None in practice: numbers and text can be written.
pub fn line(receive_time_us: i64, frame: &str) -> serde_json::Result<String> {
    let kept = Kept {
        receive_time_us,
        frame,
    };
    Ok(serde_json::to_string(&kept)? + "\n")
}

/// Reads frames line by line and writes their trades as JSON lines.
///
/// # Errors
/// When lines cannot be read or written; never because of what a line holds.
pub fn decode_lines(
    venue: Venue,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> std::io::Result<Counts> {
    let mut counts = Counts::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = LONGEST_LINE as u64;
        let mut limited = (&mut *input).take(limit);
        let read = limited.read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(counts);
        }
        if read == LONGEST_LINE && line.last() != Some(&b'\n') {
            skip_line(input)?;
            counts.frames += 1;
            counts.broken += 1;
            continue;
        }
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        counts.frames += 1;
        let (receive_time_us, decoded) = decode_line(venue, trimmed);
        match decoded {
            Ok(Message::Trades(trades)) => {
                counts.trades += trades.len() as u64;
                for trade in &trades {
                    write_tick(output, venue, trade, receive_time_us)?;
                }
            }
            Ok(_) => counts.other += 1,
            Err(DecodeError::Unknown(_)) => counts.unknown += 1,
            Err(_) => counts.broken += 1,
        }
    }
}

/// The message of one line, and when we received it.
fn decode_line(venue: Venue, line: &[u8]) -> (Option<i64>, Result<Message, DecodeError>) {
    let Ok(recorded) = serde_json::from_slice::<Recorded<'_>>(line) else {
        return (None, protocol::decode(venue, line));
    };
    let raw = recorded.frame.get();
    let decoded = if raw.starts_with('"') {
        serde_json::from_str::<String>(raw)
            .map_err(|error| DecodeError::json(&error))
            .and_then(|frame| protocol::decode(venue, frame.as_bytes()))
    } else {
        protocol::decode(venue, raw.as_bytes())
    };
    (Some(recorded.receive_time_us), decoded)
}

fn skip_line(input: &mut dyn BufRead) -> std::io::Result<()> {
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(available.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

fn write_tick(
    output: &mut dyn Write,
    venue: Venue,
    trade: &VenueTrade,
    receive_time_us: Option<i64>,
) -> std::io::Result<()> {
    let tick = Tick {
        venue,
        symbol: &trade.symbol,
        trade_id: trade.trade_id,
        price: trade.price,
        venue_time_us: trade.venue_time_us,
        receive_time_us,
    };
    serde_json::to_writer(&mut *output, &tick)?;
    output.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = r#"{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":64000.1,"qty":0.5,"ord_type":"market","trade_id":7,"timestamp":"2024-03-05T12:00:00.000001Z"}]}"#;

    fn decoded(input: &[u8]) -> (Counts, Vec<serde_json::Value>) {
        let mut output = Vec::new();
        let counts = decode_lines(Venue::Kraken, &mut &input[..], &mut output).expect("in memory");
        let text = String::from_utf8(output).expect("UTF-8");
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        (counts, lines.collect())
    }

    #[test]
    fn bare_and_recorded_frames_give_the_same_trade() {
        let kept = line(9, FRAME).expect("a line");
        let by_hand = format!("{{\"receive_time_us\":9,\"frame\":{FRAME}}}\n");
        let input = format!("{FRAME}\n{kept}\n{by_hand}");
        let (counts, ticks) = decoded(input.as_bytes());
        assert_eq!((counts.frames, counts.trades), (3, 3));
        assert_eq!(ticks[0]["receive_time_us"], serde_json::Value::Null);
        assert_eq!(ticks[1]["receive_time_us"], 9);
        assert_eq!(ticks[1], ticks[2]);
        assert_eq!(ticks[0]["price"], "64000.10");
        assert_eq!(ticks[0]["symbol"], "BTC/USD");
        assert_eq!(ticks[0]["trade_id"], 7);
        assert_eq!(ticks[0]["venue_time_us"], 1_709_640_000_000_001_i64);
    }

    #[test]
    fn whatever_a_line_holds_the_next_one_is_read() {
        let mut input = vec![b'x'; LONGEST_LINE + 5];
        input.extend(b"\n{\"channel\":\"news\"}\n\xff\n{\"channel\":\"heartbeat\"}\n[[[\n");
        input.extend(FRAME.as_bytes());
        let (counts, ticks) = decoded(&input);
        let expected = Counts {
            frames: 6,
            trades: 1,
            other: 1,
            unknown: 1,
            broken: 3,
        };
        assert_eq!(counts, expected);
        assert_eq!(ticks.len(), 1);
    }
}
