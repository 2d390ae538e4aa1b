//! The operators that are run: what real exporters of tabular and small neural models write. A row
//! names the rule for the result's type and shape, what one element of it costs, and the family.
//!
//! Left out on purpose: loops and branches, random numbers, anything whose result's size depends
//! on the values of the rows, text, images, files, and every contributed domain.

use super::refusal::{Checked, shown};
use crate::outcome::Reason;

/// What an operator is for; decides the class of its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Tree,
    /// A product with weights: a layer of a neural net.
    Layer,
    /// Linear models of `ai.onnx.ml`.
    Linear,
    Other,
}

/// How the type and the shape of the result follow from the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// As the first input.
    Same,
    /// As the first input, but float32.
    SameFloat,
    /// As the first input, but true or false.
    SameBool,
    Dropout,
    Normalization,
    /// All inputs stretched to each other.
    Stretch,
    Compare,
    Where,
    Cast,
    CastLike,
    Reduce,
    ArgReduce,
    MatMul,
    Gemm,
    Einsum,
    Conv,
    Pool,
    GlobalPool,
    Recurrent,
    Shape,
    Size,
    Reshape,
    Flatten,
    Squeeze,
    Unsqueeze,
    Transpose,
    Concat,
    Split,
    Slice,
    Gather,
    GatherElements,
    Expand,
    Tile,
    Pad,
    Fill,
    Range,
    TopK,
    OneHot,
    TreeClassifier,
    TreeRegressor,
    TreeEnsemble,
    LinearClassifier,
    LinearRegressor,
    SvmClassifier,
    SvmRegressor,
    FeatureVectorizer,
    OneHotEncoder,
    LabelEncoder,
    ArrayFeatureExtractor,
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) name: &'static str,
    /// Of `ai.onnx.ml`; else of the default domain.
    pub(super) is_ml: bool,
    pub(super) rule: Rule,
    /// Multiply-adds of one element of the result, where the rule does not count them.
    pub(super) weight: u64,
    pub(super) family: Family,
}

impl Operator {
    pub(super) fn title(&self) -> String {
        if self.is_ml {
            return format!("ai.onnx.ml.{}", self.name);
        }
        self.name.to_owned()
    }

    pub(super) fn domain(&self) -> &'static str {
        if self.is_ml { "ai.onnx.ml" } else { "" }
    }
}

const fn row(name: &'static str, rule: Rule, weight: u64) -> Operator {
    Operator {
        name,
        is_ml: false,
        rule,
        weight,
        family: Family::Other,
    }
}

const fn layer(name: &'static str, rule: Rule) -> Operator {
    Operator {
        family: Family::Layer,
        ..row(name, rule, 1)
    }
}

const fn ml(name: &'static str, rule: Rule, weight: u64, family: Family) -> Operator {
    Operator {
        is_ml: true,
        family,
        ..row(name, rule, weight)
    }
}

use Family::{Linear, Other, Tree};
use Rule::{
    ArgReduce, ArrayFeatureExtractor, Cast, CastLike, Compare, Concat, Conv, Dropout, Einsum,
    Expand, FeatureVectorizer, Fill, Flatten, Gather, GatherElements, Gemm, GlobalPool,
    LabelEncoder, LinearClassifier, LinearRegressor, MatMul, Normalization, OneHot, OneHotEncoder,
    Pad, Pool, Range, Recurrent, Reduce, Reshape, Same, SameBool, SameFloat, Shape, Size, Slice,
    Split, Squeeze, Stretch, SvmClassifier, SvmRegressor, Tile, TopK, Transpose, TreeClassifier,
    TreeEnsemble, TreeRegressor, Unsqueeze, Where,
};

