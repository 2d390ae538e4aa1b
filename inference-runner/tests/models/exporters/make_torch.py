"""Writes PyTorch models with both of its exporters.

    python3 -m venv /tmp/vt && /tmp/vt/bin/pip install -r requirements-torch.txt
    /tmp/vt/bin/python make_torch.py

The install takes about 3 GB: PyTorch's wheel for Linux brings the CUDA libraries.
"""

import io
import warnings

import onnx
import torch
from torch import nn

from known import COLUMNS, rows_asked, rows_trained, write_expected, write_model

ASKED = torch.from_numpy(rows_asked())
WIDTH = 24


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.dense = nn.Linear(WIDTH, WIDTH)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        return x + self.drop(nn.functional.gelu(self.dense(self.norm(x))))


class Net(nn.Module):
    """Ends in [N,1], [N] or [N,2]."""

    def __init__(self, ending):
        super().__init__()
        self.ending = ending
        self.first = nn.Linear(COLUMNS, WIDTH)
        self.batch = nn.BatchNorm1d(WIDTH)
        self.blocks = nn.Sequential(Residual(), Residual())
        self.last = nn.Linear(WIDTH, 2 if ending == "n2" else 1)

    def forward(self, x):
        x = self.blocks(nn.functional.silu(self.batch(self.first(x))))
        x = self.last(x)
        if self.ending == "n2":
            return torch.softmax(x, dim=1)
        p = torch.sigmoid(x)
        return p if self.ending == "n1" else p.squeeze(-1)


def trained(ending):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    net = Net(ending)
    x, y = (torch.from_numpy(part) for part in rows_trained())
    steps = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(40):
        for start in range(0, len(x), 500):
            p = net(x[start : start + 500])
            p = p[:, 1] if ending == "n2" else p.reshape(-1)
            loss = nn.functional.binary_cross_entropy(p, y[start : start + 500].float())
            steps.zero_grad()
            loss.backward()
            steps.step()
    return net.eval()


def torchscript(net, example, **options):
    content = io.BytesIO()
    torch.onnx.export(net, (example,), content, dynamo=False, input_names=["features"],
                      output_names=["p"], **options)
    return content.getvalue()


def dynamo(net, example, **options):
    rows = torch.export.Dim("N", min=1, max=100_000)
    program = torch.onnx.export(net, (example,), dynamo=True, dynamic_shapes=({0: rows},),
                                external_data=False, verbose=False, **options)
    return program.model_proto.SerializeToString()


def main():
    answers = {}
    open_rows = {"dynamic_axes": {"features": {0: "N"}, "p": {0: "N"}}}
    for ending in ("n1", "n", "n2"):
        net = trained(ending)
        with torch.no_grad():
            p = net(ASKED)
        up = p[:, 1] if ending == "n2" else p.reshape(-1)
        write_model(f"torch_script_{ending}", torchscript(net, ASKED, opset_version=17, **open_rows))
        write_model(f"torch_dynamo_{ending}", dynamo(net, ASKED))
        answers[f"torch_script_{ending}"] = answers[f"torch_dynamo_{ending}"] = up.numpy()
    wrong(net)
    newest_onnx()
    write_expected(answers)


def wrong(net):
    """What people export by mistake."""
    # Without dynamic axes the example's number of rows is kept.
    write_model("wrong_fixed_batch", torchscript(net, ASKED[:1], opset_version=17))
    # Training mode keeps Dropout and the batch's own mean.
    training = torch.onnx.TrainingMode.TRAINING
    write_model("wrong_training_mode", torchscript(
        net.train(), ASKED, opset_version=17, training=training, do_constant_folding=False,
        dynamic_axes={"features": {0: "N"}, "p": {0: "N"}},
    ))
    net.eval()


def newest_onnx():
    """What the `onnx` package writes when nobody names versions: IR 14, operator set 28."""
    h, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(torch.full((COLUMNS, 1), 0.05).numpy(), "W")
    nodes = [h.make_node("MatMul", ["X", "W"], ["z"]), h.make_node("Sigmoid", ["z"], ["p"])]
    given = h.make_tensor_value_info("X", kind, ["N", COLUMNS])
    answer = h.make_tensor_value_info("p", kind, ["N", 1])
    model = h.make_model(h.make_graph(nodes, "newest", [given], [answer], [weights]))
    assert model.ir_version == 14 and model.opset_import[0].version == 28, model
    write_model("wrong_newest_onnx", model.SerializeToString())


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    main()
