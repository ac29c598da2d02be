#!/usr/bin/env bash
# Runs the real models of the first milestone: the reference, then the compiled
# artifact at each -O with each cap of MLC_CPU. Needs MLC_SHARED.
set -euo pipefail
cd "$(dirname "$0")/../.."
shared="${MLC_SHARED:-../shared}"
tmp="$(mktemp -d)"
trap 'rm -rf "$tmp"' EXIT
CGO_ENABLED=0 go build -o "$tmp/mlc" ./tools/mlc
models='^(mnist-cntk-8|squeezenet-fp16|ultraface-rfb-320|yunet-n-dynamic|blazeface-front-128|cyclone-unet|orographic-drag|oww-hello-deepa|oww-embedding|byte-bidi-lstm|dtln-1)$'

check() {
	echo "-- ${MLC_CPU:-native} $*"
	"$tmp/mlc" verify --tolerances testdata/corpus-tolerances.tsv --match "$models" "$@" "$shared"/corpus/real-onnx-*.tar.zst
}

check --engine ref
for level in 0 2 3; do
	check "-O$level"
	MLC_CPU=avx2 check "-O$level"
done
MLC_CPU=generic check -O2
MLC_CPU=generic check -O0 --threads 2
