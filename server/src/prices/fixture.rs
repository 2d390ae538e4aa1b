//! What tests of this and later slices start from: a tournament and its rounds.

use domain::Tournament;
use domain::timestamp::parse_rfc3339;

use crate::db::Conn;
use crate::rounds::{self, Round};

const FILE: &str = r#"
id = "btc-usd-5m"
name = "Bitcoin"
kind = "direction"
asset = "btc"
venues = ["binance", "coinbase", "kraken"]

[timetable]
interval_s = 300
opens_before_s = 600
freeze_before_s = 40
answer_before_s = 20
deadline_before_s = 15
lock_before_s = 10
settle_by_s = 43200

[stake]
a_ppm = 350000
minimum = "1000000000"
round_cap = "100000000000000"
default_limit_ppm = 5000
default_cap_ppm = 20000
skill_memory_rounds = 8640
"#;

/// Microseconds of an RFC 3339 text.
pub(crate) fn at(text: &str) -> i64 {
    parse_rfc3339(text).expect("RFC 3339")
}

/// The tournament with as many rounds in a row, the first one starting at `start_us`.
pub(crate) async fn rounds_from(
    conn: &mut Conn,
    start_us: i64,
    count: i64,
) -> (Tournament, Vec<Round>) {
    let entered = rounds::enter(conn, start_us, FILE).await.expect("entered");
    let moments: Vec<_> = (0..count)
        .map(|number| {
            entered
                .tournament
                .round(start_us + number * 300_000_000)
                .expect("a round")
        })
        .collect();
    rounds::schedule(conn, &moments).await.expect("scheduled");
    let mut made = Vec::new();
    for moment in &moments {
        made.push(rounds::get(conn, &moment.id).await.expect("a round"));
    }
    (entered.tournament, made)
}
