#!/usr/bin/env bash
# Compares the AVX-512 kernels with their twins in plain Go, on machines without
# AVX-512 too: in the processor of the Bochs emulator. See avx512/run.py.
#
# usage: tools/peers/avx512.sh [venv]
#
# venv is a folder with a Python environment, made where it does not exist; by
# default one that lives as long as the run. Needs Go, Python 3.9 or later, and
# with a C library older than glibc 2.38 a C compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CGO_ENABLED=0 PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
venv=${1:-$work/venv}

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("bochscpu"))' ||
	"$venv/bin/pip" install -q --disable-pip-version-check bochscpu-python==0.4.0

# The package claims to run with glibc 2.28, but asks for two functions that
# came with 2.38. Where they lack, older twins under their names do as well.
python=("$venv/bin/python")
if ! "${python[@]}" -c 'import bochscpu' 2>/dev/null; then
	cc -shared -fPIC -O1 -x c -o "$work/isoc23.so" - <<-'C'
		#include <stdarg.h>
		#include <stdio.h>
		#include <stdlib.h>
		unsigned long long __isoc23_strtoull(const char *s, char **end, int base) { return strtoull(s, end, base); }
		int __isoc23_sscanf(const char *s, const char *format, ...) {
			va_list args;
			va_start(args, format);
			int n = vsscanf(s, format, args);
			va_end(args);
			return n;
		}
	C
	python=(env "LD_PRELOAD=$work/isoc23.so" "${python[@]}")
fi

GOOS=linux GOARCH=amd64 go build -o "$work/kernels.elf" ./tools/peers/avx512/vectors
go run ./tools/peers/avx512/vectors -out "$work/vectors"
"${python[@]}" tools/peers/avx512/run.py "$work/kernels.elf" "$work/vectors" .
