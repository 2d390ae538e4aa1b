//! `GET /datasets`: what to train on, what the columns mean, and how to enter a model.

use std::path::PathBuf;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use datasets::features::{BARS_NEEDED, FEATURE_COUNT, FEATURES, FREEZE_US, FeatureGroup};
use datasets::split::{EMBARGO_BARS, Part};
use datasets::{Manifest, reference_models};

use super::error::WebError;
use super::frame::{Frame, show};
use super::text;
use crate::app::App;

/// A manifest is a few kilobytes; anything larger is not one of ours.
const MANIFEST_LIMIT: u64 = 1 << 20;

#[derive(Template)]
#[template(path = "datasets.html")]
struct DatasetsView {
    frame: Frame,
    set: Option<SetView>,
    parts: Vec<PartView>,
    embargo: String,
    bars_needed: usize,
    newest_bar: String,
    feature_count: usize,
    features: Vec<FeatureView>,
    references: Vec<ReferenceView>,
}

struct SetView {
    name: String,
    version: String,
    schema: u32,
    rows: String,
    from: String,
    to: String,
    source: String,
    content: String,
    files: Vec<FileView>,
}

struct FileView {
    href: String,
    path: String,
    size: String,
    rows: String,
    range: String,
    sha256: String,
    sha256_short: String,
}

struct PartView {
    name: &'static str,
    from: String,
    to: String,
    purpose: &'static str,
}

struct FeatureView {
    index: usize,
    name: &'static str,
    group: &'static str,
    description: &'static str,
}

struct ReferenceView {
    name: &'static str,
    description: &'static str,
    size: String,
    sha256: String,
}

/// Folder of the exported files.
pub(super) fn folder(app: &App) -> PathBuf {
    app.settings.data_dir.join("datasets")
}

/// The manifest of the exported files; `None` before they were exported.
pub(super) async fn manifest(app: &App) -> Result<Option<Manifest>, WebError> {
    let path = folder(app).join("manifest.json");
    match tokio::fs::metadata(&path).await {
        Ok(found) if found.len() <= MANIFEST_LIMIT => {}
        Ok(_) => return Err(anyhow::anyhow!("{} is too large", path.display()).into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let text = tokio::fs::read(&path).await?;
    Ok(Some(serde_json::from_slice(&text)?))
}

/// `GET /datasets`.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let manifest = manifest(&app).await?;
    let features = FEATURES
        .iter()
        .enumerate()
        .map(|(index, feature)| FeatureView {
            index,
            name: feature.name,
            group: group(feature.group),
            description: feature.description,
        });
    let references = reference_models().iter().map(|model| ReferenceView {
        name: model.name,
        description: model.description,
        size: text::bytes(model.bytes.len()),
        sha256: model.sha256.clone(),
    });
    show(&DatasetsView {
        frame: Frame::new(&app, "Datasets", "/datasets"),
        set: manifest.map(set),
        parts: Part::ALL.map(part).into(),
        embargo: format!("{EMBARGO_BARS} bars (one day)"),
        bars_needed: BARS_NEEDED,
        newest_bar: text::rule_span(FREEZE_US / 1_000_000),
        feature_count: FEATURE_COUNT,
        features: features.collect(),
        references: references.collect(),
    })
}

fn set(manifest: Manifest) -> SetView {
    let files = manifest.files.iter().map(|file| FileView {
        href: format!("/datasets/files/{}", file.path),
        path: file.path.clone(),
        size: text::bytes(file.bytes),
        rows: file
            .rows
            .as_ref()
            .map_or_else(|| "–".to_owned(), |rows| text::count_of(rows.count)),
        range: file
            .rows
            .as_ref()
            .map_or_else(String::new, |rows| range(&rows.from, &rows.to)),
        sha256_short: text::short_hash(&file.sha256),
        sha256: file.sha256.clone(),
    });
    SetView {
        files: files.collect(),
        schema: manifest.feature_schema_version,
        rows: text::count_of(manifest.rows),
        from: at(&manifest.from),
        to: at(&manifest.to),
        source: manifest.source,
        content: manifest.content_sha256,
        name: manifest.name,
        version: manifest.version,
    }
}

fn part(part: Part) -> PartView {
    PartView {
        name: part.name(),
        from: text::moment(part.from_us()),
        to: text::moment(part.to_us()),
        purpose: match part {
            Part::Train => "what models learn from",
            Part::Validation => "what judges them before they go live",
            Part::Replay => {
                "what a demo replays; no reference model has seen it, its targets are never exported"
            }
        },
    }
}

fn group(group: FeatureGroup) -> &'static str {
    match group {
        FeatureGroup::LaggedReturn => "lagged return",
        FeatureGroup::Momentum => "momentum",
        FeatureGroup::Volatility => "volatility",
        FeatureGroup::Range => "range",
        FeatureGroup::Volume => "volume",
        FeatureGroup::OtherAsset => "other asset",
        FeatureGroup::Time => "time",
    }
}

fn range(from: &str, to: &str) -> String {
    if from == to {
        at(from)
    } else {
        format!("{} to {}", at(from), at(to))
    }
}

/// A moment of the manifest as the other pages write it.
fn at(rfc3339: &str) -> String {
    domain::timestamp::parse_rfc3339(rfc3339).map_or_else(|| rfc3339.to_owned(), text::moment)
}
