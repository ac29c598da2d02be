#!/usr/bin/env bash
# Checks what is compiled for CUDA on a GPU, in some minutes: the eleven models of the
# corpus against their recorded outputs, the tests of kernels and random modules that
# pass in ptxsim (tools/gpu), products and a convolution against the card's measured
# peak (gpubench), latencies, three models under compute-sanitizer. Each part runs
# whatever became of those before; the exit code is 1 where any failed. A part
# that this machine cannot run (no compute-sanitizer) is said to lack.
#
# usage: tools/peers/cuda.sh prepare DIR   where Go and the corpus are; no GPU
#        tools/peers/cuda.sh run DIR [OUT] where the GPU and its driver are
#        tools/peers/cuda.sh DIR [OUT]     both
#
# DIR holds four programs and the models, some 85 MB; run needs nothing else but this
# script and bash. OUT (default DIR/out) gets cuda.txt, cuda.json, and a file for
# each part. SECONDS_EACH bounds each part (default 180), SECONDS_ALL the whole run
# (default 400); CORPUS names the folder of the corpus, if it is not in MLC_SHARED.
set -uo pipefail

models=(mnist-cntk-8 squeezenet-fp16 ultraface-rfb-320 yunet-n-dynamic blazeface-front-128 cyclone-unet orographic-drag oww-hello-deepa oww-embedding byte-bidi-lstm dtln-1)
# In float16: what is convolved and multiplied, no recurrence.
halves=(mnist-cntk-8 squeezenet-fp16 ultraface-rfb-320 oww-hello-deepa)
# Under the sanitizer: convolutions and pools, products with reductions, an LSTM.
sane=(mnist-cntk-8 orographic-drag byte-bidi-lstm)
sanitizers=(memcheck racecheck initcheck synccheck)

usage() {
	sed -n '/^# usage/,/^# *$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}

prepare() {
	local dir=$1 here shared goarch
	here=$(cd "$(dirname "$0")/../.." && pwd)
	shared=${CORPUS:-${MLC_SHARED:-$here/../shared}/corpus}
	goarch=$(go env GOARCH)
	mkdir -p "$dir/models" && dir=$(cd "$dir" && pwd) || return
	(cd "$here" && CGO_ENABLED=0 go build -tags cuda -trimpath -ldflags='-s -w' -o "$dir/" ./tools/mlc ./tools/peers/gpubench &&
		CGO_ENABLED=0 go test -c -tags cuda -trimpath -ldflags='-s -w' -o "$dir/kernels.test" ./backend/cuda &&
		CGO_ENABLED=0 go test -c -tags cuda -trimpath -ldflags='-s -w' -o "$dir/modules.test" ./codegen) || return
	local names=() m a
	for m in "${models[@]}"; do names+=("$m"); done
	for a in "$shared"/real-onnx-*.tar.zst; do
		# Each model is in one archive: what the others lack is no fault.
		tar -C "$dir/models" --zstd -xf "$a" "${names[@]}" 2>/dev/null
	done
	for m in "${models[@]}"; do
		[ -e "$dir/models/$m/model.onnx" ] || { echo "no $m in $shared" >&2; return 1; }
	done
	cp "$here/testdata/corpus-tolerances.tsv" "$dir/"
	cp "$0" "$dir/cuda.sh" 2>/dev/null
	echo "prepared for linux/$goarch: $dir"
}

failed=0
parts=()

# part NAME COMMAND...: runs it, notes what became of it, with the JSON that it
# wrote to NAME.json, if any. Exit code 77 says that something lacks.
part() {
	local name=$1 rc=0 state=ok t0=$SECONDS each=${SECONDS_EACH:-180} left=$((${SECONDS_ALL:-400} - SECONDS))
	shift
	rm -f "$out/$name.json"
	if [ $left -lt 1 ]; then
		echo "no time left" >"$out/$name.txt"
		rc=124
	else
		timeout -k 5 $((left < each ? left : each)) "$@" >"$out/$name.txt" 2>&1 || rc=$?
	fi
	case $rc in
	0) ;;
	77) state=lacks ;;
	124 | 137) state=timeout ;;
	*) state=failed ;;
	esac
	[ $state = ok ] || [ $state = lacks ] || failed=1
	printf '%-8s %-30s %3d s  %s\n' "$state" "$name" $((SECONDS - t0)) "$(tail -n 1 "$out/$name.txt" | cut -c 1-160)" | tee -a "$out/cuda.txt"
	local more=
	# A part that was killed may have left half of it.
	if [ "$(head -c 1 "$out/$name.json" 2>/dev/null)$(tail -n 1 "$out/$name.json" 2>/dev/null | tail -c 2)" = '{}' ]; then
		more=", \"report\": $(cat "$out/$name.json")"
	fi
	parts+=("{\"name\": \"$name\", \"state\": \"$state\", \"exit_code\": $rc, \"seconds\": $((SECONDS - t0))$more}")
}

# verify NAME TARGET RTOL ATOL TOLERANCES MODEL...: one process for all models of a
# target; TOLERANCES, unless empty, has models that need others.
verify() {
	local name=$1 target=$2 rtol=$3 atol=$4 own=() rc=0
	[ -z "$5" ] || own=(--tolerances "$5")
	shift 5
	"$mlc" verify --engine cuda --target "$target" --rtol "$rtol" --atol "$atol" "${own[@]}" --json "${@/#/$dir/models/}" >"$out/$name.json" || rc=$?
	# For people, a line each, and the numbers last.
	sed 's/{"name"/\n&/g' "$out/$name.json"
	grep -oE '"(passed|failed|skipped)":[0-9]+' "$out/$name.json" | tr '\n' ' '
	echo
	return $rc
}

