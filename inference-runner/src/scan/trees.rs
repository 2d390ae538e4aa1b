//! Tree ensembles: every index in range, every list as long as the others, no node reached twice.
//! ONNX Runtime follows the indices as they are, so a cycle would never end.

use super::infer::{Call, length};
use super::read::Attribute;
use super::refusal::Checked;
use crate::outcome::Reason;

/// Deepest tree; ONNX Runtime builds trees by recursion.
const DEPTH_MAX: u32 = 512;

/// Multiply-adds that one step down a tree takes as long as.
const STEP: u128 = 8;

const LEAF: &[u8] = b"LEAF";
const BRANCHES: [&[u8]; 6] = [
    b"BRANCH_LEQ",
    b"BRANCH_LT",
    b"BRANCH_GTE",
    b"BRANCH_GT",
    b"BRANCH_EQ",
    b"BRANCH_NEQ",
];

fn wrong(call: &Call<'_>, what: impl std::fmt::Display) -> Reason {
    Reason::new(
        "tree",
        format!("{}: {what}", call.name()),
        "convert the ensemble again with a current skl2onnx, onnxmltools or the library's own \
         export",
    )
}

fn ints<'c>(call: &Call<'c>, name: &str, nodes: usize) -> Checked<&'c [i64]> {
    let list = call.ints(name)?.unwrap_or_default();
    if list.len() != nodes {
        let what = format!("'{name}' has {} entries for {nodes} nodes", list.len());
        return Err(wrong(call, what));
    }
    Ok(list)
}

fn as_long(call: &Call<'_>, name: &str, length: Option<usize>, wanted: usize) -> Checked<()> {
    match length {
        None | Some(0) => Ok(()),
        Some(length) if length == wanted => Ok(()),
        Some(length) => Err(wrong(
            call,
            format!("'{name}' has {length} entries for {wanted}"),
        )),
    }
}

/// `TreeEnsembleClassifier` and `TreeEnsembleRegressor`; `weights` is the prefix of the leaves'
/// lists, `targets` the number of classes or targets. Answers the cost of one row.
pub(super) fn ensemble(
    call: &Call<'_>,
    columns: i64,
    weights: &str,
    targets: usize,
) -> Checked<u128> {
    let trees = call.ints("nodes_treeids")?.unwrap_or_default();
    let count = trees.len();
    let ids = ints(call, "nodes_nodeids", count)?;
    let features = ints(call, "nodes_featureids", count)?;
    let modes = call.texts("nodes_modes")?.unwrap_or_default();
    let thresholds = length(call, "nodes_values", "nodes_values_as_tensor")?;
    if modes.len() != count || thresholds != Some(count) {
        return Err(wrong(call, "modes, values and nodes differ in number"));
    }
    let tracks = call
        .ints("nodes_missing_value_tracks_true")?
        .map(<[i64]>::len);
    as_long(call, "nodes_missing_value_tracks_true", tracks, count)?;
    let hitrates = length(call, "nodes_hitrates", "nodes_hitrates_as_tensor")?;
    as_long(call, "nodes_hitrates", hitrates, count)?;
    if let Some(feature) = features
        .iter()
        .find(|feature| !(0..columns).contains(*feature))
    {
        return Err(wrong(
            call,
            format!("feature {feature} of {columns} columns"),
        ));
    }
    let places = Places::of(call, trees, ids)?;
    let truth = ints(call, "nodes_truenodeids", count)?;
    let falsehood = ints(call, "nodes_falsenodeids", count)?;
    let mut children = Vec::with_capacity(count);
    for node in 0..count {
        if modes[node] == LEAF {
            children.push([None, None]);
            continue;
        }
        if !BRANCHES.contains(&modes[node]) {
            return Err(wrong(call, "an unknown mode of a node"));
        }
        let child = |id| places.find(call, trees[node], id).map(Some);
        children.push([child(truth[node])?, child(falsehood[node])?]);
    }
    let roots = roots(call, &children, trees)?;
    leaves(call, &places, weights, targets)?;
    steps(call, &children, &roots, true)
}

/// The place of each node in the lists, by tree and id.
struct Places(Vec<(i64, i64, usize)>);

impl Places {
    fn of(call: &Call<'_>, trees: &[i64], ids: &[i64]) -> Checked<Self> {
        let named = trees.iter().zip(ids).enumerate();
        let mut places: Vec<_> = named
            .map(|(place, (tree, id))| (*tree, *id, place))
            .collect();
        places.sort_unstable();
        let same = |pair: &[(i64, i64, usize)]| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1);
        if places.windows(2).any(same) {
            return Err(wrong(call, "two nodes of one number in a tree"));
        }
        Ok(Self(places))
    }

    fn find(&self, call: &Call<'_>, tree: i64, id: i64) -> Checked<usize> {
        let found = self
            .0
            .binary_search_by(|place| (place.0, place.1).cmp(&(tree, id)));
        match found {
            Ok(at) => Ok(self.0[at].2),
            Err(_) => Err(wrong(call, format!("tree {tree} has no node {id}"))),
        }
    }
}

/// The nodes that are nobody's child: one for each tree.
fn roots(call: &Call<'_>, children: &[[Option<usize>; 2]], trees: &[i64]) -> Checked<Vec<usize>> {
    let mut has_parent = vec![false; children.len()];
    for child in children.iter().flatten().flatten() {
        has_parent[*child] = true;
    }
    let roots: Vec<usize> = (0..children.len())
        .filter(|node| !has_parent[*node])
        .collect();
    let mut rooted: Vec<i64> = roots.iter().map(|root| trees[*root]).collect();
    rooted.sort_unstable();
    if rooted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(wrong(call, "a tree with two roots"));
    }
    Ok(roots)
}

