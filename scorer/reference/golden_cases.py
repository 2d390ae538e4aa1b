"""The cases of the golden vectors: one era each, made from fixed seeds.

Beside PCG64 and its normals only operations that IEEE 754 rounds exactly are used (no exp, no pow),
so that machines agree on the inputs to the last bit.
"""

from dataclasses import dataclass, field

import numpy as np

SEED = 20240301
CONTINUOUS = [f"f_continuous_{i:02}" for i in range(12)]
BINS = [f"f_bins_{i:02}" for i in range(18)]
SINGLE_FEATURES = CONTINUOUS[6:] + BINS[:9]
INTEGER_FEATURES = BINS[9:12]
MODELS = ("uniform", "normal", "heavy", "rounded", "five_valued", "correlated", "meta_copy",
          "single", "gappy", "monotone")
# Odd, so that multiplying by it modulo 2^32 keeps ids distinct.
SCATTER = 2654435761


@dataclass
class Case:
    """One era: how many ids its target knows, what is special, and which rows each file lacks."""

    name: str
    rows: int
    targets: str = "five_bins"
    special: str = ""
    # Ids that predictions and half of them the meta model have and the target does not know.
    extra: int = 0
    # The same ids as those of the case with this number; by default its own.
    ids_of: int | None = None
    # Shares of rows that a file lacks.
    lacks: dict[str, float] = field(default_factory=dict)
    # Numbers of rows that are missing in one model only.
    gaps: dict[str, int] = field(default_factory=dict)


CASES = (
    Case("tiny", 20),
    Case("rows_101", 101, special="meta_ties", gaps={"gappy": 9}),
    Case("five_bins", 500, gaps={"gappy": 40}),
    Case("continuous", 300, targets="uniform", special="constant", ids_of=2),
    Case("outside", 300, targets="normal", gaps={"gappy": 17}),
    Case("one_outside", 110, special="one_outside", gaps={"gappy": 12}),
    Case("heavy_target", 300, targets="heavy"),
    Case("large", 5000, gaps={"gappy": 700}),
    Case("extra_ids", 400, extra=60, gaps={"gappy": 30}),
    Case("dropped", 400, lacks={"predictions": 0.08, "meta": 0.07, "features": 0.06},
         gaps={"gappy": 40, "normal": 5, "heavy": 12, "rounded": 9, "single": 14, "monotone": 3}),
    Case("boundary", 100, gaps={"gappy": 20, "rounded": 21}),
    Case("signed_zero", 200, special="signed_zero"),
    Case("negative", 150, special="negative"),
    Case("rank_deficient", 250, special="rank_deficient", gaps={"gappy": 25}),
    Case("scales", 250, special="scales"),
)


@dataclass
class Era:
    """What a case says of every id: arrays of one length, and which rows each file holds."""

    ids: list[str]
    predictions: dict[str, np.ndarray]
    targets: np.ndarray
    meta: np.ndarray
    features: dict[str, np.ndarray]
    held: dict[str, np.ndarray]


def make(number):
    """The era of the case with this number; no other case changes it."""
    case = CASES[number]
    rng = np.random.Generator(np.random.PCG64([SEED, number]))
    count = case.rows + case.extra
    latent = rng.standard_normal(count)
    targets = make_targets(case, rng, latent)
    meta = 0.5 + 0.5 * softsign(0.1 * latent + 0.5 * rng.standard_normal(count))
    if case.special == "meta_ties":
        meta = np.round(meta, 2)
    predictions = make_predictions(case, rng, latent, meta)
    features = make_features(case, rng, latent)
    held = make_held(case, rng)
    open_gaps(case, rng, predictions, targets)
    return Era(make_ids(number, count), predictions, targets, meta, features, held)


def make_ids(number, count):
    """Scattered, so that the order of the rows is not the order of the ids."""
    owner = CASES[number].ids_of
    first = 10_000 * (number if owner is None else owner)
    return [f"n{(first + i) * SCATTER % 2**32:08x}" for i in range(count)]


