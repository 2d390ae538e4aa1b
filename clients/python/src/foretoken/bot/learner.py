"""The bot's model: a logistic regression, shrunk as hard as the validation part asks for.

Five-minute direction is nearly noise, so most of the work is not to believe too much: when no weight
helps on rows that were not learned from, all weights are zero and p is the base rate.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Sequence, Tuple

import numpy as np
import polars

from ..datasets import Dataset
from ..errors import ForetokenError
from .folder import write

Array = Any

#: How hard weights are held to zero, per row; the last holds them there.
PENALTIES = (0.003, 0.03, 0.3, 1.0, 3.0, 10.0, float("inf"))
STEPS = 30
CLIP = 5.0


@dataclass(frozen=True)
class Logistic:
    """Weights for standardised features by name. `skill` is the Brier score less that of one half,
    over the validation part, of the model that was fitted without it."""

    version: str
    names: Tuple[str, ...]
    mean: Array
    scale: Array
    weights: Array
    bias: float
    skill: float

    def probability(self, names: Sequence[str], values: Sequence[float]) -> float:
        """The probability that the price rises, of one row."""
        row = dict(zip(names, values))
        missing = [name for name in self.names if name not in row]
        if missing:
            raise ForetokenError(f"the row has no feature {missing[0]!r}: the model is of other data")
        x = np.array([row[name] for name in self.names], dtype=np.float64)
        return float(_sigmoid(_standard(x, self.mean, self.scale) @ self.weights + self.bias))

    def save(self, path: Path) -> None:
        """Writes it, whole or not at all."""
        content = io.BytesIO()
        np.savez(
            content,
            version=self.version,
            names=np.array(self.names),
            mean=self.mean,
            scale=self.scale,
            weights=self.weights,
            bias=self.bias,
            skill=self.skill,
        )
        write(path, content.getvalue())


def load(path: Path) -> Logistic:
    """Reads what `save` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        return Logistic(
            version=str(kept["version"]),
            names=tuple(str(name) for name in kept["names"]),
            mean=kept["mean"],
            scale=kept["scale"],
            weights=kept["weights"],
            bias=float(kept["bias"]),
            skill=float(kept["skill"]),
        )


def train(dataset: Dataset) -> Logistic:
    """Learns from the train part of every asset, features being relative; how hard to shrink is
    chosen by the validation part, which is then learned from too."""
    names = feature_names(dataset.manifest)
    assets = sorted({row["asset"] for row in _row_entries(dataset.manifest)})
    x, y = _rows([file for name in assets for file in dataset.files(name, "train")], names)
    x_later, y_later = _rows([f for name in assets for f in dataset.files(name, "validation")], names)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9

    def loss(penalty: float) -> float:
        weights, bias = fit(_standard(x, mean, scale), y, penalty)
        p = _sigmoid(_standard(x_later, mean, scale) @ weights + bias)
        return float(np.mean((p - y_later) ** 2))

    losses = {penalty: loss(penalty) for penalty in PENALTIES}
    best = min(PENALTIES, key=lambda penalty: losses[penalty])
    x, y = np.concatenate([x, x_later]), np.concatenate([y, y_later])
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-9
    weights, bias = fit(_standard(x, mean, scale), y, best)
    skill = 0.25 - losses[best]
    return Logistic(dataset.version, tuple(names), mean, scale, weights, bias, skill)


def fit(x: Array, y: Array, penalty: float) -> Tuple[Array, float]:
    """Weights and bias of least loss, by Newton's steps; the bias is not held to zero."""
    rate = float(np.clip(y.mean(), 0.01, 0.99))
    if penalty == float("inf"):
        return np.zeros(x.shape[1]), float(np.log(rate / (1 - rate)))
    wide = np.column_stack([x, np.ones(len(x))])
    held = np.full(wide.shape[1], penalty)
    held[-1] = 0.0
    weights = np.zeros(wide.shape[1])
    for _ in range(STEPS):
        p = _sigmoid(wide @ weights)
        slope = wide.T @ (p - y) / len(y) + held * weights
        curve = (wide.T * (p * (1 - p))) @ wide / len(y) + np.diag(held + 1e-9)
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights[:-1], float(weights[-1])


def feature_names(manifest: Mapping[str, Any]) -> List[str]:
    """The names of the features, in their order."""
    return [column["name"] for column in manifest["columns"] if column["type"] == "float32"]


def _row_entries(manifest: Mapping[str, Any]) -> List[Mapping[str, Any]]:
    return [entry["rows"] for entry in manifest["files"] if entry.get("rows")]


def _rows(files: Sequence[Path], names: Sequence[str]) -> Tuple[Array, Array]:
    if not files:
        raise ForetokenError("the dataset has no rows")
    frame = polars.concat([polars.read_parquet(file, columns=[*names, "target"]) for file in files])
    x = frame.select(names).to_numpy().astype(np.float64)
    return x, frame["target"].to_numpy().astype(np.float64)


def _standard(x: Array, mean: Array, scale: Array) -> Array:
    return np.clip((x - mean) / scale, -CLIP, CLIP)


def _sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))
