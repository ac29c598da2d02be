"""Triton's own Python client against `mlc serve`, unchanged, JSON and binary.

    pip install 'tritonclient[http]' numpy
    python tools/peers/triton.py MLC FIXTURES

MLC is the command, FIXTURES the unpacked shared/data/serving.tar.zst. Prints what
was compared and exits 1 if anything differs.
"""
import signal
import subprocess
import sys

import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

failed = 0


def check(what, ok):
    global failed
    failed += not ok
    print("ok  " if ok else "FAIL", what)


def tensor(name, datatype, value, binary):
    x = http.InferInput(name, list(value.shape), datatype)
    x.set_data_from_numpy(value, binary_data=binary)
    return x


def pairs(c):
    """Sum and difference, every way in and out."""
    a = np.arange(32, dtype=np.int32).reshape(2, 16)
    b = np.full((2, 16), 3, np.int32)
    for name, datatype, x, y in (("simple", "INT32", a, b), ("simple_int8", "INT8", a.astype(np.int8), b.astype(np.int8)),
                                 ("simple_string", "BYTES", a.astype(str).astype(object), b.astype(str).astype(object))):
        for bin_in in (False, True):
            for bin_out in (False, True, None):
                out = None if bin_out is None else [http.InferRequestedOutput(n, binary_data=bin_out) for n in ("OUTPUT1", "OUTPUT0")]
                r = c.infer(name, [tensor("INPUT0", datatype, x, bin_in), tensor("INPUT1", datatype, y, bin_in)], outputs=out, request_id="7")
                got = [r.as_numpy(n).astype(np.int64) for n in ("OUTPUT0", "OUTPUT1")]
                ok = np.array_equal(got[0], a + b) and np.array_equal(got[1], a - b) and r.get_response()["id"] == "7"
                check(f"{name}, binary in {bin_in}, binary out {bin_out}", ok)


def main():
    mlc, fixtures = sys.argv[1:3]
    repo = fixtures + "/triton/model_repository/"
    names = ("simple", "simple_int8", "simple_string", "identity")
    server = subprocess.Popen([mlc, "serve", *(f"{n}={repo}{n}/1/model.onnx" for n in names), "--http", "127.0.0.1:0"],
                              stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().rsplit("http://", 1)[1].strip()
        with http.InferenceServerClient(address, concurrency=4) as c:
            check("live, ready", c.is_server_live() and c.is_server_ready())
            check("model ready", c.is_model_ready("simple") and c.is_model_ready("simple", "1"))
            check("a model that is not there", not c.is_model_ready("none") and not c.is_model_ready("simple", "9"))
            check("server metadata", "binary_tensor_data" in c.get_server_metadata()["extensions"])
            meta = c.get_model_metadata("simple")
            check("model metadata", meta["inputs"][0] == {"name": "INPUT0", "datatype": "INT32", "shape": [-1, 16]})
            pairs(c)
            raw = np.array([[b"\xff\x00", b""]], object)
            check("bytes that are no text", np.array_equal(c.infer("identity", [tensor("INPUT0", "BYTES", raw, True)]).as_numpy("OUTPUT0"), raw))
            x = np.zeros((1, 16), np.int32)
            two = [tensor("INPUT0", "INT32", x, True), tensor("INPUT1", "INT32", x + 1, True)]
            for algorithm in ("gzip", "deflate"):
                r = c.infer("simple", two, request_compression_algorithm=algorithm, response_compression_algorithm=algorithm)
                check(algorithm, np.array_equal(r.as_numpy("OUTPUT0"), x + 1))
            rs = [c.async_infer("simple", two) for _ in range(64)]
            check("64 at once", all(np.array_equal(r.get_result().as_numpy("OUTPUT1"), x - 1) for r in rs))
            try:
                c.infer("simple", two[:1])
                check("a missing input", False)
            except InferenceServerException as e:
                check(f"a missing input: {e}", e.status() == "400" and "INPUT1" in e.message())
            r = c.infer("simple", two, timeout=5_000_000, model_version="1")
            check("version and timeout", r.get_response()["model_version"] == "1")
    finally:
        server.send_signal(signal.SIGTERM)
        check("SIGTERM ends it with 0", server.wait(30) == 0)
    sys.exit(failed > 0)


main()
