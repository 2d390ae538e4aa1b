//! Numbers as people read them. Every page gets its numbers from here, so that one thing looks the
//! same everywhere.

use domain::timestamp::{SECOND_US, rfc3339};
use domain::token::UNITS_PER_TOKEN;
use domain::{Delta, Outcome, Price, Probability, Score, TokenAmount};

const MINUTE_US: i64 = 60 * SECOND_US;

/// `5 Mar 2024 12:00:05 UTC`; the seconds only when there are any.
pub(super) fn moment(us: i64) -> String {
    let text = rfc3339(us - us.rem_euclid(SECOND_US));
    let (date, time) = text
        .trim_end_matches('Z')
        .split_once('T')
        .unwrap_or((&text, ""));
    let time = time.strip_suffix(":00").unwrap_or(time);
    format!("{} {time} UTC", day(date))
}

/// `12:00:05`, the time of day in UTC.
pub(super) fn time_of_day(us: i64) -> String {
    let text = rfc3339(us - us.rem_euclid(SECOND_US));
    text.trim_end_matches('Z')
        .split_once('T')
        .map_or_else(String::new, |(_, time)| time.to_owned())
}

/// `12:00`, the time of day in UTC; seconds are cut.
pub(super) fn minute_of_day(us: i64) -> String {
    time_of_day(us).chars().take(5).collect()
}

/// `5 Mar` of a moment.
pub(super) fn day_of(us: i64) -> String {
    let text = rfc3339(us);
    let date = text.split('T').next().unwrap_or_default();
    let day = day(date);
    day.rsplit_once(' ')
        .map_or_else(|| day.clone(), |(day, _)| day.to_owned())
}

/// `5 Mar 2024` from `2024-03-05`.
pub(super) fn day(date: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let name = month
        .and_then(|m| m.parse::<usize>().ok())
        .and_then(|m| MONTHS.get(m.checked_sub(1)?));
    match (year, name, day) {
        (Some(year), Some(name), Some(day)) => {
            format!("{} {name} {year}", day.trim_start_matches('0'))
        }
        _ => date.to_owned(),
    }
}

