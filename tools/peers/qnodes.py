"""Compares every node group of a quantized model, on equal inputs, in mlc and
onnxruntime.

    python tools/peers/qnodes.py MLC MODEL.onnx CALIB.npz DATA.npy [SAMPLES]

quantizes MODEL with `mlc quantize` and cuts its export at the quantized
values: each QuantizeLinear, with what leads to it from quantized values or the
model's input, becomes a model of its own. It runs in both engines on the values
that mlc has at that place in the whole net (for the first SAMPLES of DATA, 200),
so that nothing is carried from node to node. In quanta: no element may be off
by more than one, and at most 1e-3 of a group's elements may be off at all.
What mlc gives for a group must be what it has in the whole net.

onnxruntime runs each group as its operators say (no optimization), and with its
integer kernels and session.x64quantprecision, without which these saturate
16-bit sums on CPUs without VNNI. Exit status 1 where a bound is broken.
"""
import os, subprocess, sys, tempfile
import numpy as np, onnx

MOST, SHARE = 1, 1e-3
BYTES = {np.dtype(np.uint8): onnx.TensorProto.UINT8, np.dtype(np.int8): onnx.TensorProto.INT8,
         np.dtype(np.float32): onnx.TensorProto.FLOAT}


def run_mlc(mlc, model, inputs, d):
    out = tempfile.mkdtemp(dir=d)
    args = [mlc, "run", model, "--out-dir", out, "-q"]
    for i, (name, x) in enumerate(inputs.items()):
        path = os.path.join(d, f"in{i}.npy")
        np.save(path, x)
        args += ["-i", f"{name}={path}"]
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)
    return {f[:-4]: np.load(os.path.join(out, f)) for f in os.listdir(out)}


def run_ort(model, inputs, integer, optimized):
    import onnxruntime as ort  # litert.py, which borrows from here, does without
    o = ort.SessionOptions()
    o.log_severity_level = 3
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    if integer:
        o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        o.add_session_config_entry("session.x64quantprecision", "1")
        o.optimized_model_filepath = optimized
    s = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    return s.run(None, inputs)[0]


def groups(graph):
    """For each QuantizeLinear: its output, the nodes that lead to it in order,
    and the names of the values that they begin with."""
    made = {o: n for n in graph.node for o in n.output if o}
    known = {i.name for i in graph.initializer}
    for q in graph.node:
        if q.op_type != "QuantizeLinear":
            continue
        wanted, inputs, todo = {q.output[0]}, [], list(q.input)
        while todo:
            v = todo.pop()
            n = made.get(v)
            if not v or v in known or v in wanted or v in inputs:
                continue
            if n is None or n.op_type == "QuantizeLinear":
                inputs.append(v)
                continue
            wanted.update(n.output)
            todo += n.input
        yield q.output[0], [n for n in graph.node if n.output[0] in wanted], inputs


def cut(m, nodes, inputs, out):
    """The model of nodes alone; its values are named in0, in1, ... and out."""
    new = {v: f"in{i}" for i, v in enumerate(inputs)} | {nodes[-1].output[0]: "out"}
    copies = []
    for n in nodes:
        c = onnx.NodeProto()
        c.CopyFrom(n)
        c.input[:] = [new.get(v, v) for v in n.input]
        c.output[:] = [new.get(v, v) for v in n.output]
        copies.append(c)
    used = {v for c in copies for v in c.input}
    g = onnx.helper.make_graph(
        copies, "group",
        [onnx.helper.make_tensor_value_info(new[v], BYTES[x.dtype], x.shape) for v, x in inputs.items()],
        [onnx.helper.make_tensor_value_info("out", BYTES[out.dtype], out.shape)],
        [i for i in m.graph.initializer if i.name in used])
    return onnx.helper.make_model(g, opset_imports=m.opset_import, ir_version=m.ir_version)


def inside(mlc, m, parts, feed, d):
    """What mlc has at the model's inputs and quantized values in the whole net."""
    opened = onnx.ModelProto()
    opened.CopyFrom(m)
    del opened.graph.output[:]
    for i, (v, nodes, _) in enumerate(parts):
        zero = next(z for z in m.graph.initializer if z.name == nodes[-1].input[2])
        opened.graph.node.append(onnx.helper.make_node("Identity", [v], [f"q{i}"]))
        opened.graph.output.append(onnx.helper.make_tensor_value_info(f"q{i}", zero.data_type, None))
    path = os.path.join(d, "opened.onnx")
    onnx.save(opened, path)
    got = run_mlc(mlc, path, feed, d)
    return feed | {v: got[f"q{i}"] for i, (v, _, _) in enumerate(parts)}


def main(mlc, model, calib, data, samples=200):
    x = np.load(data)[:int(samples)]
    bad, total = [], 0
    with tempfile.TemporaryDirectory() as d:
        q = os.path.join(d, "q.onnx")
        subprocess.run([mlc, "quantize", model, "-o", q, "--calib", "npz:" + calib, "-q"], check=True, stdout=subprocess.DEVNULL)
        m = onnx.load(q)
        entry = m.graph.input[0].name
        parts = list(groups(m.graph))
        values = inside(mlc, m, parts, {entry: x}, d)
        for v, nodes, inputs in parts:
            core = "+".join(n.op_type for n in nodes if n.op_type not in ("QuantizeLinear", "DequantizeLinear")) or "Quantize"
            part = cut(m, nodes, {i: values[i] for i in inputs}, values[v])
            onnx.checker.check_model(part)
            path = os.path.join(d, "part.onnx")
            onnx.save(part, path)
            feed = {f"in{i}": values[n] for i, n in enumerate(inputs)}
            ours = next(iter(run_mlc(mlc, path, feed, d).values()))
            if not np.array_equal(ours, values[v]):
                bad.append(f"{core}: mlc gives other values for the group than in the net")
            line = []
            for name, integer in (("as written", False), ("integer", True)):
                opt = os.path.join(d, "optimized.onnx")
                y = run_ort(path, feed, integer, opt)
                off = abs(ours.astype(np.int32) - y.astype(np.int32))
                far, share = int(off.max()), float((off > 0).mean())
                line.append(f"{name}: off by {far} at most, on {share:.2g}")
                if far > MOST or share > SHARE:
                    bad.append(f"{core}, onnxruntime {name}: off by {far} at most, on {share:.2g}")
            fused = [n.op_type for n in onnx.load(opt).graph.node]
            total += ours.size
            print(f"{core} -> {v}, {ours.size} elements: {'; '.join(line)} ({'+'.join(fused)})")
        if len(parts) < 2:
            bad.append(f"{len(parts)} quantized values")
    print(f"{len(parts)} groups, {total} elements")
    for b in bad:
        print("FAIL:", b)
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
