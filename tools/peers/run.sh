#!/usr/bin/env bash
# Checks against other engines that install in a minute: ONNX exports of the
# corpus models compute in onnxruntime what was recorded of the originals, and
# the keyword-spotting net in int8 computes there what it computes here, as a
# whole and node by node; TensorFlow Lite exports, float and int8, do in LiteRT;
# Triton's Python client works with mlc serve; what examples/chain makes runs in
# the runtimes that it is made for; and NVIDIA's assembler takes the kernels of
# the corpus models. (The operator table's examples,
# `go run ./tools/peers -examples`, are for reading: the engine refuses some that
# are legal, and says why.)
#
#	tools/peers/run.sh DIR      DIR holds the Python environment and the exports
set -euo pipefail
cd "$(dirname "$0")/../.."
dir="$(mkdir -p "${1:?want a folder}" && cd "$1" && pwd)"
shared="${MLC_SHARED:-../shared}"
python=python3
if ! python3 -c 'import numpy, onnx, onnxruntime, tritonclient.http, ai_edge_litert' 2>/dev/null; then
	[ -x "$dir/venv/bin/python" ] || python3 -m venv "$dir/venv"
	python="$dir/venv/bin/python"
	"$python" -m pip install -q --disable-pip-version-check numpy onnx==1.23.0 onnxruntime ai-edge-litert==2.3.0 'tritonclient[http]'
fi
models=(mnist-cntk-8 squeezenet-fp16 ultraface-rfb-320 yunet-n-dynamic blazeface-front-128 cyclone-unet orographic-drag oww-hello-deepa oww-embedding byte-bidi-lstm dtln-1)
go run ./tools/peers -shared "$shared" -out "$dir/exports" "${models[@]}"
"$python" tools/peers/export.py "$dir/exports"

CGO_ENABLED=0 go build -o "$dir/mlc" ./tools/mlc
go run ./tools/peers -keywords -shared "$shared" -out "$dir/keywords"
for check in quantize qnodes; do
	"$python" "tools/peers/$check.py" "$dir/mlc" "$dir"/keywords/{model.onnx,calib.npz,x.npy}
done
# TensorFlow Lite files in LiteRT: the named models in both layouts, the
# convolutional ones in int8 too, then graphs and corners whose extents hide
# nothing.
litert() { "$python" tools/peers/litert.py "$@"; }
litert "$dir/litert" --mlc "$dir/mlc" --shared "$shared"
litert "$dir/litert" --int8 --inputs 2 --mlc "$dir/mlc" --shared "$shared"
go run ./tools/peers -graphs 100 -out "$dir/graphs"
litert "$dir/graphs" --folders
for form in -open -int8; do
	go run ./tools/peers -graphs 100 $form -out "$dir/graphs$form"
	litert "$dir/graphs$form" --folders
done
go run ./tools/peers -corners -out "$dir/corners"
litert "$dir/corners" --folders
tar -C "$dir" --zstd -xf "$shared/data/serving.tar.zst"
"$python" tools/peers/triton.py "$dir/mlc" "$dir/serving"
# A missing runtime is a failure with CI=true.
CI=true go test ./examples/chain -count=1 -run '^TestChain$' -runtimes "$(command -v "$python")"
tools/peers/ptxas.sh -models "$dir/ptxas"
