"""Rows to train on and to ask about, and the file of expected answers, shared by the two scripts.

The rows asked about are the first of `inference_runner::check::known_rows(256, 70)`: splitmix64 with
seed 1, uniform in -3 to 3. The rows trained on are other ones of the same kind.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
COLUMNS = 70
ROWS_ASKED = 24
ROWS_TRAINED = 3_000


def splitmix(state):
    mask = (1 << 64) - 1
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def rows_asked():
    state, values = 1, []
    for _ in range(ROWS_ASKED * COLUMNS):
        state = (state + 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
        values.append((splitmix(state) >> 40) / 2**24 * 6 - 3)
    return np.array(values, np.float32).reshape(ROWS_ASKED, COLUMNS)


def rows_trained():
    """Features float32 and labels 0/1 that follow some of them, with noise."""
    noise = np.random.default_rng(7)
    x = noise.uniform(-3, 3, (ROWS_TRAINED, COLUMNS)).astype(np.float32)
    signal = x[:, :8] @ np.linspace(-0.5, 0.6, 8) + 0.4 * x[:, 3] * x[:, 5]
    y = (signal + noise.normal(0, 1.5, ROWS_TRAINED) > 0).astype(np.int64)
    return x, y


def write_model(name, content):
    assert len(content) < 200_000, (name, len(content))
    (HERE / f"{name}.onnx").write_bytes(content)


def write_expected(answers):
    """Adds what a library itself answers for "up" on the rows asked about; one model a line."""
    path = HERE / "expected.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, p in answers.items():
        known[name] = [float(value) for value in np.asarray(p).reshape(ROWS_ASKED)]
    lines = [f"{json.dumps(name)}: {json.dumps(p)}" for name, p in sorted(known.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
