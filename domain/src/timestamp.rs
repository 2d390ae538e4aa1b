//! Times are integer microseconds since 1970-01-01 UTC; here they become text and back.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;

/// RFC 3339 UTC text of `us` microseconds since the epoch, at most microsecond digits.
///
/// Times outside the years 0 to 9999 become the nearest end.
#[must_use]
pub fn rfc3339(us: i64) -> String {
    to_datetime(us)
        .format(&Rfc3339)
        .unwrap_or_else(|_| String::from("1970-01-01T00:00:00Z"))
}

/// Parses RFC 3339 text into microseconds since the epoch; `None` when it is not such text.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).ok()
}

/// The compact minute form of round ids: `20240305T1200Z`. Seconds are cut.
#[must_use]
pub fn compact_minute(us: i64) -> String {
    let form = format_description!("[year][month][day]T[hour][minute]Z");
    to_datetime(us)
        .format(&form)
        .unwrap_or_else(|_| String::from("19700101T0000Z"))
}

/// Parses `20240305T1200Z` into microseconds since the epoch.
#[must_use]
pub fn parse_compact_minute(text: &str) -> Option<i64> {
    let form = format_description!("[year][month][day]T[hour][minute]Z");
    let moment = PrimitiveDateTime::parse(text, &form).ok()?.assume_utc();
    moment.unix_timestamp().checked_mul(SECOND_US)
}

fn to_datetime(us: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_minute_round_trips() {
        let us = parse_compact_minute("20240305T1200Z").expect("valid");
        assert_eq!(us, 1_709_640_000 * SECOND_US);
        assert_eq!(compact_minute(us), "20240305T1200Z");
        assert_eq!(parse_compact_minute("2024-03-05"), None);
    }

    #[test]
    fn rfc3339_round_trips() {
        assert_eq!(rfc3339(1_709_640_000_250_000), "2024-03-05T12:00:00.25Z");
        assert_eq!(
            parse_rfc3339("2024-03-05T12:00:00.25Z"),
            Some(1_709_640_000_250_000)
        );
    }
}
