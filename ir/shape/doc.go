// Package shape holds Dim, the extent of one axis: an integer or a symbolic
// expression over named dimensions, and the arithmetic and broadcasting of
// such extents. It knows no tensor type and no operator; the bounds of symbols
// belong to the module and are passed in.
//
// Expressions are kept in one canonical form (a polynomial over symbols, floor
// quotients and broadcasts), so that two dims are provably equal exactly when
// their texts are.
//
//	n := shape.Sym("N")
//	n.Mul(shape.Int(2)).Add(n).String() == "(3*N)"
package shape