/// `2 min 05 s`, `45 s`, `3 h 10 min`; the form that the script of the pages repeats.
pub(super) fn span(us: i64) -> String {
    let seconds = us.max(0) / SECOND_US;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A length in a rule: `15 s`, `5 min`, `12 h`.
pub(super) fn rule_span(seconds: i64) -> String {
    match seconds {
        s if s != 0 && s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s >= 120 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

/// `850 µs`, `12 ms`, `1.4 s`: how long work took.
pub(super) fn took(us: i64) -> String {
    match us {
        ..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..MINUTE_US => format!("{}.{} s", us / SECOND_US, us % SECOND_US / 100_000),
        _ => span(us),
    }
}

/// Digits in groups of three: `1,234,567`.
pub(super) fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count: `1,234`.
pub(super) fn count(n: i64) -> String {
    let sign = if n < 0 { "−" } else { "" };
    format!("{sign}{}", grouped(&n.unsigned_abs().to_string()))
}

/// A count of things in memory.
pub(super) fn count_of(n: usize) -> String {
    grouped(&n.to_string())
}

/// Tokens cut to four decimals: `1,234.5`; a dust amount is `<0.0001`.
pub(super) fn tokens(amount: TokenAmount) -> String {
    cut(&amount.tokens())
}

/// Whole tokens, cut, for columns where the size matters: `10,001`.
pub(super) fn whole_tokens(amount: TokenAmount) -> String {
    grouped(&(amount.units() / UNITS_PER_TOKEN).to_string())
}

/// Tokens with a sign: `+1.2346`, `−0.25`, `0`.
pub(super) fn delta(delta: Delta) -> String {
    let text = delta.tokens();
    match text.strip_prefix(['+', '−']) {
        Some(rest) => format!("{}{}", if delta.units() > 0 { "+" } else { "−" }, cut(rest)),
        None => text,
    }
}

/// Tokens of a decimal text of wei (18 decimals), all digits.
pub(super) fn wei(decimal: &str) -> String {
    let digits = decimal.trim_start_matches('0');
    let padded = format!("{digits:0>19}");
    if !padded.bytes().all(|b| b.is_ascii_digit()) {
        return decimal.to_owned();
    }
    let (whole, fraction) = padded.split_at(padded.len() - 18);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() {
        grouped(whole)
    } else {
        format!("{}.{fraction}", grouped(whole))
    }
}

fn cut(decimal: &str) -> String {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let kept: String = fraction.chars().take(4).collect();
    let kept = kept.trim_end_matches('0');
    if kept.is_empty() && whole == "0" && !fraction.is_empty() {
        return "<0.0001".to_owned();
    }
    if kept.is_empty() {
        grouped(whole)
    } else {
        format!("{}.{kept}", grouped(whole))
    }
}

/// `0.5367`: a probability to four decimals.
pub(super) fn probability(p: Probability) -> String {
    format!("{:.4}", p.to_f64())
}

/// Prices to the cent: `62,345.12`.
pub(super) fn price(price: Price) -> String {
    let text = price.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{}.{fraction:0<2.2}", grouped(whole))
}

/// All digits of a price, the whole part in groups: `62,345.123`.
pub(super) fn exact_price(decimal: &str) -> String {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, "0"));
    format!("{}.{fraction}", grouped(whole))
}

/// A return of 1e-12 in basis points: `+3.21`.
pub(super) fn basis_points(return_e12: i64) -> String {
    signed(return_e12.div_euclid(1_000_000), 2)
}

/// A score between 0 and 1: `0.7501`.
pub(super) fn score(score: Score) -> String {
    format!("{:.4}", score.to_f64())
}

/// A difference of Brier scores in 1e-4: `+12.3`.
pub(super) fn skill(score: Score) -> String {
    signed(score.units() / 10_000, 1)
}

/// A mean difference of Brier scores in 1e-4: `+12.3`.
pub(super) fn mean_skill(mean: f64) -> String {
    plus(mean * 1e4, 1)
}

/// A number with a sign and `decimals` digits after the point.
pub(super) fn plus(x: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", x.abs());
    let is_zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if is_zero {
        ""
    } else if x > 0.0 {
        "+"
    } else {
        "−"
    };
    format!("{sign}{text}")
}

/// A share as per cent with one decimal: `53.2 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Parts per million as per cent: `0.5 %`.
pub(super) fn ppm_percent(ppm: u32) -> String {
    let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `0x1234…abcd`.
pub(super) fn short_hash(hash: &str) -> String {
    if hash.len() <= 16 || !hash.is_ascii() {
        return hash.to_owned();
    }
    let (head, tail) = (
        hash.get(..8).unwrap_or(hash),
        hash.get(hash.len() - 6..).unwrap_or(""),
    );
    format!("{head}…{tail}")
}

/// Bytes: `1.4 MB`, `812 kB`.
pub(super) fn bytes(n: usize) -> String {
    match n {
        0..1_000 => format!("{n} bytes"),
        1_000..1_000_000 => format!("{} kB", n.div_ceil(1_000)),
        _ => format!("{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// ▲ up, ▼ down, ◇ void.
pub(super) fn arrow(outcome: Outcome) -> &'static str {
    match outcome.name() {
        "up" => "▲",
        "down" => "▼",
        _ => "◇",
    }
}

/// The CSS class of a signed number.
pub(super) fn sign_class(units: i64) -> &'static str {
    match units.signum() {
        1 => "gain",
        -1 => "loss",
        _ => "even",
    }
}

fn signed(scaled: i64, decimals: u32) -> String {
    let one = 10_u64.pow(decimals);
    let size = scaled.unsigned_abs();
    let sign = match scaled.signum() {
        1 => "+",
        -1 => "−",
        _ => "",
    };
    let width = decimals as usize;
    format!(
        "{sign}{}.{:0width$}",
        grouped(&(size / one).to_string()),
        size % one
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_spans() {
        assert_eq!(moment(1_709_639_700_000_000), "5 Mar 2024 11:55 UTC");
        assert_eq!(moment(1_709_639_705_500_000), "5 Mar 2024 11:55:05 UTC");
        assert_eq!(time_of_day(1_709_639_705_500_000), "11:55:05");
        assert_eq!(day_of(1_709_639_705_500_000), "5 Mar");
        assert_eq!(span(125 * SECOND_US), "2 min 05 s");
        assert_eq!(span(-1), "0 s");
        assert_eq!(rule_span(43_200), "12 h");
        assert_eq!(rule_span(300), "5 min");
        assert_eq!(took(1_450_000), "1.4 s");
    }

    #[test]
    fn amounts_keep_their_sign_and_never_look_larger() {
        let amount = |text| TokenAmount::from_tokens(text).expect("valid");
        assert_eq!(tokens(amount("1234567.89999")), "1,234,567.8999");
        assert_eq!(tokens(amount("0.000000001")), "<0.0001");
        assert_eq!(tokens(amount("0")), "0");
        assert_eq!(delta(Delta::from_units(-250_000_000)), "−0.25");
        assert_eq!(delta(Delta::from_units(1_234_567_891)), "+1.2345");
        assert_eq!(delta(Delta::from_units(0)), "0");
        assert_eq!(wei("0001500000000000000000"), "1.5");
        assert_eq!(wei("0"), "0");
    }

    #[test]
    fn scores_and_prices() {
        assert_eq!(skill(Score::from_units(1_234_567)), "+12.3");
        assert_eq!(skill(Score::from_units(-40_000)), "−0.4");
        assert_eq!(mean_skill(-0.000_001), "0.0");
        assert_eq!(basis_points(321_000_000), "+3.21");
        assert_eq!(price("62345.1".parse().expect("valid")), "62,345.10");
        assert_eq!(ppm_percent(5_000), "0.5 %");
        assert_eq!(ppm_percent(20_000), "2 %");
        assert_eq!(short_hash("0x0123456789abcdef0123"), "0x012345…ef0123");
    }
}
