"""Writes the small models beside this file, and what Python's ONNX Runtime answers for some.

    python -m venv /tmp/v && /tmp/v/bin/pip install onnx==1.22.0 onnxruntime==1.31.1 numpy==2.4.6
    /tmp/v/bin/python make_models.py

Rows are the known rows of `inference_runner::check::known_rows` (splitmix64, seed 1), 8 columns.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

HERE = Path(__file__).parent
COLUMNS = 8
ROWS = 256
OPSETS = [h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 3)]


def splitmix(state):
    mask = (1 << 64) - 1
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def known_rows(rows, columns):
    state, values = 1, []
    for _ in range(rows * columns):
        state = (state + 0x9E3779B97F4A7C15) & ((1 << 64) - 1)
        values.append((splitmix(state) >> 40) / 2**24 * 6 - 3)
    return np.array(values, np.float32).reshape(rows, columns)


def constant(name, values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, kind), name)


WEIGHTS = [constant("W", np.linspace(-0.4, 0.5, COLUMNS).reshape(COLUMNS, 1)), constant("B", [0.1])]
HIDDEN = [
    constant("W1", np.sin(np.arange(COLUMNS * 16)).reshape(COLUMNS, 16) * 0.5),
    constant("B1", np.cos(np.arange(16)) * 0.1),
    constant("W2", np.sin(np.arange(32) * 1.7).reshape(16, 2)),
    constant("B2", [0.05, -0.05]),
]
LINEAR = [h.make_node("Gemm", ["X", "W", "B"], ["z"]), h.make_node("Sigmoid", ["z"], ["p"])]
DENSE = [
    h.make_node("Gemm", ["X", "W1", "B1"], ["a"]),
    h.make_node("Tanh", ["a"], ["t"]),
    h.make_node("Gemm", ["t", "W2", "B2"], ["l"]),
    h.make_node("Softmax", ["l"], ["probabilities"], axis=1),
]


def features(rows="N", columns=COLUMNS, kind=T.FLOAT):
    return h.make_tensor_value_info("X", kind, [rows, columns])


def out(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def write(name, nodes, inputs, outputs, initializers=()):
    graph = h.make_graph(nodes, name, inputs, outputs, list(initializers))
    model = h.make_model(graph, opset_imports=OPSETS, ir_version=8)
    onnx.checker.check_model(model)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def good():
    write("linear_n1", LINEAR, [features()], [out("p", ["N", 1])], WEIGHTS)
    squeeze = h.make_node("Squeeze", ["p", "axis"], ["flat"])
    axis = constant("axis", [1], np.int64)
    write("linear_n", [*LINEAR, squeeze], [features()], [out("flat", ["N"])], [*WEIGHTS, axis])
    write("dense_n2", DENSE, [features()], [out("probabilities", ["N", 2])], HIDDEN)
    label = h.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0)
    both = [out("label", ["N"], T.INT64), out("probabilities", ["N", 2])]
    write("label_and_n2", [*DENSE, label], [features()], both, HIDDEN)


def wrong_inputs():
    wide = [constant("W", np.ones((10, 1)) * 0.1), constant("B", [0.0])]
    write("ten_columns", LINEAR, [features(columns=10)], [out("p", ["N", 1])], wide)
    write("fixed_batch", LINEAR, [features(rows=1)], [out("p", [1, 1])], WEIGHTS)
    words = {"keys_strings": ["up", "down"], "values_floats": [1.0, 0.0], "default_float": 0.5}
    nodes = [
        h.make_node("LabelEncoder", ["X"], ["f"], domain="ai.onnx.ml", **words),
        h.make_node("ReduceMean", ["f"], ["p"], axes=[1], keepdims=1),
    ]
    write("string_input", nodes, [features(kind=T.STRING)], [out("p", ["N", 1])])
    nodes = [h.make_node("Add", ["X", "Y"], ["s"]), *LINEAR[1:]]
    nodes.insert(1, h.make_node("ReduceMean", ["s"], ["z"], axes=[1], keepdims=1))
    second = h.make_tensor_value_info("Y", T.FLOAT, ["N", COLUMNS])
    write("two_inputs", nodes, [features(), second], [out("p", ["N", 1])])


def wrong_outputs():
    nodes = [*LINEAR, h.make_node("Sub", ["z", "z"], ["o"]), h.make_node("Div", ["o", "o"], ["q"])]
    write("nan_output", nodes, [features()], [out("q", ["N", 1])], WEIGHTS)
    write("no_sigmoid", LINEAR[:1], [features()], [out("z", ["N", 1])], WEIGHTS)
    wide = h.make_node("Concat", ["p", "p", "p"], ["c"], axis=1)
    write("three_classes", [*LINEAR, wide], [features()], [out("c", ["N", 3])], WEIGHTS)
    mean = h.make_node("ReduceMean", ["p"], ["m"], axes=[0], keepdims=1)
    write("one_row", [*LINEAR, mean], [features()], [out("m", ["M", 1])], WEIGHTS)
    labels = {"classlabels_int64s": [0, 1]}
    pairs = h.make_node("ZipMap", ["probabilities"], ["d"], domain="ai.onnx.ml", **labels)
    of_map = h.make_map_type_proto(T.INT64, h.make_tensor_type_proto(T.FLOAT, []))
    listed = h.make_value_info("d", h.make_sequence_type_proto(of_map))
    write("zipmap", [*DENSE, pairs], [features()], [listed], HIDDEN)
    noise = h.make_node("RandomUniformLike", ["p"], ["r"])
    write("random_output", [*LINEAR, noise], [features()], [out("r", ["N", 1])], WEIGHTS)


def greedy():
    body = h.make_graph(
        [
            h.make_node("Sin", ["state"], ["next"]),
            h.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [out("i", [], T.INT64), out("go", [], T.BOOL), out("state", ["N", 1])],
        [out("go_on", [], T.BOOL), out("next", ["N", 1])],
    )
    endless = h.make_node("Loop", ["", "true", "p"], ["q"], body=body)
    true = constant("true", True, np.bool_)
    write("endless_loop", [*LINEAR, endless], [features()], [out("q", ["N", 1])], [*WEIGHTS, true])
    # 64 GiB, made from the number of rows so that it cannot be folded away while loading.
    nodes = [
        *LINEAR,
        h.make_node("Shape", ["X"], ["s"]),
        h.make_node("Mul", ["s", "big"], ["huge"]),
        h.make_node("ConstantOfShape", ["huge"], ["zeros"]),
        h.make_node("ReduceMax", ["zeros"], ["top"], keepdims=0),
        h.make_node("Add", ["p", "top"], ["q"]),
    ]
    # 256 rows × 8 columns × 8 Mi elements × 4 bytes.
    big = constant("big", [1 << 13, 1 << 10], np.int64)
    write("huge_allocation", nodes, [features()], [out("q", ["N", 1])], [*WEIGHTS, big])


def probed():
    """Scanned and run, and refused by the probe of a check."""
    mean = h.make_node("ReduceMean", ["z"], ["m"], axes=[0], keepdims=1)
    minus = h.make_node("Sub", ["z", "m"], ["centred"])
    end = h.make_node("Sigmoid", ["centred"], ["q"])
    nodes = [LINEAR[0], mean, minus, end]
    write("row_mean", nodes, [features()], [out("q", ["N", 1])], WEIGHTS)
    nodes = [
        *LINEAR,
        h.make_node("Shape", ["X"], ["s"]),
        h.make_node("Cast", ["s"], ["sizes"], to=T.FLOAT),
        h.make_node("ReduceMax", ["sizes"], ["most"], keepdims=0),
        h.make_node("Div", ["p", "most"], ["q"]),
    ]
    write("batch_size", nodes, [features()], [out("q", ["N", 1])], WEIGHTS)
    nodes = [h.make_node("Mul", ["X", "zero"], ["o"]), h.make_node("Sigmoid", ["o"], ["h"])]
    nodes.append(h.make_node("ReduceMean", ["h"], ["q"], axes=[1], keepdims=1))
    write("constant", nodes, [features()], [out("q", ["N", 1])], [constant("zero", [0.0])])


def slow():
    """As much work a row as the class allows, from weights that are made while loading."""
    fill = h.make_tensor("value", T.FLOAT, [1], [1e-4])
    nodes = [
        h.make_node("ConstantOfShape", ["narrow"], ["A"], value=fill),
        h.make_node("ConstantOfShape", ["wide"], ["B"], value=fill),
        h.make_node("MatMul", ["X", "A"], ["a"]),
        h.make_node("MatMul", ["a", "B"], ["b"]),
        h.make_node("ReduceMean", ["b"], ["m"], axes=[1], keepdims=1),
        h.make_node("Sigmoid", ["m"], ["q"]),
    ]
    sizes = [constant("narrow", [COLUMNS, 4096], np.int64), constant("wide", [4096, 4096], np.int64)]
    write("slow", nodes, [features()], [out("q", ["N", 1])], sizes)


def expected():
    rows = known_rows(ROWS, COLUMNS)
    answers = {}
    for name, output in [
        ("linear_n1", "p"),
        ("linear_n", "flat"),
        ("dense_n2", "probabilities"),
        ("label_and_n2", "probabilities"),
    ]:
        session = onnxruntime.InferenceSession(HERE / f"{name}.onnx")
        answer = session.run([output], {"X": rows})[0].reshape(ROWS, -1)[:, -1]
        answers[name] = [float(p) for p in answer[:64]]
    text = json.dumps(answers)
    (HERE / "expected.json").write_text(text.replace("], ", "],\n") + "\n")


good()
wrong_inputs()
wrong_outputs()
greedy()
probed()
slow()
(HERE / "garbage.onnx").write_bytes(bytes(range(256)) * 4)
expected()
