"""Runs what the chain made in the runtimes that it is made for.

    python3 examples/chain/check.py MLC DATA OUT

OUT is what chain.sh or the Go program wrote, DATA the folder of pictures that
they were given. The four ONNX files go to onnxruntime, the four TensorFlow Lite
files to LiteRT, the executable to qemu-aarch64-static (or runs as it is on
arm64), and the Go package is tested and scored by `go`. All are compared with
`mlc run` on the same pictures and scored on the labels. What was found is
printed and written to OUT/checks.json; a runtime that is not installed is
skipped, and both say so. Exit status 1 where something differs.

Needs numpy; pip install onnxruntime ai-edge-litert 'tritonclient[http]'; apt-get
install qemu-user-static.
"""
import gzip
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

STEPS = ["teacher", "student", "pruned", "int8"]
COMPARED = 1000  # pictures whose scores are compared
EMULATED = 200   # and run under qemu
TOLERANCE = 1e-4  # of the largest score, float nets
SAME_CLASS = 0.99  # share of pictures, int8 nets: engines round differently


def idx(path):
    with gzip.open(path) as f:
        b = f.read()
    dims = [int.from_bytes(b[4 * (i + 1):4 * (i + 2)], "big") for i in range(b[3])]
    return np.frombuffer(b, np.uint8, offset=4 + 4 * b[3]).reshape(dims)


def median_us(run, n=300):
    took = []
    for _ in range(n):
        t0 = time.perf_counter()
        run()
        took.append(time.perf_counter() - t0)
    return 1e6 * float(np.median(took))


