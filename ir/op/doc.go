// Package op holds THE table of operators: one entry each, grouped in one file
// per family. Everything that the project knows of an operator is declared
// here or reached from here: ports, attributes, constraints, inference, the
// reference function, upgrades, gradient, cost, examples. No other package
// may hold operator facts. The table is built by Builtin; nothing registers
// itself.
//
// Adding an operator is one entry here, one function in runtime/kernel/ref
// and, where it matters, a kernel; docs/add-an-op.md walks through it.
package op
