// Command opdoc generates what derives from the tables of operators, passes
// and kernels:
//
//	go run ./tools/opdoc            everything
//	go run ./tools/opdoc build      ir/build/gen_ops.go, the typed builder
//	go run ./tools/opdoc ops        docs/ops.md
//	go run ./tools/opdoc status     docs/status.md
//	go run ./tools/opdoc passes     docs/passes.md
//	go run ./tools/opdoc kernels    docs/kernels.md
//
// Run it from the root of the repository after changing a table; a test fails
// where a generated file is stale. docs/cli.md derives from the flags of
// tools/mlc/cli and is written by that package's test under -update.
package main