def make_targets(case, rng, latent):
    """The target of every id; those unknown to the target are cut off by `held`."""
    noise = rng.standard_normal(len(latent))
    if case.targets == "five_bins":
        return np.searchsorted([-1.64, -0.67, 0.67, 1.64], latent) / 4
    if case.targets == "uniform":
        return 0.5 + 0.5 * softsign(latent)
    if case.targets == "normal":
        return latent + 0.1 * noise
    assert case.targets == "heavy"
    return latent * (1 + noise * noise)


def make_predictions(case, rng, latent, meta):
    """float64 arrays by model, `single` float32; without gaps yet."""
    count = len(latent)
    uniform = rng.random(count)
    normal = 0.05 * latent + rng.standard_normal(count)
    heavy = rng.standard_cauchy(count)
    heavy[rng.integers(count)] = 1e300
    rounded = np.round(0.3 * rng.standard_normal(count), 2)
    five_valued = rng.integers(0, 5, count) / 4
    correlated = 0.5 + 0.5 * softsign(0.3 * latent + rng.standard_normal(count))
    single = rng.random(count, dtype=np.float32)
    gappy = 0.1 * latent + rng.standard_normal(count)
    made = dict(uniform=uniform, normal=normal, heavy=heavy, rounded=rounded,
                five_valued=five_valued, correlated=correlated, single=single, gappy=gappy)
    if case.special == "constant":
        made["five_valued"] = np.full(count, 0.25)
    elif case.special == "negative":
        made = {name: -np.abs(values) - values.dtype.type(0.5) for name, values in made.items()}
    elif case.special == "signed_zero":
        for name in ("normal", "rounded", "five_valued", "single"):
            zeros = rng.random(count) < 0.4
            signs = np.where(rng.random(count) < 0.5, -1.0, 1.0)
            made[name] = np.where(zeros, 0.0 * signs, made[name]).astype(made[name].dtype)
    made["meta_copy"] = meta.copy()
    # The same ranks as `normal`, other values.
    made["monotone"] = made["normal"] + made["normal"] * made["normal"] * made["normal"]
    return {name: made[name] for name in MODELS}


def make_features(case, rng, latent):
    """Arrays by feature, of the types that the file has."""
    count = len(latent)
    features = {}
    for i, name in enumerate(CONTINUOUS):
        features[name] = 0.5 + 0.2 * rng.standard_normal(count) + 0.02 * (i % 4) * latent
    for name in BINS:
        features[name] = rng.integers(0, 5, count) / 4
    if case.special == "rank_deficient":
        first = features[CONTINUOUS[0]]
        features[CONTINUOUS[1]] = first.copy()
        features[CONTINUOUS[2]] = np.full(count, 0.5)
        # Its singular value is far below 1e-6 of the largest and far above rounding.
        features[CONTINUOUS[3]] = first + 1e-9 * rng.standard_normal(count)
        features[BINS[1]] = features[BINS[0]].copy()
    elif case.special == "scales":
        # All other singular values fall below 1e-6 of this one's.
        features[CONTINUOUS[4]] = 1e10 * features[CONTINUOUS[4]]
    for name in SINGLE_FEATURES:
        features[name] = features[name].astype(np.float32)
    for name in INTEGER_FEATURES:
        features[name] = (4 * features[name]).astype(np.int32)
    return features


def make_held(case, rng):
    """Which rows each file holds: {file: bool array}."""
    count = case.rows + case.extra
    number = np.arange(count)
    known = number < case.rows
    held = {"targets": known, "features": known.copy(), "predictions": np.full(count, True),
            "meta": number < case.rows + case.extra // 2}
    for name, share in case.lacks.items():
        absent = rng.choice(case.rows, round(share * case.rows), replace=False)
        held[name][absent] = False
    return held


def open_gaps(case, rng, predictions, targets):
    """Makes rows of one model missing; changes `predictions` and, for `one_outside`, `targets`."""
    for name, missing in case.gaps.items():
        rows = rng.choice(case.rows, missing, replace=False)
        predictions[name][rows] = np.nan
        if case.special == "one_outside":
            # The reference guesses the scale from the rows that are left: without this one, 4.
            targets[rows[0]] = 1.25


def softsign(x):
    """Strictly rising into (-1, 1), exact to the last bit everywhere."""
    return x / (1 + np.abs(x))