class Check:
    def __init__(self, mlc, data, out):
        self.mlc, self.data, self.out = os.path.abspath(mlc), os.path.abspath(data), os.path.abspath(out)
        self.files = [os.path.join(self.data, f"t10k-{n}-ubyte.gz") for n in ["images-idx3", "labels-idx1"]]
        self.x, self.labels = map(idx, self.files)
        self.found, self.failed = [], False
        self.ours = {s: self.reference(s) for s in STEPS}

    def path(self, name):
        return os.path.join(self.out, name)

    def reference(self, step):
        """Scores of mlc's own runtime."""
        with tempfile.TemporaryDirectory() as d:
            np.save(d + "/x.npy", self.x[:COMPARED])
            subprocess.run([self.mlc, "run", self.path(step + ".onnx"), "-q", "-i", f"image={d}/x.npy", "--out-dir", d + "/y"],
                           check=True, stdout=subprocess.DEVNULL)
            return np.load(os.path.join(d, "y", os.listdir(d + "/y")[0]))

    def add(self, artifact, runtime, step, **more):
        r = {"artifact": artifact, "runtime": runtime, "step": step, **more}
        self.found.append(r)
        state = "skipped" if "skipped" in r else "ok" if r["ok"] else "FAIL"
        if state == "skipped" and os.environ.get("CI") == "true":
            state = "FAIL"  # there nothing may lack
        self.failed |= state == "FAIL"
        print(f"{state}: {artifact} in {runtime}: " + ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in more.items() if k != "ok"))

    def compare(self, artifact, runtime, step, scores, exact=False, **more):
        """scores of the first pictures, as many as there are."""
        n = min(len(scores), COMPARED)
        ours = self.ours[step][:n]
        diff = float(abs(scores[:n].astype(np.float64) - ours).max() / abs(ours).max())
        same = float((scores[:n].argmax(1) == ours.argmax(1)).mean())
        top1 = float((scores.argmax(1) == self.labels[:len(scores)]).mean())
        ok = diff == 0 and same == 1 if exact else same >= SAME_CLASS if step == "int8" else diff <= TOLERANCE
        self.add(artifact, runtime, step, ok=bool(ok), samples=len(scores), top1=top1, compared=n, same_class=same, difference=diff, **more)

    def onnx(self):
        try:
            import onnxruntime as ort
        except ImportError:
            return self.add("*.onnx", "onnxruntime", "", skipped="onnxruntime is not installed")
        for step in STEPS:
            o = ort.SessionOptions()
            o.log_severity_level, o.intra_op_num_threads = 3, 1
            o.add_session_config_entry("session.x64quantprecision", "1")
            s = ort.InferenceSession(self.path(step + ".onnx"), o, providers=["CPUExecutionProvider"])
            name = s.get_inputs()[0].name
            scores = np.concatenate([s.run(None, {name: self.x[i:i + 100]})[0] for i in range(0, len(self.x), 100)])
            one = {name: self.x[:1]}
            self.compare(step + ".onnx", "onnxruntime " + ort.__version__, step, scores, us=median_us(lambda: s.run(None, one)))

    def tflite(self):
        try:
            import ai_edge_litert
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            return self.add("*.tflite", "LiteRT", "", skipped="ai-edge-litert is not installed")
        for step in STEPS:
            it = Interpreter(model_path=self.path(step + ".tflite"), num_threads=1)
            it.allocate_tensors()
            i, o = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]
            scores = []
            for row in self.x:
                it.set_tensor(i, row[None])
                it.invoke()
                scores.append(it.get_tensor(o)[0].copy())
            self.compare(step + ".tflite", "LiteRT " + ai_edge_litert.__version__, step, np.array(scores), us=median_us(it.invoke))

    def executable(self):
        run = [] if platform.machine() == "aarch64" else [shutil.which("qemu-aarch64-static")]
        name = "this machine" if not run else "qemu-aarch64-static"
        if run == [None]:
            return self.add("classify-arm64", name, "int8", skipped="qemu-aarch64-static is not installed")
        with tempfile.TemporaryDirectory() as d:
            np.save(d + "/x.npy", self.x[:EMULATED])
            subprocess.run(run + [self.path("classify-arm64"), d + "/x.npy", "-o", d + "/y.npy"], check=True, stdout=subprocess.DEVNULL)
            scores = np.load(d + "/y.npy")
        self.compare("classify-arm64", name, "int8", scores)

    def package(self):
        if not shutil.which("go"):
            return self.add("app/classifier", "go test", "int8", skipped="go is not installed")
        env = dict(os.environ, GOFLAGS="-mod=readonly", GOWORK="off", GOPROXY="off", CGO_ENABLED="0")
        go = lambda *a: subprocess.run(["go", *a], cwd=self.path("app"), env=env, capture_output=True, text=True)
        t = go("test", "./...")
        if t.returncode:
            sys.stderr.write(t.stdout + t.stderr)
            return self.add("app/classifier", "go test", "int8", ok=False)
        p = go("run", ".", *self.files)
        if p.returncode:
            sys.stderr.write(p.stderr)
            return self.add("app/classifier", "go run", "int8", ok=False)
        self.add("app/classifier", "go test, go run", "int8", ok=True, **json.loads(p.stdout))

    def server(self):
        try:
            import tritonclient.http as http
            from importlib.metadata import version
        except ImportError:
            return self.add("*.onnx, served", "mlc serve", "", skipped="tritonclient is not installed")
        p = subprocess.Popen([self.mlc, "serve", "-q", "--http", "127.0.0.1:0", *(self.path(s + ".onnx") for s in STEPS)], stdout=subprocess.PIPE, text=True)
        try:
            address = p.stdout.readline().rsplit("http://", 1)[1].strip()
            with http.InferenceServerClient(address) as client:
                def ask(step, x):
                    i = http.InferInput("image", list(x.shape), "UINT8")
                    i.set_data_from_numpy(x, binary_data=True)
                    r = client.infer(step, [i])
                    return r.as_numpy(r.get_response()["outputs"][0]["name"])
                for step in STEPS:
                    scores = np.concatenate([ask(step, self.x[i:i + 100]) for i in range(0, len(self.x), 100)])
                    one = self.x[:1]
                    self.compare(step + ".onnx, served", "mlc serve, tritonclient " + version("tritonclient"), step, scores, exact=True, us=median_us(lambda: ask(step, one)))
        finally:
            p.send_signal(signal.SIGTERM)
            if p.wait(30):
                self.add("*.onnx, served", "mlc serve, SIGTERM", "", ok=False)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    c = Check(*sys.argv[1:])
    c.onnx()
    c.tflite()
    c.executable()
    c.package()
    c.server()
    with open(c.path("checks.json"), "w") as f:
        json.dump({"schema": "mlc.chain.checks/1", "checks": c.found}, f, indent=1)
        f.write("\n")
    sys.exit(1 if c.failed else 0)


if __name__ == "__main__":
    main()
