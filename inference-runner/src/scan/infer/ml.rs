//! The operators of `ai.onnx.ml`.

use super::super::element::Element;
use super::super::operators::Rule;
use super::super::read::Attribute;
use super::super::refusal::{Checked, misused, unbounded, unfit};
use super::super::size::Size;
use super::super::trees;
use super::call::Call;
use super::pointwise::element_of;
use super::window::check_indices;
use super::{Info, Made};

pub(super) fn make(call: &Call<'_>) -> Checked<Made> {
    match call.rule() {
        Rule::TreeClassifier => tree_classifier(call),
        Rule::TreeRegressor => tree_regressor(call),
        Rule::TreeEnsemble => tree_ensemble(call),
        Rule::LinearClassifier => linear_classifier(call),
        Rule::LinearRegressor => linear_regressor(call),
        Rule::SvmClassifier => svm_classifier(call),
        Rule::SvmRegressor => svm_regressor(call),
        Rule::FeatureVectorizer => feature_vectorizer(call),
        Rule::OneHotEncoder => one_hot_encoder(call),
        Rule::LabelEncoder => label_encoder(call),
        Rule::ArrayFeatureExtractor => extractor(call),
        _ => Err(misused(call.name(), "no rule for its result")),
    }
}

fn count(length: usize) -> Size {
    Size::constant(i64::try_from(length).unwrap_or(i64::MAX))
}

/// Rows and columns of the input; a vector is one row.
fn table(call: &Call<'_>) -> Checked<(Size, i64)> {
    let (rows, columns) = match call.input(0)?.shape[..] {
        [columns] => (Size::ONE, columns),
        [rows, columns] => (rows, columns),
        _ => return Err(misused(call.name(), "an input that is no table")),
    };
    let columns = columns.known();
    let columns = columns.ok_or_else(|| unbounded(call.name(), "an open number of columns"))?;
    Ok((rows, columns))
}

fn rows_of(rows: Size) -> u128 {
    u128::try_from(rows.most()).unwrap_or(0)
}

/// A label and the scores of `classes`.
fn classified(call: &Call<'_>, rows: Size, classes: Size, cost: u128) -> Checked<Made> {
    let is_text = call
        .texts("classlabels_strings")?
        .is_some_and(|list| !list.is_empty());
    let label = if is_text {
        Element::Text
    } else {
        Element::Int64
    };
    Ok(Made {
        outputs: vec![
            Info::new(label, vec![rows]),
            Info::new(Element::Float32, vec![rows, classes]),
        ],
        cost,
    })
}

/// How many classes the labels name.
fn labels(call: &Call<'_>, ints: &str) -> Checked<usize> {
    let texts = call.texts("classlabels_strings")?.map_or(0, <[_]>::len);
    let ints = call.ints(ints)?.map_or(0, <[_]>::len);
    match (texts, ints) {
        (0, 0) => Err(misused(call.name(), "no class labels")),
        (0, labels) | (labels, 0) => Ok(labels),
        _ => Err(misused(call.name(), "labels of two kinds")),
    }
}

fn tree_classifier(call: &Call<'_>) -> Checked<Made> {
    let (rows, columns) = table(call)?;
    let classes = labels(call, "classlabels_int64s")?;
    let visits = trees::ensemble(call, columns, "class", classes)?;
    let cost = rows_of(rows).saturating_mul(visits + classes as u128);
    classified(call, rows, count(classes), cost)
}

fn tree_regressor(call: &Call<'_>) -> Checked<Made> {
    let (rows, columns) = table(call)?;
    let targets = usize::try_from(call.int("n_targets", 1)?).unwrap_or(0);
    let visits = trees::ensemble(call, columns, "target", targets)?;
    Ok(Made {
        outputs: vec![Info::new(Element::Float32, vec![rows, count(targets)])],
        cost: rows_of(rows).saturating_mul(visits),
    })
}

fn tree_ensemble(call: &Call<'_>) -> Checked<Made> {
    let (rows, columns) = table(call)?;
    let targets = usize::try_from(call.int("n_targets", 1)?).unwrap_or(0);
    let visits = trees::modern(call, columns, targets)?;
    let element = call.input(0)?.element;
    Ok(Made {
        outputs: vec![Info::new(element, vec![rows, count(targets)])],
        cost: rows_of(rows).saturating_mul(visits),
    })
}

fn linear_classifier(call: &Call<'_>) -> Checked<Made> {
    let (rows, columns) = table(call)?;
    let coefficients = call.floats("coefficients")?;
    let labels = labels(call, "classlabels_ints")?;
    let columns = usize::try_from(columns).unwrap_or(0).max(1);
    let lines = coefficients / columns;
    if lines == 0 || coefficients % columns != 0 {
        let what = format!("{coefficients} coefficients for {columns} columns");
        return Err(unfit(call.name(), what));
    }
    let intercepts = call.floats("intercepts")?;
    if intercepts != 0 && intercepts != lines {
        return Err(unfit(
            call.name(),
            "intercepts and coefficients differ in number",
        ));
    }
    // One line for two classes: the other's score is its complement.
    let classes = if lines == 1 && labels == 2 { 2 } else { lines };
    let cost = rows_of(rows).saturating_mul(coefficients as u128);
    classified(call, rows, count(classes), cost)
}