fn leaves(call: &Call<'_>, places: &Places, prefix: &str, targets: usize) -> Checked<()> {
    let name = |list: &str| format!("{prefix}_{list}");
    let trees = call.ints(&name("treeids"))?.unwrap_or_default();
    let ids = ints(call, &name("nodeids"), trees.len())?;
    let classes = ints(call, &name("ids"), trees.len())?;
    let weights = length(call, &name("weights"), &name("weights_as_tensor"))?;
    if weights.unwrap_or(0) != trees.len() {
        return Err(wrong(call, "weights and leaves differ in number"));
    }
    for ((tree, id), class) in trees.iter().zip(ids).zip(classes) {
        places.find(call, *tree, *id)?;
        if usize::try_from(*class).map_or(true, |class| class >= targets) {
            return Err(wrong(call, format!("class {class} of {targets}")));
        }
    }
    match length(call, "base_values", "base_values_as_tensor")? {
        Some(bases) if bases > targets => Err(wrong(call, "more base values than classes")),
        _ => Ok(()),
    }
}

/// Walks every tree once and answers the cost of one row.
fn steps(
    call: &Call<'_>,
    children: &[[Option<usize>; 2]],
    roots: &[usize],
    reaches_all: bool,
) -> Checked<u128> {
    let mut seen = vec![false; children.len()];
    let mut steps = 0_u128;
    let mut waiting = Vec::new();
    for root in roots {
        let mut deepest = 0;
        waiting.push((*root, 1));
        while let Some((node, depth)) = waiting.pop() {
            if std::mem::replace(&mut seen[node], true) {
                return Err(wrong(
                    call,
                    "a node that is reached twice: a cycle or two parents",
                ));
            }
            if depth > DEPTH_MAX {
                return Err(wrong(call, format!("a tree deeper than {DEPTH_MAX}")));
            }
            deepest = deepest.max(depth);
            waiting.extend(
                children[node]
                    .iter()
                    .flatten()
                    .map(|child| (*child, depth + 1)),
            );
        }
        steps += u128::from(deepest);
    }
    if reaches_all && seen.contains(&false) {
        return Err(wrong(call, "a node that no root reaches: a cycle"));
    }
    Ok(steps.saturating_mul(STEP))
}

/// `TreeEnsemble` of ai.onnx.ml 5.
pub(super) fn modern(call: &Call<'_>, columns: i64, targets: usize) -> Checked<u128> {
    let features = call.ints("nodes_featureids")?.unwrap_or_default();
    let count = features.len();
    if let Some(feature) = features
        .iter()
        .find(|feature| !(0..columns).contains(*feature))
    {
        return Err(wrong(
            call,
            format!("feature {feature} of {columns} columns"),
        ));
    }
    let tensor = |name: &str| match call.attribute(name) {
        Some(Attribute::Tensor(tensor)) => Some(tensor),
        _ => None,
    };
    let entries = |name: &str| tensor(name).map(|t| usize::try_from(t.count()).unwrap_or(0));
    if entries("nodes_splits") != Some(count) || entries("nodes_modes") != Some(count) {
        return Err(wrong(call, "splits, modes and nodes differ in number"));
    }
    as_long(call, "nodes_hitrates", entries("nodes_hitrates"), count)?;
    let tracks = call
        .ints("nodes_missing_value_tracks_true")?
        .map(<[i64]>::len);
    as_long(call, "nodes_missing_value_tracks_true", tracks, count)?;
    let modes = tensor("nodes_modes")
        .map(|modes| &modes.data[..])
        .unwrap_or_default();
    if modes.len() != count || modes.iter().any(|mode| *mode > 6) {
        return Err(wrong(call, "an unknown mode of a node"));
    }
    let classes = call.ints("leaf_targetids")?.unwrap_or_default();
    if entries("leaf_weights") != Some(classes.len()) {
        return Err(wrong(call, "weights and leaves differ in number"));
    }
    for class in classes {
        if usize::try_from(*class).map_or(true, |class| class >= targets) {
            return Err(wrong(call, format!("target {class} of {targets}")));
        }
    }
    let mut children = vec![[None, None]; count];
    for (side, (ids, flags)) in [
        ("nodes_truenodeids", "nodes_trueleafs"),
        ("nodes_falsenodeids", "nodes_falseleafs"),
    ]
    .into_iter()
    .enumerate()
    {
        let (ids, flags) = (ints(call, ids, count)?, ints(call, flags, count)?);
        for (node, (id, is_leaf)) in ids.iter().zip(flags).enumerate() {
            let most = if *is_leaf == 0 { count } else { classes.len() };
            let child = usize::try_from(*id).ok().filter(|id| *id < most);
            let child = child.ok_or_else(|| wrong(call, format!("no node or leaf {id}")))?;
            children[node][side] = (*is_leaf == 0).then_some(child);
        }
    }
    let roots: Option<Vec<usize>> = call
        .ints("tree_roots")?
        .unwrap_or_default()
        .iter()
        .map(|root| usize::try_from(*root).ok().filter(|root| *root < count))
        .collect();
    let roots = roots.ok_or_else(|| wrong(call, "a root that is no node"))?;
    steps(call, &children, &roots, false)
}
