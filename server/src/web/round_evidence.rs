//! The price evidence of a round, venue by venue, as the outcome rule saw it.

use domain::RoundId;

use super::error::WebError;
use super::{live, text};
use crate::prices::Resolution;
use crate::prices::evidence::Record;
use crate::prices::rule::{self, VenueVerdict};

/// What the evidence says.
pub(super) struct EvidenceView {
    pub(super) prices: Option<(String, String)>,
    pub(super) return_bp: Option<String>,
    pub(super) return_class: &'static str,
    pub(super) reason: String,
    pub(super) venues: Vec<VenueRow>,
    pub(super) trades: String,
    pub(super) hash: String,
    pub(super) json: String,
    pub(super) resolved_at: String,
}

/// One venue.
pub(super) struct VenueRow {
    pub(super) name: &'static str,
    pub(super) quote: &'static str,
    pub(super) p0: String,
    pub(super) p1: String,
    pub(super) return_bp: String,
    pub(super) return_class: &'static str,
    pub(super) is_used: bool,
    pub(super) why_not: String,
}

/// Reads a resolution's record again and decides it again, for the venues' part in it.
pub(super) fn view(round: &RoundId, resolution: &Resolution) -> Result<EvidenceView, WebError> {
    let record = Record::parse(&resolution.evidence)?;
    let decision = rule::decide(&record);
    Ok(EvidenceView {
        prices: resolution
            .p0
            .zip(resolution.p1)
            .map(|(p0, p1)| (exact(p0), exact(p1))),
        return_bp: decision.return_e12.map(text::basis_points),
        return_class: side(decision.return_e12.unwrap_or(0)),
        reason: resolution.reason.clone(),
        venues: decision.venues.iter().map(venue).collect(),
        trades: text::count_of(record.ticks.len()),
        hash: resolution.evidence_hash.clone(),
        json: format!("/api/v1/rounds/{round}/evidence"),
        resolved_at: text::moment(resolution.resolved_us),
    })
}

fn venue(verdict: &VenueVerdict) -> VenueRow {
    let none = || "–".to_owned();
    VenueRow {
        name: live::venue_name(verdict.venue),
        quote: live::quote(verdict.venue),
        p0: verdict.p0.map_or_else(none, exact),
        p1: verdict.p1.map_or_else(none, exact),
        return_bp: verdict.return_e12.map_or_else(none, text::basis_points),
        return_class: side(verdict.return_e12.unwrap_or(0)),
        is_used: verdict.is_used(),
        why_not: verdict
            .why_not
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

fn exact(price: impl std::fmt::Display) -> String {
    text::exact_price(&price.to_string())
}

fn side(return_e12: i64) -> &'static str {
    match return_e12.signum() {
        1 => "up",
        -1 => "down",
        _ => "void",
    }
}
