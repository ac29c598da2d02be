#!/usr/bin/env bash
# Assembles what tests write for CUDA devices with ptxas, NVIDIA's assembler: the
# tests that import codegen/ptx/ptxtest, with -ptxas. No device is wanted.
#
# usage: tools/peers/ptxas.sh [venv]
#
# venv is a folder with a Python environment, made where it does not exist; by
# default one that lives as long as the run. Needs Go, Python 3.9 or later, and
# linux/amd64 or linux/arm64. The package holds 40 MB of the CUDA toolkit.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${1:-$work/venv}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
find_ptxas() { find "$(cd "$venv" && pwd)" -path '*/nvidia/cuda_nvcc/bin/ptxas' -type f | head -n 1; }
ptxas=$(find_ptxas)
if [ -z "$ptxas" ]; then
	"$venv/bin/pip" install -q --disable-pip-version-check --no-deps nvidia-cuda-nvcc-cu12==12.9.86
	ptxas=$(find_ptxas)
fi
"$ptxas" --version | tail -n 2

uses='{{$p := .}}{{range .TestImports}}{{if eq . "github.com/mlc-go/mlc/codegen/ptx/ptxtest"}}{{$p.ImportPath}}{{"\n"}}{{end}}{{end}}'
uses+='{{range .XTestImports}}{{if eq . "github.com/mlc-go/mlc/codegen/ptx/ptxtest"}}{{$p.ImportPath}}{{"\n"}}{{end}}{{end}}'
mapfile -t packages < <(go list -f "$uses" ./... | sort -u | grep .)
go test -count=1 "${packages[@]}" -ptxas "$ptxas"
