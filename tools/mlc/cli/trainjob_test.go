package cli

import (
	"context"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/frontend/nn"
	"github.com/mlc-go/mlc/frontend/train"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
)

// compiles counts what an executor compiles.
type compiles struct {
	ir.Executor
	n int
}

func (c *compiles) Compile(ctx context.Context, m *ir.Module) (ir.Exec, error) {
	c.n++
	return c.Executor.Compile(ctx, m)
}

// With a teacher, what is pruned or quantized is asked for its scores twice,
// and scored once.
func TestScoredOnce(t *testing.T) {
	d, err := data.Random(20, 1, []data.Field{{Name: "x", DType: dtype.F32, Dims: []int{2}}, {Name: "y", DType: dtype.I64, Dims: []int{}, Target: true}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := nn.Named("mlp:4", nn.Input{Name: "x", Dims: []int{2}}, 2, nn.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, x, c := context.Background(), &compiles{Executor: codegen.NewExecutor(codegen.Options{}, 1)}, train.Config{Loss: train.CrossEntropy, Batch: 8}
	j := newTrainJob()
	j.model, j.train, j.val = m, d, d
	first, err := j.evaluate(ctx, x, m, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := j.score(ctx, x, m, c, nil)
	if err != nil || float64(r.Loss) != first.Loss || x.n != 1 {
		t.Errorf("%v and %v of %d runs, %v", first, r, x.n, err)
	}
	if _, err := j.score(ctx, x, m.Clone(), c, nil); err != nil || x.n != 2 {
		t.Errorf("another model: %d runs, %v", x.n, err)
	}
}
