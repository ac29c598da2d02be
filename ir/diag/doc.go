// Package diag holds the one error type of mlc.
//
// Every fault that a user can meet, whether in a flag, a model file, data or
// our own code, is a *diag.Error with a Kind and the most specific locus that
// is known. Beside it lives the hint behind an unknown name (DidYouMean), and
// nothing else; the package imports the standard library only, because
// everything else imports it.
//
//	return &diag.Error{Kind: diag.Shape, Node: "conv1", Op: "Conv-11", Constraint: "C5",
//		Port: "W input channels", Have: "16", Want: "3 (X channels / group 1)"}
package diag
