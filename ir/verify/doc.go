// Package verify checks that a Module is what the rest of mlc may assume: SSA
// structure, use lists, names, declarations, and every constraint and result
// type by inferring each node again. Passes are verified before and after, and
// importers at their end. It must not know an operator (OpDefs tell it), and
// it changes nothing.
//
//	if err := verify.Module(m); err != nil { ... } // a *diag.Error or diag.List, in order of the nodes
package verify
