//! The price evidence of a round, venue by venue, as the outcome rule saw it.

use domain::RoundId;

use super::error::WebError;
use super::{live, text};
use crate::prices::Resolution;
use crate::prices::evidence::Record;
use crate::prices::receipt::Receipt;
use crate::prices::rule::{self, VenueVerdict};

/// What the evidence says.
pub(super) struct EvidenceView {
    pub(super) prices: Option<(String, String)>,
    pub(super) return_bp: Option<String>,
    pub(super) return_class: &'static str,
    pub(super) reason: String,
    pub(super) venues: Vec<VenueRow>,
    pub(super) receipts: Vec<ReceiptRow>,
    pub(super) trades: String,
    pub(super) hash: String,
    pub(super) json: String,
    pub(super) resolved_at: String,
}

/// One venue.
pub(super) struct VenueRow {
    pub(super) name: String,
    pub(super) quote: String,
    pub(super) p0: String,
    pub(super) p1: String,
    pub(super) return_bp: String,
    pub(super) return_class: &'static str,
    pub(super) is_used: bool,
    pub(super) why_not: String,
}

/// One answer of a source.
pub(super) struct ReceiptRow {
    pub(super) observed_at: String,
    pub(super) fetched_at: String,
    pub(super) value: String,
    pub(super) is_revision: bool,
    pub(super) href: String,
    pub(super) hash: String,
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
        venues: decision
            .venues
            .iter()
            .map(|verdict| venue(verdict, &record.receipts))
            .collect(),
        receipts: record.receipts.iter().map(receipt).collect(),
        trades: text::count_of(record.ticks.len()),
        hash: resolution.evidence_hash.clone(),
        json: format!("/api/v1/rounds/{round}/evidence"),
        resolved_at: text::moment(resolution.resolved_us),
    })
}

fn venue(verdict: &VenueVerdict, receipts: &[Receipt]) -> VenueRow {
    let none = || "–".to_owned();
    let own = receipts.iter().find(|of| of.venue == verdict.venue);
    let shifted = own.map_or_else(String::new, |of| {
        format!("{} + {}", of.reading.unit, of.reading.shift)
    });
    VenueRow {
        name: live::origin_name(&verdict.venue),
        quote: verdict
            .venue
            .venue()
            .map_or(shifted, |venue| live::quote(venue).to_owned()),
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

fn receipt(receipt: &Receipt) -> ReceiptRow {
    ReceiptRow {
        observed_at: text::moment(receipt.trade_id),
        fetched_at: text::moment(receipt.fetched_us),
        value: format!("{} {}", receipt.value, receipt.reading.unit),
        is_revision: receipt.is_revision,
        href: format!("/api/v1/source-receipts/{}", receipt.sha256),
        hash: text::short_hash(&receipt.sha256),
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
