// Command opdoc generates what derives from the table of operators:
//
//	go run ./tools/opdoc build     ir/build/gen_ops.go, the typed builder
//
// Run it from the root of the repository after changing the table; a test
// fails where a generated file is stale.
package main
