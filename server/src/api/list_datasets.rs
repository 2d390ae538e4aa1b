//! `GET /datasets`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use datasets::Version;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{ApiQuery, page_length};
use super::problem::{Problem, QueryProblems};
use crate::app::App;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DatasetsQuery {
    /// At most so many, 1 to 100; 30 when absent.
    limit: Option<i64>,
    /// Only versions older than this one.
    #[param(value_type = Option<String>)]
    before: Option<Version>,
}

/// Published versions of the datasets, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct DatasetsBody {
    versions: Vec<DatasetBody>,
    /// Pass it as `before` for the next page; null on the last.
    next_before: Option<String>,
}

/// One published version.
#[derive(Serialize, ToSchema)]
#[schema(as = Dataset)]
struct DatasetBody {
    version: String,
    /// Every candle behind it had closed by then.
    cut: String,
    rows: usize,
    files: usize,
    /// Bytes of all files.
    bytes: usize,
    feature_schema_version: u32,
    content_sha256: String,
    /// Where its manifest is; the files lie beside it.
    manifest: String,
}

/// Published versions of the datasets, newest first. A published version never changes.
#[utoipa::path(
    get,
    path = "/datasets",
    tag = "datasets",
    params(DatasetsQuery),
    responses((status = 200, body = DatasetsBody), QueryProblems)
)]
pub(super) async fn list_datasets(
    State(app): State<Arc<App>>,
    ApiQuery(query): ApiQuery<DatasetsQuery>,
) -> Result<Json<DatasetsBody>, Problem> {
    let limit = page_length(query.limit, 30, 100)?;
    let limit = usize::try_from(limit).unwrap_or_default();
    let older = |version: &Version| query.before.is_none_or(|before| *version < before);
    let all = app.releases.versions().await?;
    let mut older = all.into_iter().filter(older);
    let page: Vec<Version> = older.by_ref().take(limit).collect();
    let mut versions = Vec::with_capacity(page.len());
    for version in &page {
        let release = app.releases.release(*version).await?;
        let manifest = &release.manifest;
        versions.push(DatasetBody {
            version: version.to_string(),
            cut: manifest.cut.clone(),
            rows: manifest.rows,
            files: manifest.files.len(),
            bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            feature_schema_version: manifest.feature_schema_version,
            content_sha256: manifest.content_sha256.clone(),
            manifest: format!("/datasets/files/{version}/manifest.json"),
        });
    }
    let is_last = older.next().is_none();
    let next_before = page.last().filter(|_| !is_last).map(Version::to_string);
    Ok(Json(DatasetsBody {
        versions,
        next_before,
    }))
}
