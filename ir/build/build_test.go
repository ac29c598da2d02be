package build_test

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/build"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

func TestBuild(t *testing.T) {
	b := build.New("two", op.Builtin())
	n := b.Dim("N", 1, 8)
	x := b.Param("x", tensor.T(dtype.F32, n, shape.Int(2)))
	w := b.Weight("w", tensor.MustOf([]float32{1, 2}, 2))
	s := b.State("s", tensor.T(dtype.F32, shape.Int(2)), nil)
	y := b.Add(x, w)
	z := b.Concat([]*ir.Value{x, y}, 0)
	b.Update("s", b.Add(s, w))
	b.Result("y", b.Transpose(z, build.Perm(1, 0)))
	m, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Main().Results[1].Value.Type.String(); got != "f32[2,(2*N)]" {
		t.Errorf("result type %s, want f32[2,(2*N)]", got)
	}
	if m.Main().Results[0].State != m.States[0] || m.Main().Params[1].State != m.States[0] {
		t.Error("the state is not read and written")
	}
}

// The first error sticks and is what Finish gives; nothing panics after it.
func TestErrors(t *testing.T) {
	f := tensor.T(dtype.F32, shape.Int(2))
	for _, c := range []struct {
		name string
		make func(b *build.B)
		want string
	}{
		{"types", func(b *build.B) {
			b.Result("y", b.Add(b.Add(b.Param("x", f), b.Ints(1, 2)), nil))
		}, "element type of input B: have i64, want f32"},
		{"attribute twice", func(b *build.B) {
			b.Result("y", b.Transpose(b.Param("x", f), build.Perm(0), build.Perm(0)))
		}, "attribute perm is given twice"},
		{"param twice", func(b *build.B) { b.Param("x", f); b.Result("y", b.Param("x", f)) }, `name "x" is empty or taken`},
		{"result twice", func(b *build.B) { x := b.Param("x", f); b.Result("y", x); b.Result("y", x) }, `result "y" is given twice`},
		{"no result", func(b *build.B) { b.Param("x", f) }, `module "m" has no result`},
		{"dim", func(b *build.B) { b.Dim("N", 3, 2) }, `dim "N" 3..2`},
		{"state", func(b *build.B) { b.Update("s", b.Param("x", f)) }, `no state "s"`},
		{"data", func(b *build.B) { b.Result("y", b.F32([]float32{1, 2}, 3)) }, "from 2 elements"},
		{"nil", func(b *build.B) { b.Result("y", nil) }, `result "y" has no value`},
	} {
		b := build.New("m", op.Builtin())
		c.make(b)
		if _, err := b.Finish(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}
