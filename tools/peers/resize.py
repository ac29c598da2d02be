"""Bilinear resizing by onnxruntime, for runtime/task: writes
runtime/task/testdata/resize.json (sizes, pixels in, values out before rounding).

    python3 tools/peers/resize.py > runtime/task/testdata/resize.json
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

CASES = [(7, 5, 4, 6), (3, 3, 8, 8), (16, 9, 5, 5), (1, 1, 3, 2), (2, 1, 5, 1), (5, 8, 5, 3), (40, 30, 32, 24)]


def resize(x, h, w):
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="linear",
                          coordinate_transformation_mode="half_pixel")],
        "resize", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, h, w])],
        [helper.make_tensor("s", TensorProto.INT64, [4], [1, 1, h, w])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def main():
    rng = np.random.default_rng(1)
    out = []
    for w, h, to_w, to_h in CASES:
        x = rng.integers(0, 256, (1, 1, h, w))
        y = resize(x.astype(np.float32), to_h, to_w)
        out.append({"w": w, "h": h, "to_w": to_w, "to_h": to_h, "in": x.ravel().tolist(),
                    "out": [round(float(v), 4) for v in y.ravel()]})
    json.dump({"peer": "onnxruntime " + ort.__version__, "cases": out}, sys.stdout)
    print()


main()
