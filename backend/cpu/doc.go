// Package cpu lowers a Module to a plan.Program for CPUs: it chooses kernels
// and constant formats for each node, turns views into aliases, computes live
// ranges, and packs constants. It works for a target it does not run on: all
// that it asks of a kernel is its Desc and its format's packer.
//
// Choosing is in select*.go, one function per operator family; a node that no
// function takes runs as its reference function, with a remark.
package cpu
