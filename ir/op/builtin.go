package op

import "github.com/mlc-go/mlc/ir"

// Set is a table of operators.
type Set = ir.OpSet

// families lists every family's entries; a family is a function so that the
// table is made anew for each Set and nothing is shared or global.
var families = []func() []*ir.OpDef{
	arithOps,
	quantizeOps, qlinearOps, fakeQuantOps,
	castOps,
	softmaxOps,
	reduceOps,
	logicOps,
	compareOps,
	activationOps,
	unaryOps, roundingOps, eluOps, reduceNormOps,
	shapeOps, movementOps, joinOps, padOps, indexOps, constantOps, rangeOps, resizeOps, controlOps, fusedOps,
	matmulOps,
	convOps,
	poolOps,
	normOps,
	rnnOps,
	lossOps,
}

// Builtin makes the table of all built-in operators.
func Builtin() *Set {
	s, err := ir.NewOpSet()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		for _, d := range f() {
			if err := s.Add(d); err != nil {
				panic(err) // two entries of one name: a fault of this package, caught by its test
			}
		}
	}
	return s
}
