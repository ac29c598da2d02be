#!/usr/bin/env bash
# Assembles what is written for CUDA devices with ptxas, NVIDIA's assembler: in the
# tests that import codegen/ptx/ptxtest, with -ptxas. They are every instruction
# of codegen/ptx, what kernel templates make of graphs, and all kernels of real
# models (TestPtxasModels of backend/cuda), of which none may spill and docs/cuda.md
# holds the registers. No device is wanted.
#
# usage: tools/peers/ptxas.sh [-models | -update] [venv]
#
# -models takes the models alone, which is what CI does, -update writes the table of
# docs/cuda.md from them. venv is a folder with a Python environment, made where it
# does not exist; by default one that lives as long as the run. Needs Go, Python 3.9 or later, the corpus, and linux/amd64 or
# linux/arm64. The package holds 40 MB of the CUDA toolkit.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0
what=
case ${1:-} in
-models | -update)
	what=$1
	shift
	;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${1:-$work/venv}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
find_ptxas() { find "$(cd "$venv" && pwd)" -path '*/nvidia/cuda_nvcc/bin/ptxas' -type f | head -n 1; }
ptxas=$(find_ptxas)
if [ -z "$ptxas" ]; then
	# One version: what another makes of the kernels takes other registers.
	"$venv/bin/pip" install -q --disable-pip-version-check --no-deps nvidia-cuda-nvcc-cu12==12.9.86
	ptxas=$(find_ptxas)
fi
"$ptxas" --version | tail -n 2

if [ -n "$what" ]; then
	update=false
	[ "$what" = -models ] || update=true
	go test -count=1 ./backend/cuda -run '^TestPtxasModels$' -ptxas "$ptxas" "-update=$update"
	exit
fi
uses='{{$p := .}}{{range .TestImports}}{{if eq . "github.com/mlc-go/mlc/codegen/ptx/ptxtest"}}{{$p.ImportPath}}{{"\n"}}{{end}}{{end}}'
uses+='{{range .XTestImports}}{{if eq . "github.com/mlc-go/mlc/codegen/ptx/ptxtest"}}{{$p.ImportPath}}{{"\n"}}{{end}}{{end}}'
mapfile -t packages < <(go list -f "$uses" ./... | sort -u | grep .)
# The tests that take the flag, and no others: they ran without it.
go test -count=1 -run '^Test(Ptxas.*|Assemble|Templates)$' "${packages[@]}" -ptxas "$ptxas"
