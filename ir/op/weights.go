package op

import "github.com/mlc-go/mlc/ir"

// weightPorts are the inputs in which an operator takes what is learnt.
var weightPorts = map[string][]int{
	"Conv": {1, 2}, "ConvTranspose": {1, 2}, "MatMul": {0, 1}, "Gemm": {1, 2}, "LSTM": {1, 2, 3, 7},
	"BatchNormalization": {1, 2}, "LayerNormalization": {1, 2}, "PRelu": {1}, "Gather": {0},
}

// WeightPorts lists the inputs of d in which a constant float is a weight that
// training changes; the caller must not change it. Constants elsewhere (pads,
// bounds, a preprocessing's mean) are no weights.
func WeightPorts(d *ir.OpDef) []int { return weightPorts[d.FullName()] }

// Biased says whether the sum of d's result and a constant vector is a bias of
// d's, so that the vector is a weight too.
func Biased(d *ir.OpDef) bool {
	switch d.FullName() {
	case "Conv", "ConvTranspose", "MatMul", "Gemm":
		return true
	}
	return false
}
