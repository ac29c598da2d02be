// Package passes is the middle of the compiler: which passes there are, in
// which order, and the driver that runs them, checks each, measures it and
// says what it did. Passes themselves stand in the packages below; this one
// knows them all and no backend.
//
//	rep, err := passes.Run(ctx, m, passes.Options{Ops: op.Builtin(), Options: rewrite.Options{Level: 2}})
package passes
