// Package ir is the portable form of a model: a Module of functions over SSA
// values, with symbolic shapes, regions, states and provenance, and OpDef, the
// declaration of an operator from which everything else derives. It holds no
// operator (ir/op does), no text form, no pass and no kernel, and it never
// runs anything: Executor is an interface that others implement.
//
// A Module changes only through its methods and an Emitter, so that use lists
// stay right. Nodes of a Func stand in an order in which every value is
// defined before it is used.
package ir
