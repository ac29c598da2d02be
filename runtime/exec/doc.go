// Package exec runs a plan.Program with a given kernel Set. It binds kernels
// to instructions, places buffers for each combination of symbol values that
// it meets, and walks the instructions; it knows no kernel by name, no file
// format and no operator beyond what the plan says.
//
// A Model is immutable and safe for concurrent use; a Session belongs to one
// goroutine at a time and does not allocate once it has met a combination of
// extents, except for values whose extents only the run knows.
package exec
