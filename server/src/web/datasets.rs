//! `GET /datasets`: what to train on, what it looks like, what the columns mean, and how to enter a
//! model.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use datasets::distributions::{Distribution, Distributions};
use datasets::features::{BARS_NEEDED, FEATURE_COUNT, FEATURES, FREEZE_US, FeatureGroup};
use datasets::split::{EMBARGO_BARS, Split, VALIDATION_DAYS};
use datasets::{Manifest, reference_models};
use domain::timestamp::parse_rfc3339;

use super::chart::LineChart;
use super::dataset_charts::{MonthView, PriceChart, months, price_charts, up_chart};
use super::error::WebError;
use super::frame::{Frame, show};
use super::histogram::Histogram;
use super::text;
use crate::app::App;
use crate::releases::Release;

/// Versions in the table.
const VERSIONS_SHOWN: usize = 14;

#[derive(Template)]
#[template(path = "datasets.html")]
struct DatasetsView {
    frame: Frame,
    set: Option<SetView>,
    versions: Vec<VersionView>,
    looks: Option<LooksView>,
    parts: Vec<PartView>,
    embargo: String,
    validation_days: i64,
    bars_needed: usize,
    newest_bar: String,
    feature_count: usize,
    features: Vec<FeatureView>,
    references: Vec<ReferenceView>,
}

struct SetView {
    version: String,
    cut: String,
    schema: u32,
    rows: String,
    size: String,
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

struct VersionView {
    version: String,
    cut: String,
    rows: String,
    files: usize,
    size: String,
}

/// What the newest version looks like.
struct LooksView {
    train_rows: String,
    prices: Vec<PriceChart>,
    up: Option<LineChart>,
    months: Vec<MonthView>,
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
    shape: Option<ShapeView>,
}

/// How a feature is distributed over the train part.
struct ShapeView {
    histogram: Histogram,
    mean: String,
    sd: String,
    middle: String,
}

struct ReferenceView {
    name: &'static str,
    description: &'static str,
    size: String,
    sha256: String,
}

/// `GET /datasets`.
pub(super) async fn page(State(app): State<Arc<App>>) -> Result<Html<String>, WebError> {
    let versions = app.releases.versions().await?;
    let mut shown = Vec::with_capacity(VERSIONS_SHOWN);
    for version in versions.into_iter().take(VERSIONS_SHOWN) {
        shown.push(app.releases.release(version).await?);
    }
    let newest = shown.first().map(|release| &release.manifest);
    let described = match newest {
        Some(manifest) => distributions(&app, manifest).await?,
        None => None,
    };
    let references = reference_models().iter().map(|model| ReferenceView {
        name: model.name,
        description: model.description,
        size: text::bytes(model.bytes.len()),
        sha256: model.sha256.clone(),
    });
    show(&DatasetsView {
        frame: Frame::new(&app, "Datasets", "/datasets"),
        set: newest.map(set),
        versions: shown.iter().map(|release| version(release)).collect(),
        looks: described.as_ref().map(looks),
        parts: newest.map(parts).unwrap_or_default(),
        embargo: format!("{EMBARGO_BARS} bars (one day)"),
        validation_days: VALIDATION_DAYS,
        bars_needed: BARS_NEEDED,
        newest_bar: text::rule_span(FREEZE_US / 1_000_000),
        feature_count: FEATURE_COUNT,
        features: features(described.as_ref()),
        references: references.collect(),
    })
}

/// What the version says about its values; none where it has no such file.
async fn distributions(app: &App, manifest: &Manifest) -> Result<Option<Distributions>, WebError> {
    let mut files = manifest.files.iter();
    let Some(file) = files.find(|file| file.path == "distributions.json") else {
        return Ok(None);
    };
    let json = app.releases.small_file(file).await?;
    Ok(Some(serde_json::from_slice(&json)?))
}

fn set(manifest: &Manifest) -> SetView {
    let files = manifest.files.iter().map(|file| FileView {
        href: format!("/datasets/files/{}/{}", manifest.version, file.path),
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
        version: manifest.version.to_string(),
        cut: at(&manifest.cut),
        schema: manifest.feature_schema_version,
        rows: text::count_of(manifest.rows),
        size: size(manifest),
        from: at(&manifest.from),
        to: at(&manifest.to),
        source: manifest.source.clone(),
        content: manifest.content_sha256.clone(),
    }
}

fn version(release: &Release) -> VersionView {
    let manifest = &release.manifest;
    VersionView {
        version: manifest.version.to_string(),
        cut: at(&manifest.cut),
        rows: text::count_of(manifest.rows),
        files: manifest.files.len(),
        size: size(manifest),
    }
}

fn size(manifest: &Manifest) -> String {
    text::bytes(manifest.files.iter().map(|file| file.bytes).sum())
}

fn looks(shown: &Distributions) -> LooksView {
    LooksView {
        train_rows: text::count_of(shown.train_rows),
        prices: price_charts(shown),
        up: up_chart(shown),
        months: months(shown),
    }
}

fn features(shown: Option<&Distributions>) -> Vec<FeatureView> {
    let shape = |name: &str| {
        let mut all = shown?.features.iter();
        Some(shape(all.find(|feature| feature.name == name)?))
    };
    let views = FEATURES
        .iter()
        .enumerate()
        .map(|(index, feature)| FeatureView {
            index,
            name: feature.name,
            group: group(feature.group),
            description: feature.description,
            shape: shape(feature.name),
        });
    views.collect()
}

fn shape(of: &Distribution) -> ShapeView {
    let number = |x: f64| format!("{x:.2}").replace('-', "−");
    let [low, _, _, median, _, _, high] = of.quantiles.map(number);
    let title = format!(
        "{}: 98 per cent between {low} and {high}, median {median}",
        of.name
    );
    ShapeView {
        histogram: Histogram::draw(title, &of.counts, of.bins_from, of.bins_to),
        mean: number(of.mean),
        sd: number(of.sd),
        middle: format!("{low} to {high}"),
    }
}

fn parts(manifest: &Manifest) -> Vec<PartView> {
    let split = Split::by(parse_rfc3339(&manifest.cut).unwrap_or_default());
    let validation = split.validation_us();
    let part = |name, from: String, to: String, purpose| PartView {
        name,
        from,
        to,
        purpose,
    };
    let (train_to, cut) = (split.train_to_us(), split.cut_us());
    vec![
        part(
            "train",
            at(&manifest.from),
            text::moment(train_to),
            "what models learn from, a file a month",
        ),
        part(
            "validation",
            text::moment(validation.start),
            text::moment(validation.end),
            "what judges them before they go live",
        ),
        part(
            "live",
            text::moment(cut),
            text::moment(cut),
            "the one row of the round that starts at the cut, without its target: the form in which a hosted model gets its input",
        ),
    ]
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
