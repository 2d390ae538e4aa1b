//! The numeric sources on `GET /feeds`.

use super::error::WebError;
use super::text;
use crate::app::App;
use crate::db::Conn;
use crate::prices::feeds::source::board::SourceStatus;
use crate::prices::observations;

/// Gaps of this time are shown, microseconds.
const GAPS_US: i64 = 24 * 3_600 * 1_000_000;

/// One source.
pub(super) struct SourceRow {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) value: String,
    pub(super) observed: String,
    pub(super) age: String,
    pub(super) is_stale: bool,
    pub(super) schedule: String,
    pub(super) gaps: String,
    pub(super) revisions: u64,
    pub(super) failed: String,
    pub(super) last_error: String,
}

/// Every source that is followed.
pub(super) async fn rows(
    app: &App,
    conn: &mut Conn,
    now_us: i64,
) -> Result<Vec<SourceRow>, WebError> {
    let Some(board) = &app.feeds else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for status in board.sources().sources() {
        let span = (now_us - GAPS_US, now_us);
        let source = &status.settings;
        let gaps = observations::gaps(conn, &source.name, span, source.schedule_us()).await?;
        rows.push(row(now_us, &status, &gaps));
    }
    Ok(rows)
}

fn row(now_us: i64, status: &SourceStatus, gaps: &[(i64, Option<i64>)]) -> SourceRow {
    let source = &status.settings;
    let none = || "–".to_owned();
    let newest = status.newest.as_ref();
    let span = |seconds: u64| text::rule_span(i64::try_from(seconds).unwrap_or(i64::MAX));
    let gap = |(from_us, to_us): &(i64, Option<i64>)| {
        let to = to_us.map_or_else(|| "now".to_owned(), text::moment);
        format!("{} to {to}", text::moment(*from_us))
    };
    let of_all = if status.failed_in_a_row > 0 {
        format!(", the last {} of them", status.failed_in_a_row)
    } else {
        String::new()
    };
    SourceRow {
        name: source.name.to_string(),
        url: source.url.clone(),
        value: newest.map_or_else(none, |newest| format!("{} {}", newest.value, source.unit)),
        observed: newest.map_or_else(none, |newest| text::moment(newest.observed_us)),
        age: newest.map_or_else(none, |newest| text::span(now_us - newest.observed_us)),
        is_stale: status.is_stale(now_us),
        schedule: format!(
            "a value every {}, asked every {}",
            span(source.observations_every_s),
            span(source.poll_s)
        ),
        gaps: gaps.iter().map(gap).collect::<Vec<_>>().join("; "),
        revisions: status.revisions,
        failed: format!(
            "{} of {} questions failed{of_all}",
            status.failed, status.asked
        ),
        last_error: match status.last_error_us {
            0 => String::new(),
            at_us => format!("{}: {}", text::moment(at_us), status.last_error),
        },
    }
}
