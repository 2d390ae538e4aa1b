//! Published datasets: the page, and every way to ask for a file.

use axum::http::HeaderMap;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, ETAG,
    IF_NONE_MATCH, IF_RANGE, RANGE,
};
use datasets::export::{BUNDLED_SOURCE, Export, build};
use datasets::split::Split;
use sha2::{Digest, Sha256};

use super::*;

fn bundled() -> Export {
    let history = datasets::bundled::candles().expect("bundled");
    build(&history, Split::BUNDLED, BUNDLED_SOURCE).expect("built")
}

/// Status, headers and body of `path`, asked for by `method` with one more header or none.
async fn ask(
    app: &Arc<App>,
    method: &str,
    path: &str,
    headers: &[(axum::http::HeaderName, String)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).expect("a request");
    let router = crate::web::router().with_state(Arc::clone(app));
    let answer = router.oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("a body");
    (parts.status, parts.headers, body.to_vec())
}

#[tokio::test]
async fn a_published_version_is_shown_and_served_file_by_file() {
    let (app, _wall, _folder) = app().await;
    let export = bundled();
    app.releases
        .publish(export.clone())
        .await
        .expect("published");
    let version = export.manifest.version;
    let html = page(&app, "/datasets", StatusCode::OK).await;
    for file in &export.files {
        let path = format!("/datasets/files/{version}/{}", file.path);
        assert!(html.contains(&path), "{path}");
        let (status, headers, body) = ask(&app, "GET", &path, &[]).await;
        assert_eq!((status, &body), (StatusCode::OK, &file.bytes), "{path}");
        let tag = format!("\"{}\"", hex::encode(Sha256::digest(&body)));
        assert_eq!(headers[ETAG], tag.as_str());
        assert!(
            headers[CACHE_CONTROL]
                .to_str()
                .is_ok_and(|c| c.contains("immutable"))
        );
    }
    assert_eq!(
        html.matches("class=\"histogram\"").count(),
        71,
        "70 features, one month"
    );
    for says in [
        "2024-02",
        "Rounds that rose",
        "Close of each day",
        "Versions",
        "29 Feb 2024",
    ] {
        assert!(html.contains(says), "the page does not say {says:?}");
    }
    // The newest version, without its name: the address says which it is, and nobody may keep it.
    let (_, headers, body) = ask(&app, "GET", "/datasets/files/manifest.json", &[]).await;
    assert_eq!(body, export.manifest_json().expect("JSON"));
    let place = format!("/datasets/files/{version}/manifest.json");
    assert_eq!(headers[CONTENT_LOCATION], place.as_str());
    assert_eq!(headers[CACHE_CONTROL], "no-cache");
}

#[tokio::test]
async fn only_what_a_manifest_names_is_opened() {
    let (app, _wall, folder) = app().await;
    let export = bundled();
    let version = export.manifest.version;
    app.releases.publish(export).await.expect("published");
    std::fs::write(folder.path().join("datasets/secret"), "x").expect("written");
    for path in [
        "secret".to_owned(),
        "../foretoken.sqlite".to_owned(),
        "btc/../features.json".to_owned(),
        format!("versions/{version}.json"),
        format!("{version}/../features.json"),
        format!("{version}/"),
        format!("{version}"),
        format!("{version}-r2/features.json"),
        "1.1.0-20240101/features.json".to_owned(),
    ] {
        let path = format!("/datasets/files/{path}");
        let (status, ..) = ask(&app, "GET", &path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn files_are_sent_by_ranges_and_not_again_when_known() {
    let (app, _wall, _folder) = app().await;
    let export = bundled();
    app.releases
        .publish(export.clone())
        .await
        .expect("published");
    let manifest = export.manifest_json().expect("JSON");
    let parquet = &export.files[0];
    let parquet = (parquet.path.as_str(), parquet.bytes.clone());
    for (path, bytes) in [("manifest.json", manifest), parquet] {
        let path = format!("/datasets/files/{path}");
        let tag = format!("\"{}\"", hex::encode(Sha256::digest(&bytes)));
        let size = bytes.len();
        let range = (RANGE, "bytes=100-199".to_owned());
        let part = format!("bytes 100-199/{size}");

        let (status, headers, body) = ask(&app, "GET", &path, std::slice::from_ref(&range)).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(body, bytes[100..200]);
        assert_eq!(headers[CONTENT_RANGE], part.as_str());
        assert_eq!(
            (&headers[CONTENT_LENGTH], &headers[ETAG]),
            (&"100".parse().unwrap(), &tag.parse().unwrap())
        );

        let rest = (RANGE, format!("bytes={}-", size - 7));
        let same = (IF_RANGE, tag.clone());
        let (status, _, body) = ask(&app, "GET", &path, &[rest.clone(), same]).await;
        assert_eq!(
            (status, body.as_slice()),
            (StatusCode::PARTIAL_CONTENT, &bytes[size - 7..])
        );
        let other = (IF_RANGE, "\"another\"".to_owned());
        let (status, _, body) = ask(&app, "GET", &path, &[rest, other]).await;
        assert_eq!((status, body.len()), (StatusCode::OK, size));

        let beyond = (RANGE, format!("bytes={size}-"));
        let (status, headers, body) = ask(&app, "GET", &path, &[beyond]).await;
        assert_eq!((status, body.len()), (StatusCode::RANGE_NOT_SATISFIABLE, 0));
        assert_eq!(headers[CONTENT_RANGE], format!("bytes */{size}").as_str());

        let known = (IF_NONE_MATCH, tag.clone());
        let (status, headers, body) = ask(&app, "GET", &path, &[known]).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(headers[ETAG], tag.as_str());

        let (status, headers, body) = ask(&app, "HEAD", &path, &[]).await;
        assert_eq!((status, body.len()), (StatusCode::OK, 0));
        assert_eq!(headers[CONTENT_LENGTH], size.to_string().as_str());
        assert_eq!(headers[ACCEPT_RANGES], "bytes");
        let (status, headers, body) = ask(&app, "HEAD", &path, &[range]).await;
        assert_eq!((status, body.len()), (StatusCode::PARTIAL_CONTENT, 0));
        assert_eq!(headers[CONTENT_RANGE], part.as_str());
    }
}

/// A store that lost or changed a file answers no wrong byte.
#[tokio::test]
async fn a_damaged_file_is_a_failure_and_not_an_answer() {
    let (app, _wall, folder) = app().await;
    let export = bundled();
    app.releases
        .publish(export.clone())
        .await
        .expect("published");
    let entry = &export.manifest.files[0];
    let place = folder.path().join("datasets/files").join(&entry.sha256);
    std::fs::write(place, "short").expect("written");
    let path = format!("/datasets/files/{}", entry.path);
    let (status, ..) = ask(&app, "GET", &path, &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}
