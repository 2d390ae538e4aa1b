"""Makes the golden vectors of scorer/tests/golden with the reference, numerai-tools.

    python golden.py [--out FOLDER]

The cases come from golden_cases.py. The expected numbers are computed from the files as written.
The reference drops a row for all models when one of them lacks it, so every model is given to it
alone.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
from numerai_tools import scoring
from scipy import stats
from threadpoolctl import threadpool_limits

from golden_cases import BINS, CASES, CONTINUOUS, MODELS, SEED, make

OUT = Path(__file__).parent.parent / "tests" / "golden"
SMALL_ERA = "rows_101"
FEATURES = CONTINUOUS + BINS
SIZE_LIMIT = 2_000_000
GRIDS = (1, 2, 3, 20, 5_000, 1_000_000)
TAILS = (5e-324, 1e-300, 1e-100, 1e-50, 1e-20, 1e-16, 1e-12, 1e-9, 1e-8, 1e-4, 0.001, 0.02425,
         0.075, 0.135, 0.1353352832366127, 0.425, 0.5, 0.575, 0.8646647167633873, 0.925, 0.97575,
         0.999, 0.9999, 1 - 1e-8, 1 - 1e-9, 1 - 1e-12, 1 - 2.0**-52, 1 - 2.0**-53)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=OUT)
    out = arguments.parse_args().out
    (out / "small").mkdir(parents=True, exist_ok=True)
    write_inputs(out, [make(number) for number in range(len(CASES))])
    # More threads would add in another order and change the last bits.
    with threadpool_limits(1):
        expected = score_all(out)
    write_json(out / "expected.json", expected)
    write_json(out / "normal_quantile.json", normal_quantiles())
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert total < SIZE_LIMIT, total
    print(f"{len(CASES)} eras, {len(MODELS)} models, {total} bytes in {out}")


def write_inputs(out, eras):
    """The four Parquet files, and two of them as CSV for one small era."""
    # The eras of one file lie in each other's rows; the others keep them together.
    order = np.random.Generator(np.random.PCG64([SEED, len(CASES)]))
    predictions = table(eras, "predictions", lambda era: era.predictions)
    shuffled = predictions.take(order.permutation(predictions.num_rows))
    targets = table(eras, "targets", lambda era: {"target": era.targets})
    meta = table(eras, "meta", lambda era: {"meta": era.meta})
    meta = meta.take(np.arange(meta.num_rows)[::-1])
    features = table(eras, "features", lambda era: era.features)
    write = pyarrow.parquet.write_table
    write(shuffled, out / "predictions.parquet", compression="zstd")
    write(targets, out / "targets.parquet", compression="zstd")
    # As a user of pandas writes them, with its defaults.
    meta.to_pandas().to_parquet(out / "meta.parquet", index=False)
    features.to_pandas().to_parquet(out / "features.parquet", index=False)
    for name, frame in (("predictions", predictions), ("targets", targets)):
        frame = frame.to_pandas()
        frame = frame[frame["era"] == SMALL_ERA]
        frame.to_csv(out / "small" / f"{name}.csv", index=False, lineterminator="\n")


def table(eras, file, columns_of):
    """An Arrow table of what the file holds of all eras: id, era and the columns."""
    parts = []
    for number, (case, era) in enumerate(zip(CASES, eras)):
        held = era.held[file]
        columns = {
            "id": pa.array(np.array(era.ids)[held], pa.string()),
            "era": pa.array([case.name] * int(held.sum()), pa.string()),
        }
        for name, values in columns_of(era).items():
            values = values[held]
            # A missing row is a null in even eras and a NaN in odd ones.
            nulls = np.isnan(values) if number % 2 == 0 else np.full(len(values), False)
            columns[name] = pa.array(values, mask=nulls)
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def score_all(out):
    """{model: {metric: {era: number or None}, "reasons": {metric: {era: why None}}}}."""
    read = {name: pd.read_parquet(out / f"{name}.parquet").set_index("id")
            for name in ("predictions", "targets", "meta", "features")}
    expected = {}
    for model in MODELS:
        scores = {"corr": {}, "mmc": {}, "fnc": {}, "reasons": {"corr": {}, "mmc": {}, "fnc": {}}}
        for case in CASES:
            era = {name: frame[frame["era"] == case.name] for name, frame in read.items()}
            column = era["predictions"][model].dropna()
            for metric, score in (("corr", corr), ("mmc", mmc), ("fnc", fnc)):
                value, reason = checked(score, column, era)
                scores[metric][case.name] = value
                if reason:
                    scores["reasons"][metric][case.name] = reason
        expected[model] = scores
    return expected


def checked(score, column, era):
    """(number, None), or (None, reason) where our rules or the reference refuse."""
    if column.nunique() == 1:
        # The reference has NaN for CORR, 0 for MMC and an assertion for FNC.
        return None, "constant"
    if score is fnc and len(era["targets"]) <= len(FEATURES) + 1:
        # Nothing but rounding is left of a prediction that its features explain entirely.
        return None, "rows"
    try:
        (value,) = score(column, era)
    except AssertionError as refusal:
        assert "overlapping ids" in str(refusal), refusal
        return None, "coverage"
    assert np.isfinite(value), (column.name, score.__name__)
    return float(value), None


def corr(column, era):
    return scoring.numerai_corr(column.to_frame(), era["targets"]["target"])


def mmc(column, era):
    return scoring.correlation_contribution(
        column.to_frame(), era["meta"]["meta"], era["targets"]["target"]
    )


def fnc(column, era):
    """The reference wants predictions and features with equal, sorted indices."""
    ids = column.index.intersection(era["features"].index).sort_values()
    return scoring.feature_neutral_corr(
        column.loc[ids].to_frame(), era["features"].loc[ids, FEATURES], era["targets"]["target"]
    )


def normal_quantiles():
    """[p, Φ⁻¹(p)] over the ranks of n rows for several n (ends and a spread), and tails."""
    probabilities = list(TAILS)
    for n in GRIDS:
        ends = [*range(min(n, 20)), *range(max(0, n - 20), n)]
        spread = np.linspace(0, n - 1, 140 if n > 20 else 1).round().astype(int).tolist()
        probabilities += [(i + 0.5) / n for i in sorted({*ends, *spread})]
    return [[p, float(stats.norm.ppf(p))] for p in sorted(set(probabilities))]


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
