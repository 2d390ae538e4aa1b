//! Versions: of the file format and of the operator sets.

use std::collections::BTreeMap;

use super::super::read::{GraphFile, ModelFile};
use super::super::refusal::{Checked, shown};
use crate::outcome::Reason;

const IR_MAX: i64 = 13;

/// Domain, oldest and newest version that is run.
const VERSIONS: [(&str, i64, i64); 2] = [("", 7, 26), ("ai.onnx.ml", 1, 5)];

pub(super) fn check_versions(file: &ModelFile<'_>) -> Checked<()> {
    if !(3..=IR_MAX).contains(&file.ir) {
        return Err(Reason::new(
            "ir-version",
            format!("the file has IR version {}; 3 to {IR_MAX} are run", file.ir),
            "write it with IR 10: onnx.helper.make_model(graph, ir_version=10, \
             opset_imports=[onnx.helper.make_opsetid('', 21)]), or model.ir_version = 10 before \
             onnx.save",
        ));
    }
    Ok(())
}

/// The name under which a domain is known; `ai.onnx` is the default one.
pub(super) fn domain(domain: &[u8]) -> &[u8] {
    if domain == b"ai.onnx" { b"" } else { domain }
}

/// The imports that the living nodes need. Exporters write a domain twice; the last one counts, as
/// it does for ONNX Runtime.
pub(super) fn opsets(
    file: &ModelFile<'_>,
    graph: &GraphFile<'_>,
    alive: &[bool],
) -> Checked<BTreeMap<String, i64>> {
    let mut opsets = BTreeMap::new();
    for (known, oldest, newest) in VERSIONS {
        let of_domain = |given: &[u8]| domain(given) == known.as_bytes();
        let mut imports = file.opsets.iter().rev();
        let imported = imports.find(|(name, _)| of_domain(name));
        let mut living = graph.nodes.iter().zip(alive).filter(|(_, alive)| **alive);
        let used = living.find(|(node, _)| of_domain(node.domain));
        match (imported, used) {
            (Some(&(_, version)), used) => {
                if used.is_some() && !(oldest..=newest).contains(&version) {
                    return Err(wrong_version(known, version, oldest, newest));
                }
                opsets.insert(known.to_owned(), version);
            }
            (None, Some((node, _))) => return Err(missing(known, node.operator)),
            (None, None) => {}
        }
    }
    Ok(opsets)
}

fn wrong_version(domain: &str, version: i64, oldest: i64, newest: i64) -> Reason {
    let named = if domain.is_empty() { "ai.onnx" } else { domain };
    Reason::new(
        "opset",
        format!("operator set {named} {version}; {oldest} to {newest} are run"),
        "export for an older set: torch.onnx.export(..., opset_version=17), or \
         target_opset={'': 17, 'ai.onnx.ml': 3} for skl2onnx and onnxmltools",
    )
}

fn missing(domain: &str, operator: &[u8]) -> Reason {
    let named = if domain.is_empty() { "ai.onnx" } else { domain };
    Reason::new(
        "opset",
        format!("{} is used and {named} is not imported", shown(operator)),
        "name the operator set: onnx.helper.make_model(graph, \
         opset_imports=[onnx.helper.make_opsetid('', 17)])",
    )
}
