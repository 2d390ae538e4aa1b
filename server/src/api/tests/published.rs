//! The versions of the datasets as programs list and read them.

use datasets::export::{BUNDLED_SOURCE, build};
use datasets::split::{DAY_US, Split};

use super::*;

#[tokio::test]
async fn versions_are_listed_newest_first_and_read_as_published() {
    let world = World::new().await;
    let empty = world.get("/datasets").await;
    assert_eq!(empty.json["versions"], serde_json::json!([]));
    world
        .get("/datasets/newest")
        .await
        .is_problem(404, "unknown-dataset");
    let history = datasets::bundled::candles().expect("bundled");
    let mut manifests = vec![];
    for days in 0..3 {
        let split = Split::by(Split::BUNDLED.cut_us() + days * DAY_US);
        let export = build(&history, split, BUNDLED_SOURCE).expect("built");
        manifests.push(export.manifest_json().expect("JSON"));
        let releases = &world.app.releases;
        releases.publish(export).await.expect("published");
    }
    let names = |answer: &Answer| -> Vec<String> {
        let versions = answer.json["versions"].as_array().expect("a list");
        let names = versions.iter().map(|one| one["version"].as_str());
        names.map(|name| name.expect("a name").to_owned()).collect()
    };
    let first = world.get("/datasets?limit=2").await;
    assert_eq!(names(&first), ["1.1.0-20240301", "1.1.0-20240229"]);
    assert_eq!(first.json["versions"][0]["files"], 8);
    let before = first.json["next_before"].as_str().expect("another page");
    let second = world.get(&format!("/datasets?before={before}")).await;
    assert_eq!(names(&second), ["1.1.0-20240228"]);
    assert!(second.json["next_before"].is_null());

    for (name, published) in [("1.1.0-20240228", 0), ("newest", 2)] {
        let answer = world.get(&format!("/datasets/{name}")).await;
        let expected: serde_json::Value =
            serde_json::from_slice(&manifests[published]).expect("JSON");
        assert_eq!((answer.status, &answer.json), (StatusCode::OK, &expected));
    }
    for name in ["1.1.0-20240101", "nothing", "..%2Fx"] {
        let answer = world.get(&format!("/datasets/{name}")).await;
        answer.is_problem(404, "unknown-dataset");
    }
    world
        .get("/datasets?before=yesterday")
        .await
        .is_problem(400, "query-invalid");
}
