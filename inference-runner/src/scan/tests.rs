//! The scanner over the models of this crate and over damaged copies of them.

use super::*;
use crate::stopwatch::Stopwatch;

const COLUMNS: usize = 8;

fn rules(columns: usize) -> Rules {
    Rules::of(Limits::DEFAULT, columns)
}

fn read(path: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read(folder.join(path)).unwrap()
}

fn model(name: &str) -> Vec<u8> {
    read(&format!("tests/models/{name}.onnx"))
}

/// Models that are admitted, with their columns.
fn admitted() -> Vec<(&'static str, Vec<u8>, usize)> {
    let own = [
        "linear_n1",
        "linear_n",
        "dense_n2",
        "label_and_n2",
        "zipmap",
        "batch_size",
    ];
    let own = own.map(|name| (name, model(name), COLUMNS));
    let references = ["forest", "lightgbm", "logistic", "mlp"];
    let references =
        references.map(|name| (name, read(&format!("../datasets/models/{name}.onnx")), 70));
    own.into_iter().chain(references).collect()
}

fn facts(name: &str, columns: usize) -> ScanFacts {
    let (_, bytes, _) = admitted()
        .into_iter()
        .find(|(found, ..)| *found == name)
        .unwrap();
    scan(&bytes, &rules(columns)).unwrap().facts
}

#[test]
fn the_canonical_file_scans_to_itself() {
    for (name, bytes, columns) in admitted() {
        let first = scan(&bytes, &rules(columns)).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let second = scan(&first.canonical, &rules(columns)).unwrap();
        assert_eq!(second.canonical, first.canonical, "{name}");
        assert_eq!(second.canonical_digest, first.canonical_digest);
        assert_eq!(first.digest, Digest::of(&bytes), "{name}");
        assert_ne!(first.digest, first.canonical_digest, "{name}");
        assert_eq!(
            second.facts.dropped_fields, 1,
            "{name}: only the graph's name carries no computation"
        );
    }
}

#[test]
fn the_facts_are_those_of_the_model() {
    let dense = facts("dense_n2", COLUMNS);
    assert_eq!(dense.class, ModelClass::Dense);
    assert_eq!(dense.output, OutputKind::Class { column: 1, of: 2 });
    assert_eq!(dense.params, 8 * 16 + 16 + 16 * 2 + 2);
    let ops: Vec<_> = dense
        .ops
        .iter()
        .map(|(op, count)| (op.as_str(), *count))
        .collect();
    assert_eq!(ops, [("Gemm", 2), ("Softmax", 1), ("Tanh", 1)]);
    // The two products alone: 8 × 16 + 16 × 2.
    assert!((160..1_000).contains(&dense.cost_per_row), "{dense:?}");
    assert_eq!(facts("linear_n1", COLUMNS).class, ModelClass::Linear);
    assert_eq!(facts("logistic", 70).class, ModelClass::Linear);
    assert_eq!(facts("mlp", 70).class, ModelClass::Dense);
    let forest = facts("forest", 70);
    assert_eq!(forest.class, ModelClass::Tree);
    assert!(forest.ops.contains_key("ai.onnx.ml.TreeEnsembleClassifier"));
}

#[test]
fn names_and_texts_of_the_author_are_not_written() {
    let bytes = model("dense_n2");
    let holds = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    let canonical = scan(&bytes, &rules(COLUMNS)).unwrap().canonical;
    for word in [&b"probabilities"[..], b"W1", b"dense_n2"] {
        assert!(holds(&bytes, word) && !holds(&canonical, word));
    }
}

/// The model with one more entry among its metadata, as `metadata_props.add()` writes it.
fn naming(model: &[u8], value: &str) -> Vec<u8> {
    let text = |field: u8, text: &str| {
        let length = u8::try_from(text.len()).unwrap();
        [&[field << 3 | 2, length][..], text.as_bytes()].concat()
    };
    let entry = [text(1, "positive_class"), text(2, value)].concat();
    let length = u8::try_from(entry.len()).unwrap();
    [model, &[14 << 3 | 2, length], &entry].concat()
}

#[test]
fn a_class_must_be_named_when_there_are_three() {
    let bytes = model("three_classes");
    let refused = scan(&bytes, &rules(COLUMNS)).unwrap_err();
    assert_eq!(refused[0].code, "output-shape");
    assert!(refused[0].fix.contains("positive_class"), "{refused:?}");
    let named = scan(&naming(&bytes, "2"), &rules(COLUMNS)).unwrap();
    assert_eq!(named.facts.output, OutputKind::Class { column: 2, of: 3 });
    let again = scan(&named.canonical, &rules(COLUMNS)).unwrap();
    assert_eq!(again.canonical, named.canonical, "it is kept");
    let two = model("dense_n2");
    let first = scan(&naming(&two, "0"), &rules(COLUMNS)).unwrap();
    assert_eq!(first.facts.output, OutputKind::Class { column: 0, of: 2 });
    let usual = scan(&naming(&two, "1"), &rules(COLUMNS)).unwrap();
    assert_eq!(
        usual.canonical,
        scan(&two, &rules(COLUMNS)).unwrap().canonical
    );
    let twice = naming(&naming(&bytes, "2"), "2");
    let one_column = naming(&model("linear_n1"), "0");
    let wrong = ["3", "-1", "up", "", "9999999"].map(|value| naming(&bytes, value));
    for wrong in wrong.into_iter().chain([twice, one_column]) {
        let refused = scan(&wrong, &rules(COLUMNS)).unwrap_err();
        assert_eq!(refused[0].code, "positive-class");
    }
}

#[test]
fn the_limits_of_the_class_are_kept() {
    let (_, bytes, _) = admitted().remove(2);
    let allowed = rules(COLUMNS);
    let too_little = [
        (
            Rules {
                model_bytes: bytes.len() - 1,
                ..allowed
            },
            "model-bytes",
        ),
        (
            Rules {
                peak_bytes: 1 << 10,
                ..allowed
            },
            "cost-memory",
        ),
        (
            Rules {
                cost_per_row: 100,
                ..allowed
            },
            "cost",
        ),
        (
            Rules {
                columns: 9,
                ..allowed
            },
            "input-columns",
        ),
    ];
    for (rules, code) in too_little {
        assert_eq!(scan(&bytes, &rules).unwrap_err()[0].code, code);
    }
}

/// splitmix64.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap()
}

/// Damaged files are refused or admitted, quickly, and never end in a panic.
#[test]
fn damaged_files_are_answered_quickly() {
    let mut state = 7;
    let (mut refused, mut accepted) = (0, 0);
    for (name, bytes, columns) in admitted() {
        for turn in 0..150 {
            let mut damaged = bytes.clone();
            if turn % 5 == 0 {
                damaged.truncate(next(&mut state) % bytes.len());
            }
            for _ in 0..=turn % 4 {
                if !damaged.is_empty() {
                    let place = next(&mut state) % damaged.len();
                    damaged[place] ^= 1 << (next(&mut state) % 8);
                }
            }
            let watch = Stopwatch::start();
            match scan(&damaged, &rules(columns)) {
                Ok(admitted) => {
                    accepted += 1;
                    let again = scan(&admitted.canonical, &rules(columns)).unwrap();
                    assert_eq!(again.canonical, admitted.canonical, "{name} {turn}");
                }
                Err(reasons) => {
                    refused += 1;
                    assert!(!reasons.is_empty());
                }
            }
            // A whole one takes a hundredth; the machine may be busy.
            assert!(watch.elapsed().as_secs() < 5, "{name} {turn}");
        }
    }
    assert!(refused > 300 && accepted > 100, "{refused} {accepted}");
}
