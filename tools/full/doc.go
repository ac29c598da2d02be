// Command full runs every check that takes longer than a coffee: conformance
// at all levels and CPU caps, each pass checked by execution, node orders
// shuffled, kernels and artifacts of arm64 under qemu, the race detector, the
// accuracy of what is trained, compressed and distilled, and every fuzz target
// for a minute.
//
//	go run ./tools/full                     everything that is not done yet
//	go run ./tools/full -list               the jobs and their state
//	go run ./tools/full -job 'arm64|verify' only jobs whose name matches
//	go run ./tools/full -job '^accuracy/'   the table of accuracytable.go: means over seeds against their bars
//	go run ./tools/full -fresh              forget what was done
//
// It can be stopped at any moment and goes on where it was: .full/ keeps, for
// this very state of the sources, which jobs have ended, and their logs. A job
// that failed runs again. docs/full.md gets the summary of
// a whole run, docs/accuracy.md that of the table (-summary docs/accuracy.md). Jobs that need
// MLC_SHARED or qemu are reported as skipped where these are missing, and fail
// under CI=true.
package main
