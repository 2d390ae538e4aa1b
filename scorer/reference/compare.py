"""Times the reference, numerai-tools, on the arrays of our own benchmark and compares the results.

    python compare.py FOLDER

FOLDER holds little-endian float64 files: `predictions.f64` (model after model), `features.f64`
(feature after feature), `targets.f64` and `meta.f64` (one number a row), `corr.f64`, `mmc.f64` and
`fnc.f64` (our score of each model), and `shape.json` {"models", "rows", "features"}. Prints JSON.

What is timed is the reference's own call. The frames are made before, with columns that lie
together in memory as they do after Parquet has been read, and with text ids as index, as the
field's data and submissions have; they are sorted already, which spares the reference some work.
The figures are medians of up to three runs after a warm-up on a few models; a metric is not run
again once it took 12 s.
"""

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numerai_tools import scoring
from threadpoolctl import threadpool_info

RUNS = 3
ENOUGH_S = 12.0
WARM_UP_MODELS = 8
PACKAGES = ("numerai-tools", "numpy", "pandas", "scipy")
BLAS_FACTS = ("internal_api", "version", "architecture", "threading_layer", "num_threads")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    folder = arguments.parse_args().folder
    shape = json.loads((folder / "shape.json").read_text(encoding="utf-8"))
    models, rows, count = shape["models"], shape["rows"], shape["features"]
    ids = pd.Index([f"n{row:012x}" for row in range(rows)], name="id")
    predictions = frame(folder / "predictions.f64", "model", models, ids)
    features = frame(folder / "features.f64", "feature", count, ids)
    targets = pd.Series(numbers(folder / "targets.f64", rows), index=ids, name="target")
    meta = pd.Series(numbers(folder / "meta.f64", rows), index=ids, name="meta")
    calls = {
        "corr": lambda columns: scoring.numerai_corr(columns, targets),
        "mmc": lambda columns: scoring.correlation_contribution(columns, meta, targets),
        "fnc": lambda columns: scoring.feature_neutral_corr(columns, features, targets),
    }
    report = {}
    for metric, call in calls.items():
        ours = numbers(folder / f"{metric}.f64", models)
        report[metric] = measured(call, predictions, ours)
    report["blas"] = [
        {fact: pool.get(fact) for fact in BLAS_FACTS}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]
    report["versions"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    report["versions"]["python"] = platform.python_version()
    print(json.dumps(report, allow_nan=False))


def numbers(path, count):
    """The float64 array of a file that must have exactly so many."""
    read = np.fromfile(path, dtype="<f8").astype(np.float64, copy=False)
    if len(read) != count:
        raise SystemExit(f"{path.name} has {len(read)} numbers, not {count}")
    if not np.isfinite(read).all():
        raise SystemExit(f"{path.name} has a number that is not finite")
    return read


def frame(path, name, columns, ids):
    """A frame over the file's memory: column after column, as pandas keeps one type together."""
    values = numbers(path, columns * len(ids)).reshape(columns, len(ids)).T
    names = [f"{name}_{i}" for i in range(columns)]
    return pd.DataFrame(values, index=ids, columns=names, copy=False)


def measured(call, predictions, ours):
    """Times of one metric, and the largest difference of its scores from ours."""
    call(predictions.iloc[:, :WARM_UP_MODELS])
    cpu, wall = [], []
    while len(wall) < RUNS and sum(wall) < ENOUGH_S:
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        scores = call(predictions)
        cpu.append(time.process_time() - cpu_start)
        wall.append(time.perf_counter() - wall_start)
    return {
        "cpu_s": statistics.median(cpu),
        "wall_s": statistics.median(wall),
        "runs": len(wall),
        "max_difference": float(np.abs(scores.to_numpy() - ours).max()),
    }


if __name__ == "__main__":
    main()
