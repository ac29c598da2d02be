"""Compares a quantized model in mlc with the same file in onnxruntime.

    python tools/peers/quantize.py MLC MODEL.onnx CALIB.npz DATA.npy

quantizes MODEL with `mlc quantize`, checks the export with onnx.checker, and
runs it over DATA in both. Three comparisons:

* the class (largest output) of every sample, onnxruntime as its operators say
  (no optimization) and with its integer kernels;
* every quantized value inside: off by one quantum at most, and that on few
  elements. Values are compared where they stand in the net, so that a
  difference is carried on: stricter than node by node on equal inputs.

On CPUs without VNNI, onnxruntime's u8*i8 kernels saturate 16-bit sums unless
session.x64quantprecision is set; both are shown, the precise one is judged.
Exit status 1 where a bound is broken.
"""
import json, os, subprocess, sys, tempfile
import numpy as np, onnx, onnxruntime as ort

SAME_CLASS, OFF_SHARE = 0.995, 1e-3


def run_ort(model, x, level, precise=False):
    o = ort.SessionOptions()
    o.graph_optimization_level = level
    o.log_severity_level = 3
    if precise:
        o.add_session_config_entry("session.x64quantprecision", "1")
    s = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    return dict(zip([y.name for y in s.get_outputs()], s.run(None, {s.get_inputs()[0].name: x})))


def run_mlc(mlc, model, x, d):
    path = os.path.join(d, "x.npy")
    np.save(path, x)
    out = os.path.join(d, "out")
    subprocess.run([mlc, "run", model, "-i", path, "--out-dir", out, "-q"], check=True, stdout=subprocess.DEVNULL)
    return {f[:-4]: np.load(os.path.join(out, f)) for f in os.listdir(out)}


def main(mlc, model, calib, data):
    x = np.load(data)
    bad = False
    with tempfile.TemporaryDirectory() as d:
        q = os.path.join(d, "q.onnx")
        subprocess.run([mlc, "quantize", model, "-o", q, "--calib", "npz:" + calib], check=True)
        m = onnx.load(q)
        onnx.checker.check_model(m)
        for n in m.graph.node:
            if n.op_type == "QuantizeLinear":
                s = next(i for i in m.graph.initializer if i.name == n.input[1]) if any(i.name == n.input[1] for i in m.graph.initializer) else None
                if s is not None and len(s.dims) != 0:
                    print("FAIL: a scale that is no true scalar at", n.name)
                    bad = True
        ours = next(iter(run_mlc(mlc, q, x, d).values()))
        off, full = ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        for name, got, judged in (
            ("as written", run_ort(q, x, off), True),
            ("integer kernels, precise", run_ort(q, x, full, True), True),
            ("integer kernels, default", run_ort(q, x, full), False),
        ):
            y = next(iter(got.values()))
            same = float((y.argmax(1) == ours.argmax(1)).mean())
            print(f"onnxruntime, {name}: same class on {100*same:.2f} %, largest difference {abs(y-ours).max():.3g}")
            bad |= judged and same < SAME_CLASS
        # Every quantized value as an output.
        names = [n.output[0] for n in m.graph.node if n.op_type == "QuantizeLinear"]
        del m.graph.output[:]
        for i, n in enumerate(names):
            m.graph.node.append(onnx.helper.make_node("Identity", [n], [f"q{i}"]))
            m.graph.output.append(onnx.helper.make_tensor_value_info(f"q{i}", onnx.TensorProto.UINT8, None))
        opened = os.path.join(d, "opened.onnx")
        onnx.save(m, opened)
        a, b = run_mlc(mlc, opened, x[:100], d), run_ort(opened, x[:100], off)
        for i, n in enumerate(names):
            u, v = a[f"q{i}"].astype(np.int32), b[f"q{i}"].astype(np.int32)
            far, share = int(abs(u - v).max()), float((u != v).mean())
            print(f"{n}: off by {far} at most, on {share:.2g} of {u.size} elements")
            bad |= far > 1 or share > OFF_SHARE
    print("FAIL" if bad else "ok")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