/// Sorted by domain and name.
static OPERATORS: [Operator; 129] = [
    row("Abs", Same, 1),
    row("Acos", Same, 16),
    row("Add", Stretch, 1),
    row("And", Compare, 1),
    row("ArgMax", ArgReduce, 1),
    row("ArgMin", ArgReduce, 1),
    row("Asin", Same, 16),
    row("Atan", Same, 16),
    row("AveragePool", Pool, 1),
    row("BatchNormalization", Normalization, 2),
    row("Cast", Cast, 1),
    row("CastLike", CastLike, 1),
    row("Ceil", Same, 1),
    row("Celu", Same, 16),
    row("Clip", Same, 1),
    row("Concat", Concat, 1),
    row("ConstantOfShape", Fill, 1),
    layer("Conv", Conv),
    row("Cos", Same, 16),
    row("Cosh", Same, 16),
    row("CumSum", Same, 1),
    row("Div", Stretch, 1),
    row("Dropout", Dropout, 1),
    layer("Einsum", Einsum),
    row("Elu", Same, 16),
    row("Equal", Compare, 1),
    row("Erf", Same, 16),
    row("Exp", Same, 16),
    row("Expand", Expand, 1),
    row("Flatten", Flatten, 1),
    row("Floor", Same, 1),
    layer("GRU", Recurrent),
    row("Gather", Gather, 1),
    row("GatherElements", GatherElements, 2),
    row("Gelu", Same, 16),
    layer("Gemm", Gemm),
    row("GlobalAveragePool", GlobalPool, 1),
    row("GlobalMaxPool", GlobalPool, 1),
    row("Greater", Compare, 1),
    row("GreaterOrEqual", Compare, 1),
    row("GroupNormalization", Normalization, 4),
    row("HardSigmoid", Same, 2),
    row("HardSwish", Same, 2),
    row("Hardmax", Same, 2),
    row("Identity", Same, 1),
    row("InstanceNormalization", Normalization, 4),
    row("IsInf", SameBool, 1),
    row("IsNaN", SameBool, 1),
    layer("LSTM", Recurrent),
    row("LayerNormalization", Normalization, 4),
    row("LeakyRelu", Same, 1),
    row("Less", Compare, 1),
    row("LessOrEqual", Compare, 1),
    row("Log", Same, 16),
    row("LogSoftmax", Same, 20),
    row("LpNormalization", Same, 4),
    layer("MatMul", MatMul),
    row("Max", Stretch, 1),
    row("MaxPool", Pool, 1),
    row("Mean", Stretch, 1),
    row("Min", Stretch, 1),
    row("Mish", Same, 32),
    row("Mod", Stretch, 4),
    row("Mul", Stretch, 1),
    row("Neg", Same, 1),
    row("Not", Same, 1),
    row("OneHot", OneHot, 1),
    row("Or", Compare, 1),
    row("PRelu", Stretch, 1),
    row("Pad", Pad, 1),
    row("Pow", Stretch, 32),
    row("RMSNormalization", Normalization, 4),
    layer("RNN", Recurrent),
    row("Range", Range, 1),
    row("Reciprocal", Same, 1),
    row("ReduceL1", Reduce, 1),
    row("ReduceL2", Reduce, 1),
    row("ReduceLogSum", Reduce, 1),
    row("ReduceLogSumExp", Reduce, 16),
    row("ReduceMax", Reduce, 1),
    row("ReduceMean", Reduce, 1),
    row("ReduceMin", Reduce, 1),
    row("ReduceProd", Reduce, 1),
    row("ReduceSum", Reduce, 1),
    row("ReduceSumSquare", Reduce, 1),
    row("Relu", Same, 1),
    row("Reshape", Reshape, 1),
    row("Round", Same, 1),
    row("Selu", Same, 16),
    row("Shape", Shape, 1),
    row("Sigmoid", Same, 16),
    row("Sign", Same, 1),
    row("Sin", Same, 16),
    row("Sinh", Same, 16),
    row("Size", Size, 1),
    row("Slice", Slice, 1),
    row("Softmax", Same, 20),
    row("Softplus", Same, 32),
    row("Softsign", Same, 2),
    row("Split", Split, 1),
    row("Sqrt", Same, 4),
    row("Squeeze", Squeeze, 1),
    row("Sub", Stretch, 1),
    row("Sum", Stretch, 1),
    row("Swish", Same, 16),
    row("Tan", Same, 16),
    row("Tanh", Same, 16),
    row("ThresholdedRelu", Same, 1),
    row("Tile", Tile, 1),
    row("TopK", TopK, 16),
    row("Transpose", Transpose, 1),
    row("Unsqueeze", Unsqueeze, 1),
    row("Where", Where, 1),
    row("Xor", Compare, 1),
    ml("ArrayFeatureExtractor", ArrayFeatureExtractor, 1, Other),
    ml("Binarizer", Same, 1, Other),
    ml("FeatureVectorizer", FeatureVectorizer, 1, Other),
    ml("Imputer", Same, 1, Other),
    ml("LabelEncoder", LabelEncoder, 16, Other),
    ml("LinearClassifier", LinearClassifier, 20, Linear),
    ml("LinearRegressor", LinearRegressor, 1, Linear),
    ml("Normalizer", SameFloat, 4, Other),
    ml("OneHotEncoder", OneHotEncoder, 1, Other),
    ml("SVMClassifier", SvmClassifier, 1, Linear),
    ml("SVMRegressor", SvmRegressor, 1, Linear),
    ml("Scaler", SameFloat, 2, Other),
    ml("TreeEnsemble", TreeEnsemble, 1, Tree),
    ml("TreeEnsembleClassifier", TreeClassifier, 1, Tree),
    ml("TreeEnsembleRegressor", TreeRegressor, 1, Tree),
];

