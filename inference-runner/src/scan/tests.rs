//! The scanner over the models of this crate and over damaged copies of them.

use super::*;

const COLUMNS: usize = 8;

fn rules(columns: usize) -> Rules {
    Rules::of(Limits::DEFAULT, columns)
}

fn model(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(folder.join("tests/models").join(format!("{name}.onnx"))).unwrap()
}

fn reference(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(
        folder
            .join("../datasets/models")
            .join(format!("{name}.onnx")),
    )
    .unwrap()
}

#[test]
fn the_canonical_file_scans_to_itself() {
    let own = [
        "linear_n1",
        "linear_n",
        "dense_n2",
        "label_and_n2",
        "zipmap",
        "no_sigmoid",
    ];
    let own = own.map(|name| (name, model(name), COLUMNS));
    let references = ["forest", "lightgbm", "logistic", "mlp"];
    let references = references.map(|name| (name, reference(name), 70));
    for (name, bytes, columns) in own.into_iter().chain(references) {
        let first = scan(&bytes, &rules(columns)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let second = scan(&first.canonical, &rules(columns)).unwrap();
        assert_eq!(second.canonical, first.canonical, "{name}");
        assert_eq!(second.canonical_digest, first.canonical_digest);
        assert_ne!(first.digest, first.canonical_digest, "{name}");
        eprintln!("{name}: {:?}", first.facts);
    }
}
