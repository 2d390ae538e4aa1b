//! The reference of the API.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use tower::ServiceExt;

use super::*;
use crate::app::testing::app;

#[tokio::test]
async fn the_reference_shows_every_operation_of_the_document() {
    let (app, _, _folder) = app().await;
    let router = router(app);
    let get = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let bytes = to_bytes(answer.into_body(), 1 << 22).await.expect("a body");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    };
    let (html, document) = (get("/docs").await, get("/api/v1/openapi.json").await);
    for foreign in ["=\"http", "src=\"//", "<style", "style=\"", " onclick"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut count = 0;
    for operation in paths
        .values()
        .flat_map(|item| item.as_object().expect("methods").values())
    {
        let Some(id) = operation["operationId"].as_str() else {
            continue;
        };
        count += 1;
        assert!(html.contains(&format!("id=\"{id}\"")), "{id} is not shown");
        assert!(
            html.contains(&format!("href=\"#{id}\"")),
            "{id} is not listed"
        );
    }
    assert!(html.contains(&format!("{count} endpoints")));
    assert!(html.contains("curl -X PUT -H &#34;Authorization: Bearer $KEY&#34;"));
    assert!(html.contains("<code>model-name-taken</code>"));
    if let Ok(folder) = std::env::var("FORETOKEN_PAGES") {
        std::fs::write(format!("{folder}/docs.html"), &html).expect("written");
    }
    let home = get("/").await;
    assert!(home.contains("<a href=\"/docs\">API</a>"));
}
