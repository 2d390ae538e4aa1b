//! `GET /models/{id}/receipts`: the receipts of a hosted model's runs, the latest first. Pages know
//! nobody, so they show those of resolved rounds.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Html;
use domain::ModelId;
use serde::Deserialize;

use super::error::{Id, WebError};
use super::frame::{Frame, show};
use super::text;
use crate::app::App;
use crate::receipts::{self, Listed};
use crate::{models, rounds};

/// Receipts of one page.
const SHOWN: i64 = 50;

#[derive(Deserialize)]
pub(super) struct Asked {
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "receipts.html")]
struct ReceiptsView {
    frame: Frame,
    name: String,
    model_href: String,
    api: String,
    is_hosted: bool,
    receipts: Vec<ReceiptLine>,
    older: Option<String>,
}

struct ReceiptLine {
    href: String,
    sequence: String,
    label: String,
    day: String,
    status: String,
    is_answer: bool,
    cpu: String,
    runner: String,
    sandbox: String,
    runtime: String,
    finished: String,
}

/// `GET /models/{id}/receipts`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Id(id): Id<ModelId>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Html<String>, WebError> {
    let Query(asked) = asked?;
    let mut conn = app.db.read().await?;
    let model = models::get(&mut conn, &id).await?;
    let page = receipts::of_model(&mut conn, &id, asked.before, SHOWN).await?;
    let is_full = i64::try_from(page.len()) == Ok(SHOWN);
    let last = page.last().map(|one| one.receipt.sequence);
    let now_us = app.market.now_us();
    let mut lines = Vec::with_capacity(page.len());
    for one in page {
        let round = rounds::get(&mut conn, &one.receipt.round).await?;
        if round.is_revealed(now_us) {
            lines.push(line(one));
        }
    }
    show(&ReceiptsView {
        frame: Frame::new(&app, &format!("Receipts of {}", model.name), ""),
        model_href: format!("/models/{id}"),
        api: format!("/api/v1/models/{id}/receipts"),
        is_hosted: model.hosting == models::Hosting::Hosted,
        receipts: lines,
        older: last
            .filter(|_| is_full)
            .map(|last| format!("/models/{id}/receipts?before={last}")),
        name: model.name,
    })
}

fn line(one: Listed) -> ReceiptLine {
    let receipt = one.receipt;
    let none = || "–".to_owned();
    ReceiptLine {
        href: format!("/rounds/{}/runs/{}", receipt.round, receipt.model),
        sequence: receipt.sequence.to_string(),
        label: text::minute_of_day(receipt.round.start_us()),
        day: text::day_of(receipt.round.start_us()),
        is_answer: receipt.status == "ok",
        cpu: format!("{} ms", receipt.cpu_ms),
        runner: Some(receipt.runner)
            .filter(|runner| !runner.is_empty())
            .unwrap_or_else(none),
        sandbox: one
            .runtime
            .as_ref()
            .map_or_else(none, |runtime| runtime.sandbox.clone()),
        runtime: one.runtime.map_or_else(none, |runtime| {
            format!("{} · {}", runtime.profile, runtime.isa)
        }),
        finished: text::time_of_day(i64::try_from(receipt.finished_us).unwrap_or_default()),
        status: receipt.status,
    }
}
