"""Writes models of scikit-learn, LightGBM, XGBoost and CatBoost as their converters write them.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install -r requirements-classical.txt
    /tmp/v/bin/python make_classical.py

Nothing is cleaned up afterwards: the converters' habits (old operator sets and IR versions, doubled
operator set imports, ZipMap, labels beside the probabilities) are what the tests are about.
"""

import tempfile
import warnings
from pathlib import Path

import onnx
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier, LGBMRegressor
from onnxmltools.convert import convert_lightgbm, convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as MltoolsTensor
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier, XGBRegressor

from known import COLUMNS, rows_asked, rows_trained, write_expected, write_model

ASKED = rows_asked()
X, Y = rows_trained()


def sklearn_models():
    return {
        "logistic": LogisticRegression(max_iter=500),
        "forest": RandomForestClassifier(n_estimators=20, max_depth=5, random_state=1),
        "gradient_boosting": GradientBoostingClassifier(n_estimators=30, random_state=1),
        "hist_gradient_boosting": HistGradientBoostingClassifier(
            max_iter=30, max_leaf_nodes=15, random_state=1
        ),
        "mlp": MLPClassifier(hidden_layer_sizes=(16, 8), max_iter=60, random_state=1),
        "svc": make_pipeline(StandardScaler(), SVC(probability=True, C=0.3, random_state=1)),
        "pipeline": make_pipeline(
            StandardScaler(), PCA(n_components=12, random_state=1), LogisticRegression()
        ),
    }


def convert_sklearn(fitted, opset, zipmap=None, kind=FloatTensorType):
    """`zipmap=None` leaves the converter's default, a ZipMap at the end."""
    options = None if zipmap is None else {id(fitted): {"zipmap": zipmap}}
    return to_onnx(
        fitted,
        initial_types=[("X", kind([None, COLUMNS]))],
        target_opset=opset,
        options=options,
    ).SerializeToString()


def from_sklearn(answers):
    for name, model in sklearn_models().items():
        # A kernel keeps its support vectors: fewer rows keep the file small.
        rows = 500 if name == "svc" else len(X)
        fitted = model.fit(X[:rows], Y[:rows])
        opset = {"": 21, "ai.onnx.ml": 3} if name != "pipeline" else {"": 12, "ai.onnx.ml": 1}
        plain = convert_sklearn(fitted, opset, zipmap=False)
        write_model(f"sklearn_{name}", plain)
        answers[f"sklearn_{name}"] = fitted.predict_proba(ASKED)[:, 1]
        if name in ("logistic", "forest", "pipeline"):
            write_model(f"sklearn_{name}_zipmap", convert_sklearn(fitted, opset))
            answers[f"sklearn_{name}_zipmap"] = answers[f"sklearn_{name}"]
        if name == "logistic":
            wrong_sklearn(fitted, opset)
    # A regression on 0 and 1 answers [N,1]; the mean of leaves stays within 0 to 1.
    forest = RandomForestRegressor(n_estimators=15, max_depth=5, random_state=1).fit(X, Y)
    write_model("sklearn_forest_regressor", convert_sklearn(forest, {"": 18, "ai.onnx.ml": 3}))
    answers["sklearn_forest_regressor"] = forest.predict(ASKED)


def wrong_sklearn(fitted, opset):
    """What people export by mistake."""
    double = convert_sklearn(fitted, opset, zipmap=False, kind=DoubleTensorType)
    write_model("wrong_float64_input", double)
    label = onnx.load_from_string(convert_sklearn(fitted, opset, zipmap=False))
    kept = [output for output in label.graph.output if output.name != "probabilities"]
    del label.graph.output[:]
    label.graph.output.extend(kept)
    write_model("wrong_label_only", label.SerializeToString())
    regression = LinearRegression().fit(X, Y)
    write_model("wrong_regression", convert_sklearn(regression, opset))


def from_lightgbm(answers):
    fitted = LGBMClassifier(n_estimators=40, num_leaves=12, random_state=1, n_jobs=1, verbose=-1)
    fitted.fit(X, Y)
    given = [("input", MltoolsTensor([None, COLUMNS]))]
    for name, options in {
        "lightgbm": {"zipmap": False},
        "lightgbm_zipmap": {},
        "lightgbm_opset8": {"zipmap": False, "target_opset": 8},
    }.items():
        model = convert_lightgbm(fitted, initial_types=given, **options)
        write_model(name, model.SerializeToString())
        answers[name] = fitted.predict_proba(ASKED)[:, 1]
    # Few small steps from the mean of 0 and 1, so that no answer leaves that range.
    regression = LGBMRegressor(
        n_estimators=12, learning_rate=0.05, num_leaves=8, random_state=1, n_jobs=1, verbose=-1
    ).fit(X, Y)
    model = convert_lightgbm(regression, initial_types=given)
    write_model("lightgbm_regressor", model.SerializeToString())
    answers["lightgbm_regressor"] = regression.predict(ASKED)


def from_xgboost(answers):
    fitted = XGBClassifier(n_estimators=40, max_depth=4, random_state=1, n_jobs=1)
    fitted.fit(X, Y)
    given = [("input", MltoolsTensor([None, COLUMNS]))]
    for name, options in {"xgboost": {}, "xgboost_opset9": {"target_opset": 9}}.items():
        model = convert_xgboost(fitted, initial_types=given, **options)
        write_model(name, model.SerializeToString())
        answers[name] = fitted.predict_proba(ASKED)[:, 1]
    regression = XGBRegressor(
        objective="reg:logistic", n_estimators=20, max_depth=3, random_state=1, n_jobs=1
    ).fit(X, Y)
    # The converter leaves the logistic function of this objective out: the file answers logits.
    model = convert_xgboost(regression, initial_types=given)
    write_model("wrong_xgboost_logits", model.SerializeToString())


def from_catboost(answers):
    fitted = CatBoostClassifier(
        iterations=40, depth=4, random_seed=1, thread_count=1, verbose=False,
        allow_writing_files=False,
    )
    fitted.fit(X, Y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        fitted.save_model(str(path), format="onnx")
        content = path.read_bytes()
    # CatBoost itself can only write a ZipMap.
    write_model("catboost_zipmap", content)
    answers["catboost_zipmap"] = fitted.predict_proba(ASKED)[:, 1]
    # What CatBoost's users do about it: name the tensor before the ZipMap as the output.
    model = onnx.load_from_string(content)
    (pairs,) = [node for node in model.graph.node if node.op_type == "ZipMap"]
    model.graph.node.remove(pairs)
    del model.graph.output[:]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(pairs.input[0], onnx.TensorProto.FLOAT, ["N", 2])
    )
    write_model("catboost", model.SerializeToString())
    answers["catboost"] = answers["catboost_zipmap"]


def main():
    answers = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from_sklearn(answers)
        from_lightgbm(answers)
        from_xgboost(answers)
        from_catboost(answers)
    write_expected(answers)


main()