# tests PROGRAM FLAG...: what the interpreter is held to, on the GPU. Those that
# need the corpus, NVIDIA's assembler or the interpreter itself stay at home.
tests() {
	local program=$1 rc=0
	shift
	MLC_TEST_GPU=1 CI= "$dir/$program" -test.v "$@" >"$out/$program.log" 2>&1 || rc=$?
	grep -E '^(--- |PASS|FAIL|panic)|^ +[a-z_]+_test.go' "$out/$program.log"
	grep -cE '^ *--- PASS' "$out/$program.log" | sed 's/$/ tests passed/'
	return $rc
}

kernels() { tests kernels.test -test.skip '^(TestMutants|TestModels|TestKeywords|TestCoverage|TestTemplates|TestAssemble|TestPtxasModels|TestConstants)$'; }

modules() { tests modules.test -test.run '^(TestRandomModulesRun|TestExamplesRun|TestSamplesRun)$'; }

# latency: a run of each model with its copies to and from the device.
latency() {
	local m rc=0 dims
	for m in "${models[@]}"; do
		case $m in
		yunet*) dims=(--dim batch=1 --dim height=320 --dim width=320) ;;
		byte*) dims=(--dim batch=1 --dim length=64) ;;
		*) dims=() ;;
		esac
		"$mlc" bench "$dir/models/$m/model.onnx" --target cuda --runs 200 "${dims[@]}" || rc=1
	done
	return $rc
}

bench() { "$dir/gpubench" -json "$out/gpubench.json"; }

# sanitize TOOL: all of sane in one process each.
sanitize() {
	local tool=$1 m rc=0 log
	[ -n "$sanitizer" ] || { echo "no compute-sanitizer on this machine"; return 77; }
	for m in "${sane[@]}"; do
		echo "== $tool $m"
		log=$("$sanitizer" --tool "$tool" --error-exitcode 99 "$mlc" verify --engine cuda "$dir/models/$m" 2>&1)
		local one=$?
		echo "$log"
		if grep -qiE 'device not supported|failed to initialize|unable to (find|load)|target application (terminated|returned) before first' <<<"$log"; then
			echo "compute-sanitizer does not work on this machine"
			return 77
		fi
		[ $one -eq 0 ] || rc=1
	done
	return $rc
}

doctor() {
	"$mlc" doctor --json >"$out/doctor.json"
	local text
	text=$("$mlc" doctor)
	echo "$text"
	# A GPU that works has a capability.
	grep cuda <<<"$text" | grep 'compute capability'
}

run() {
	dir=$(cd "$1" && pwd) || exit 2
	out=${2:-$dir/out}
	mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2
	mlc=$dir/mlc
	[ -x "$mlc" ] || { echo "no $mlc: prepare $dir first" >&2; exit 2; }
	: >"$out/cuda.txt"
	# Where containers have the driver, and toolkits the sanitizer.
	export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/local/nvidia/lib64:/usr/lib/wsl/lib
	sanitizer=$(PATH=$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer:/opt/cuda/bin command -v compute-sanitizer)
	export -f verify bench sanitize doctor tests kernels modules latency
	export dir out mlc sanitizer
	# An array does not go to another shell.
	export SANE="${sane[*]}" MODELS="${models[*]}"
	local in_shell=(bash -c 'set -uo pipefail; read -ra sane <<<"$SANE"; read -ra models <<<"$MODELS"; "$@"' part)

	# Tensor cores from 7.5 on; later ones take larger tiles.
	local half=cuda:sm_80+f16
	if grep -q 'compute capability 7' <<<"$("$mlc" doctor)"; then half=cuda+f16; fi

	part doctor "${in_shell[@]}" doctor
	part verify "${in_shell[@]}" verify verify cuda 1e-3 1e-5 "$dir/corpus-tolerances.tsv" "${models[@]}"
	part verify-f16 "${in_shell[@]}" verify verify-f16 "$half" 2e-2 2e-2 '' "${halves[@]}"
	part kernels "${in_shell[@]}" kernels
	part modules "${in_shell[@]}" modules
	part gpubench "${in_shell[@]}" bench
	part latency "${in_shell[@]}" latency
	local tool
	for tool in "${sanitizers[@]}"; do
		part "sanitizer-$tool" "${in_shell[@]}" sanitize "$tool"
	done

	local joined
	joined=$(printf ',\n  %s' "${parts[@]}")
	printf '{"schema": "cuda.sh/1", "failed": %s, "parts": [\n  %s\n]}\n' "$([ $failed -eq 0 ] && echo false || echo true)" "${joined#,
  }" >"$out/cuda.json"
	echo "in $out: cuda.txt, cuda.json; $SECONDS s"
	return $failed
}

case ${1:-} in
prepare)
	[ $# -eq 2 ] || usage
	prepare "$2"
	;;
run)
	[ $# -eq 2 ] || [ $# -eq 3 ] || usage
	run "$2" "${3:-}"
	;;
'' | -*) usage ;;
*)
	[ $# -le 2 ] || usage
	prepare "$1" && run "$1" "${2:-}"
	;;
esac
