package passes

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/canon"
	"github.com/mlc-go/mlc/passes/cse"
	"github.com/mlc-go/mlc/passes/dce"
	"github.com/mlc-go/mlc/passes/fold"
	"github.com/mlc-go/mlc/passes/fuse"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Stage is a run of passes under one name. A pass may stand in several.
type Stage struct {
	Name   string
	Repeat bool // until nothing changes
	Passes []pass.Pass
}

// The stages after which a module has a name of its own (`mlc build
// --compile-to`).
const (
	Canonical = "canonical" // portable, printable, exportable; what lossy passes take
	Weighted  = "weights"   // with normalization gone into weights
	Optimized = "optimized" // with groups; what backends take
)

// Pipeline is every pass that runs unasked, in running order.
func Pipeline() []Stage {
	return []Stage{
		{Name: "clean", Repeat: true, Passes: []pass.Pass{
			fold.Pass(),
			canon.Branches(),
			canon.Pass(),
			cse.Pass(),
			dce.Pass(),
		}},
		{Name: Canonical, Passes: []pass.Pass{
			canon.Order(),
		}},
		{Name: Weighted, Repeat: true, Passes: []pass.Pass{
			fuse.ConvBN(),
			fuse.GemmBN(),
			fuse.MatMulBN(),
			fuse.ConvScale(),
			fuse.ConvBias(),
		}},
		{Name: "quantized", Passes: []pass.Pass{
			fuse.QGroup(),
		}},
		{Name: "constants", Repeat: true, Passes: []pass.Pass{
			fuse.NormAffine(),
			fuse.Expand(),
			fold.Pass(),
			cse.Pass(),
			dce.Pass(),
		}},
		{Name: Optimized, Passes: []pass.Pass{
			fuse.Epilogue(),
			fuse.Eltwise(),
			canon.Order(),
		}},
	}
}

// Constraint says that every run of pass Before is followed by one of pass After,
// and why.
type Constraint struct{ Before, After, Why string }

// Order is what any change of Pipeline must keep; a test checks it.
func Order() []Constraint {
	return []Constraint{
		{"fold", "cse", "constants of equal value are merged only once they are computed"},
		{"fold", "dce", "the operands of a folded node are left without readers"},
		{"inline-if", "canon", "an inlined branch brings operators that do nothing"},
		{"canon", "fuse-conv-bn", "an Identity, Dropout or Pad between two operators hides them from each other"},
		{"canon", "fuse-epilogue", "the same for groups"},
		{"cse", "fuse-epilogue", "equal operators in two groups are no longer seen to be equal"},
		{"fuse-conv-bn", "fold", "rules emit operators on constants, fold computes them"},
		{"fuse-conv-scale", "fuse-conv-bias", "in conv*s+b the product must go before the sum can"},
		{"fuse-conv-bias", "fuse-epilogue", "a bias inside the convolution costs nothing, one in the epilogue a little"},
		{"fuse-matmul-bn", "fuse-epilogue", "its Add is a bias for the epilogue"},
		{"fuse-conv-bn", "fuse-norm-affine", "what can go into weights should not become arithmetic"},
		{"expand-eltwise", "fuse-epilogue", "what it writes joins groups"},
		{"fuse-norm-affine", "fuse-eltwise", "its Mul and Add join elementwise groups"},
		{"fuse-qgroup", "expand-eltwise", "a function of one byte is a table, however it is said"},
		{"fuse-qgroup", "fuse-epilogue", "an epilogue would hide a convolution from its QuantizeLinear"},
		{"fuse-epilogue", "fuse-eltwise", "work beside a product is cheaper than a loop of its own"},
		{"fuse-eltwise", "order-nodes", "the order of the result must not depend on how passes left it"},
	}
}

// Names lists the passes of the pipeline, each once, in running order.
func Names() []string {
	var out []string
	for _, s := range Pipeline() {
		for _, p := range s.Passes {
			if !slices.Contains(out, p.Name) {
				out = append(out, p.Name)
			}
		}
	}
	return out
}

// All lists the passes of the pipeline, each once, in running order.
func All() []pass.Pass {
	var out []pass.Pass
	for _, s := range Pipeline() {
		for _, p := range s.Passes {
			if !slices.ContainsFunc(out, func(q pass.Pass) bool { return q.Name == p.Name }) {
				out = append(out, p)
			}
		}
	}
	return out
}

// Func makes a pass of a function, run by name only.
func Func(name, doc string, f func(*rewrite.Ctx, *ir.Module) error) pass.Pass {
	return pass.Pass{Name: name, Doc: doc, Level: pass.Manual, Run: f}
}
