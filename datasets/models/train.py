"""Trains the reference models on the train part and writes them as ONNX files.

    python train.py DATASETS [--out FOLDER]

DATASETS is a folder made by `export_datasets` (see README.md). Only the train part of both assets
is learned from; `validation.parquet` is read to print and record scores. How hard each model is
shrunk was set by the spread of its probabilities on the train part. The replay part is in neither
file. Seeds and thread counts are fixed.
"""

import argparse
import hashlib
import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars
from lightgbm import LGBMClassifier
from onnxmltools.convert.common.data_types import FloatTensorType as LightgbmTensor
from onnxmltools.convert.lightgbm.convert import convert as convert_lightgbm
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

ASSETS = ("btc", "eth")
SEED = 20240301
OPSET = {"": 15, "ai.onnx.ml": 3}
IR_VERSION = 8
SIZE_LIMIT = 2_000_000
COMMAND = "python datasets/models/train.py DATASETS"

DESCRIPTIONS = {
    "lightgbm": "Gradient-boosted trees (LightGBM), shallow and strongly regularised.",
    "logistic": "Standardised features into a logistic regression.",
    "forest": "Random forest of shallow trees.",
    "mlp": "Standardised features into a small neural net with one hidden layer.",
}


def read_part(datasets, features, part):
    """Rows of one part by asset: {asset: (x float32 [n, F], y int64 [n])}."""
    rows = {}
    for asset in ASSETS:
        # The train part is one file a month, in one folder.
        folder = datasets / asset / part
        source = folder / "*.parquet" if folder.is_dir() else folder.with_suffix(".parquet")
        frame = polars.read_parquet(source).sort("t_us")
        x = frame.select(features).to_numpy().astype(np.float32)
        y = frame["target"].to_numpy().astype(np.int64)
        assert np.isfinite(x).all() and set(np.unique(y)) <= {0, 1}
        rows[asset] = (x, y)
    return rows


def pooled(rows):
    """Both assets below each other: features are relative, so one model serves both."""
    return (
        np.concatenate([rows[asset][0] for asset in ASSETS]),
        np.concatenate([rows[asset][1] for asset in ASSETS]),
    )


def estimators():
    """Unfitted models, all shrunk hard: five-minute direction is nearly noise."""
    return {
        "lightgbm": LGBMClassifier(
            n_estimators=60,
            learning_rate=0.02,
            num_leaves=8,
            min_child_samples=300,
            reg_lambda=50.0,
            subsample=0.5,
            subsample_freq=1,
            colsample_bytree=0.3,
            random_state=SEED,
            deterministic=True,
            force_row_wise=True,
            n_jobs=1,
            verbose=-1,
        ),
        "logistic": make_pipeline(
            StandardScaler(),
            LogisticRegression(C=3e-4, max_iter=2000),
        ),
        "forest": RandomForestClassifier(
            n_estimators=120,
            max_depth=4,
            min_samples_leaf=400,
            max_features=0.1,
            random_state=SEED,
            n_jobs=1,
        ),
        "mlp": make_pipeline(
            StandardScaler(),
            MLPClassifier(
                hidden_layer_sizes=(8,),
                activation="tanh",
                alpha=30.0,
                batch_size=256,
                learning_rate_init=1e-3,
                max_iter=40,
                random_state=SEED,
            ),
        ),
    }


def to_model(name, fitted, feature_count):
    """ONNX with input `features` [N, F] float32 and one output `probabilities` [N, 2] float32."""
    if name == "lightgbm":
        model = convert_lightgbm(
            fitted,
            initial_types=[("features", LightgbmTensor([None, feature_count]))],
            target_opset=OPSET[""],
            zipmap=False,
        )
    else:
        model = to_onnx(
            fitted,
            initial_types=[("features", FloatTensorType([None, feature_count]))],
            target_opset=OPSET,
            options={id(fitted): {"zipmap": False}},
        )
    return probabilities_only(model, name)


def probabilities_only(model, name):
    """Drops the label, what only it needs, and the converters' duplicate opset imports."""
    graph = model.graph
    (answer,) = [output for output in graph.output if output.name == "probabilities"]
    needed, nodes = {answer.name}, []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            nodes.insert(0, node)
            needed.update(node.input)
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    clean = onnx.helper.make_graph(nodes, name, list(graph.input), [answer], tensors)
    versions = {opset.domain: opset.version for opset in model.opset_import}
    opsets = [onnx.helper.make_opsetid(*item) for item in sorted(versions.items())]
    clean = onnx.helper.make_model(
        clean, opset_imports=opsets, ir_version=IR_VERSION, producer_name="foretoken-train"
    )
    onnx.checker.check_model(clean)
    return clean


def probabilities_up(path, x):
    """Runs the file as a runner does, one thread: float64 [n] probability of up."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.type == "tensor(float)" and len(given.shape) == 2, given
    (answer,) = session.run(["probabilities"], {given.name: x})
    assert answer.shape == (len(x), 2) and np.isfinite(answer).all()
    assert np.abs(answer.sum(axis=1) - 1.0).max() < 1e-5
    return answer[:, 1].astype(np.float64)


def scores(p, y):
    """Accuracy, and Brier skill against one half in units of 1e-4."""
    brier_skill = float(np.mean(0.25 - (p - y) ** 2) * 1e4)
    return {"accuracy": round(float(np.mean((p > 0.5) == (y == 1))), 4),
            "brier_skill_1e4": round(brier_skill, 2)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("datasets", type=Path)
    arguments.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    schema = json.loads((given.datasets / "features.json").read_text())
    manifest = json.loads((given.datasets / "manifest.json").read_text())
    features = [feature["name"] for feature in schema["features"]]
    train, validation = (read_part(given.datasets, features, p) for p in ("train", "validation"))

    entries = []
    for name, estimator in estimators().items():
        # More threads would add in another order and change the last bits.
        with threadpool_limits(1), warnings.catch_warnings():
            # The neural net stops early on purpose: more rounds only learn noise.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = estimator.fit(*pooled(train))
        path = given.out / f"{name}.onnx"
        content = to_model(name, fitted, len(features)).SerializeToString(deterministic=True)
        path.write_bytes(content)
        entries.append(describe(name, path, train, validation))
    assert sum(entry["bytes"] for entry in entries) < SIZE_LIMIT
    index = {
        "feature_schema_version": schema["schema_version"],
        "dataset_content_sha256": manifest["content_sha256"],
        "command": COMMAND,
        "models": entries,
    }
    (given.out / "models.json").write_text(json.dumps(index, indent=2) + "\n")


def describe(name, path, train, validation):
    """The entry of models.json, measured on the written file; prints a line."""
    content = path.read_bytes()
    p_train, p_validation = (probabilities_up(path, pooled(rows)[0]) for rows in (train, validation))
    entry = {
        "name": name,
        "file": path.name,
        "description": DESCRIPTIONS[name],
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "train": scores(p_train, pooled(train)[1]),
        "validation": scores(p_validation, pooled(validation)[1]),
        "validation_by_asset": {
            asset: scores(probabilities_up(path, x), y) for asset, (x, y) in validation.items()
        },
        "probability_quantiles": {
            str(q): round(float(np.quantile(p_validation, q)), 4) for q in (0, 0.05, 0.5, 0.95, 1)
        },
    }
    print(name, len(content), "bytes train", entry["train"], "validation", entry["validation"],
          "p", list(entry["probability_quantiles"].values()))
    return entry


if __name__ == "__main__":
    main()
