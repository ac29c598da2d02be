package cuda

import "github.com/mlc-go/mlc/runtime/kernel/eltwise"

// generators has an entry for each host call that some kernel computes, by
// plan.Instr.Name.
var generators = map[string]generator{
	eltwise.OpF32: eltwiseF32,
	"gemm.f32":    gemmF32,
	"matmul.f32":  matmulF32,
}