/// The row of an operator, or why it is not run.
pub(super) fn find(domain: &[u8], name: &[u8]) -> Checked<&'static Operator> {
    let is_ml = match domain {
        b"" | b"ai.onnx" => false,
        b"ai.onnx.ml" => true,
        _ => return Err(wrong_domain(domain, name)),
    };
    let wanted = (is_ml, name);
    let found = OPERATORS.binary_search_by(|row| (row.is_ml, row.name.as_bytes()).cmp(&wanted));
    match found {
        Ok(place) => Ok(&OPERATORS[place]),
        Err(_) => Err(refused(is_ml, name)),
    }
}

fn wrong_domain(domain: &[u8], name: &[u8]) -> Reason {
    Reason::new(
        "operator-domain",
        format!(
            "the operator {} is of the domain '{}'; '' and 'ai.onnx.ml' are run",
            shown(name),
            shown(domain)
        ),
        "export with standard operators: no custom operators, and no onnxruntime optimisation or \
         quantisation of the saved file",
    )
}

fn refused(is_ml: bool, name: &[u8]) -> Reason {
    let domain = if is_ml { "ai.onnx.ml." } else { "" };
    let message = format!("the operator {domain}{} is not run", shown(name));
    let fix = match name {
        b"Loop" | b"Scan" | b"If" => {
            "write the computation without loops or branches on data: torch.where instead of if, a \
             fixed number of layers instead of a loop"
        }
        name if name.starts_with(b"Random") || name == b"Bernoulli" || name == b"Multinomial" => {
            "remove random operators: export after model.eval()"
        }
        b"ZipMap" => "convert with options={'zipmap': False}",
        b"NonZero" | b"Compress" | b"Unique" | b"NonMaxSuppression" => {
            "use operators whose result has a fixed size: torch.where or a multiplication by a mask"
        }
        _ => "use another layer or estimator; inference-runner/README.md lists what is run",
    };
    Reason::new("operator", message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_row_is_found() {
        assert!(OPERATORS.is_sorted_by(|a, b| (a.is_ml, a.name) < (b.is_ml, b.name)));
        for row in &OPERATORS {
            let found = find(row.domain().as_bytes(), row.name.as_bytes()).unwrap();
            assert_eq!(found.title(), row.title());
        }
        assert_eq!(find(b"", b"Loop").unwrap_err().code, "operator");
        assert_eq!(
            find(b"com.microsoft", b"Gelu").unwrap_err().code,
            "operator-domain"
        );
    }
}
