//! A numeric source as the API shows it.

use domain::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::get_feeds::age_s;
use crate::prices::feeds::source::board::SourceStatus;

/// One numeric source.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = FeedSource)]
pub(crate) struct SourceBody {
    /// Tournaments name it `source:` and this.
    pub(crate) source: String,
    pub(crate) url: String,
    pub(crate) unit: String,
    /// Its moments are at most this far apart, seconds.
    pub(crate) observations_every_s: u64,
    /// Between two questions, seconds.
    pub(crate) poll_s: u64,
    /// The newest moment's first value, as the source wrote it.
    pub(crate) value: Option<String>,
    /// The moment that it holds for.
    pub(crate) observed_at: Option<String>,
    /// Since that moment, seconds.
    pub(crate) age_s: Option<f64>,
    /// The newest observation is too old, or there is none.
    pub(crate) is_stale: bool,
    /// Since the last usable answer, seconds.
    pub(crate) answer_age_s: Option<f64>,
    /// Since the server started: questions, and those without a usable answer.
    pub(crate) asked: u64,
    pub(crate) failed: u64,
    /// Since the last usable answer.
    pub(crate) failed_in_a_row: u64,
    pub(crate) last_error: Option<String>,
    pub(crate) last_error_at: Option<String>,
    /// Since the server started: moments with a value, and other values for moments that had one.
    pub(crate) observations: u64,
    pub(crate) revisions: u64,
    /// Times of the last 24 hours in which it stated no value, oldest first.
    pub(crate) gaps: Vec<SourceGapBody>,
}

/// A time in which a source stated no value, though it should have.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = FeedSourceGap)]
pub(crate) struct SourceGapBody {
    pub(crate) from_at: String,
    /// Null while it goes on.
    pub(crate) to_at: Option<String>,
}

impl SourceBody {
    pub(super) fn new(now_us: i64, status: SourceStatus, gaps: &[(i64, Option<i64>)]) -> Self {
        let is_stale = status.is_stale(now_us);
        let newest = status.newest.as_ref();
        let gap = |(from_us, to_us): &(i64, Option<i64>)| SourceGapBody {
            from_at: rfc3339(*from_us),
            to_at: to_us.map(rfc3339),
        };
        Self {
            source: status.settings.name.to_string(),
            url: status.settings.url,
            unit: status.settings.unit,
            observations_every_s: status.settings.observations_every_s,
            poll_s: status.settings.poll_s,
            value: newest.map(|newest| newest.value.clone()),
            observed_at: newest.map(|newest| rfc3339(newest.observed_us)),
            age_s: newest.and_then(|newest| age_s(now_us, newest.observed_us)),
            is_stale,
            answer_age_s: age_s(now_us, status.answered_us),
            asked: status.asked,
            failed: status.failed,
            failed_in_a_row: status.failed_in_a_row,
            last_error: Some(status.last_error).filter(|error| !error.is_empty()),
            last_error_at: (status.last_error_us > 0).then(|| rfc3339(status.last_error_us)),
            observations: status.observations,
            revisions: status.revisions,
            gaps: gaps.iter().map(gap).collect(),
        }
    }
}
