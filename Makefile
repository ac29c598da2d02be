# Short names for Go tools; none of these is needed to build or to test.
T ?= 30s

.PHONY: check test golden fuzz bench gen docs full release

check:
	.ci/run lint
	go test ./tools/...
	.ci/run cross

test:
	go test ./...

golden:
	go test ./ir/irtest ./passes -update

fuzz:
	go run ./tools/full -fresh -job '^fuzz/' -fuzz $(T)

bench:
	go test ./runtime/kernel/gemm -run '^$$' -bench .
	go run ./tools/mlc bench testdata/models/digits.onnx testdata/models/tagger.onnx --duration 2s

gen:
	go test ./runtime/kernel/all -run TestGenRef -update
	go test ./codegen/gosrc -run TestKernelVars -update
	go run ./tools/asmgen
	go run ./tools/mkmodels
	$(MAKE) docs

docs:
	go run ./tools/opdoc
	go test ./tools/mlc/cli -run 'TestDocsFresh|TestCUDADoc' -update

full:
	go run ./tools/full

# An mlc that carries the stubs of executables.
release:
	go run ./tools/release -o mlc
