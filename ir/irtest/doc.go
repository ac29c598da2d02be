// Package irtest runs golden tests written in .mir. A test file is a txtar
// archive: its comment holds commands, one a line (# begins a remark), its
// sections the texts. The verbs parse, verify, infer, exec, count and not are
// here; verbs that need what stands above (pass, pipeline, lower, run, export)
// are passed in by the test that has them. With the flag -update the sections
// named want* are rewritten, and nothing else. docs/testing.md describes the
// verbs.
//
// It also makes random modules and inputs for fuzzing. It must not know a
// pass or a backend.
//
//	irtest.Runner{Ops: op.Builtin(), Verbs: verbs}.Dir(t, "../testdata/mir/passes")
package irtest
