// Package plan is the machine-bound form of a model: a Program of kernel
// calls over slots, with packed constants, live ranges and symbolic extents.
// Backends make it, runtime/artifact stores it, runtime/exec runs it. It names
// kernels by ID only and knows none; it knows no module and no operator table.
//
// Layout places every buffer of a function for given values of the symbols;
// it is deterministic, so that an artifact plans memory the same way on every
// machine.
package plan
