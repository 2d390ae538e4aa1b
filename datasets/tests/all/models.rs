//! The bundled reference models are those that the training script described.

use std::collections::HashSet;

use datasets::features::FEATURE_SCHEMA_VERSION;
use datasets::reference_models;
use serde_json::Value;

use crate::export::EXPORT;

#[test]
fn models_are_small_distinct_and_as_described() {
    let index: Value = serde_json::from_str(include_str!("../../models/models.json")).unwrap();
    let entries = index["models"].as_array().unwrap();
    let models = reference_models();
    assert!(models.len() >= 4);
    assert_eq!(models.len(), entries.len());
    assert!(models.iter().map(|model| model.bytes.len()).sum::<usize>() < 2_000_000);
    let hashes: HashSet<&str> = models.iter().map(|model| model.sha256.as_str()).collect();
    assert_eq!(hashes.len(), models.len());
    for (model, entry) in models.iter().zip(entries) {
        assert_eq!(entry["name"], model.name);
        assert_eq!(entry["file"], model.file_name);
        assert_eq!(entry["description"], model.description);
        assert_eq!(entry["sha256"], model.sha256.as_str());
        let accuracy = entry["validation"]["accuracy"].as_f64().unwrap();
        assert!(
            (0.48..0.55).contains(&accuracy),
            "{} claims {accuracy}",
            model.name
        );
    }
}

#[test]
fn models_were_trained_on_these_features() {
    let index: Value = serde_json::from_str(include_str!("../../models/models.json")).unwrap();
    assert_eq!(index["feature_schema_version"], FEATURE_SCHEMA_VERSION);
    assert_eq!(
        index["dataset_content_sha256"],
        EXPORT.manifest.content_sha256.as_str()
    );
}