fn linear_regressor(call: &Call<'_>) -> Checked<Made> {
    let (rows, columns) = table(call)?;
    let targets = call.int("targets", 1)?;
    let coefficients = call.floats("coefficients")?;
    if columns.checked_mul(targets) != i64::try_from(coefficients).ok() {
        let what = format!("{coefficients} coefficients for {columns} columns");
        return Err(unfit(call.name(), what));
    }
    Ok(Made {
        outputs: vec![Info::new(
            Element::Float32,
            vec![rows, Size::constant(targets)],
        )],
        cost: rows_of(rows).saturating_mul(coefficients as u128),
    })
}

/// Kernel evaluations of one row: every support vector against it.
fn svm_cost(call: &Call<'_>, rows: Size) -> Checked<u128> {
    let numbers = call.floats("support_vectors")? + 32 * call.floats("coefficients")?;
    Ok(rows_of(rows).saturating_mul(numbers as u128 + 32))
}

fn svm_classifier(call: &Call<'_>) -> Checked<Made> {
    let (rows, _) = table(call)?;
    let labels = labels(call, "classlabels_ints")?;
    let has_probabilities = call.floats("prob_a")? > 0;
    let classes = if has_probabilities || labels <= 2 {
        labels
    } else {
        // Every pair of classes votes.
        labels.saturating_mul(labels - 1) / 2
    };
    classified(call, rows, count(classes), svm_cost(call, rows)?)
}

fn svm_regressor(call: &Call<'_>) -> Checked<Made> {
    let (rows, _) = table(call)?;
    Ok(Made {
        outputs: vec![Info::new(Element::Float32, vec![rows, Size::ONE])],
        cost: svm_cost(call, rows)?,
    })
}

fn feature_vectorizer(call: &Call<'_>) -> Checked<Made> {
    let mut rows = None;
    let mut columns = Size::constant(0);
    for input in call.inputs() {
        let (these, width) = match input.shape[..] {
            [these] => (these, Size::ONE),
            [these, width] => (these, width),
            _ => return Err(misused(call.name(), "an input that is no table")),
        };
        if *rows.get_or_insert(these) != these {
            return Err(unfit(call.name(), "inputs of different rows"));
        }
        let sum = columns.plus(width);
        columns = sum.ok_or_else(|| unbounded(call.name(), "a sum of sizes"))?;
    }
    let rows = rows.ok_or_else(|| misused(call.name(), "no input"))?;
    Ok(Info::new(Element::Float32, vec![rows, columns]).into())
}

fn one_hot_encoder(call: &Call<'_>) -> Checked<Made> {
    let input = call.input(0)?;
    let categories = call.ints("cats_int64s")?;
    let categories = categories.ok_or_else(|| misused(call.name(), "no integer categories"))?;
    let mut shape = input.shape.clone();
    shape.push(count(categories.len()));
    Ok(Info::new(Element::Float32, shape).into())
}

fn label_encoder(call: &Call<'_>) -> Checked<Made> {
    let element = if call.attribute("values_int64s").is_some() {
        Element::Int64
    } else if call.attribute("values_floats").is_some() {
        Element::Float32
    } else {
        element_of(call.attribute("values_tensor"), Element::Text)
    };
    let has_keys = ["keys_int64s", "keys_floats", "keys_tensor"];
    let has_keys = has_keys.iter().any(|name| call.attribute(name).is_some());
    if element == Element::Text || !has_keys {
        return Err(misused(call.name(), "only numbers are encoded as numbers"));
    }
    Ok(Info::new(element, call.input(0)?.shape.clone()).into())
}

fn extractor(call: &Call<'_>) -> Checked<Made> {
    let (data, indices) = (call.input(0)?, call.input(1)?);
    let scalar = || misused(call.name(), "a scalar");
    let (last, batch) = data.shape.split_last().ok_or_else(scalar)?;
    check_indices(call, 1, *last)?;
    let length = super::super::size::product(&indices.shape);
    let length = length.ok_or_else(|| unbounded(call.name(), "a product of sizes"))?;
    let mut shape = if batch.is_empty() {
        vec![Size::ONE]
    } else {
        batch.to_vec()
    };
    shape.push(length);
    Ok(Info::new(data.element, shape).into())
}

/// Numbers in a list that may be floats or a tensor of them.
pub(in super::super) fn length(
    call: &Call<'_>,
    floats: &str,
    tensor: &str,
) -> Checked<Option<usize>> {
    match (call.attribute(floats), call.attribute(tensor)) {
        (None, None) => Ok(None),
        (Some(Attribute::Floats(list)), None) => Ok(Some(list.len())),
        (None, Some(Attribute::Tensor(tensor))) => {
            Ok(Some(usize::try_from(tensor.count()).unwrap_or(usize::MAX)))
        }
        _ => Err(misused(
            call.name(),
            format!("'{floats}' is of a wrong type"),
        )),
    }
}
