package onnx

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime/debug"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/tools/need"
)

// edit changes something about a model that a file could say: a person's
// mistake or an attacker's attempt, of a kind that random bytes rarely reach.
func edit(r *rand.Rand, p *onnxpb.ModelProto) {
	g := p.GetGraph()
	if g == nil {
		return
	}
	var names []string
	for _, i := range g.Input {
		names = append(names, i.GetName())
	}
	for _, t := range g.Initializer {
		names = append(names, t.GetName())
	}
	for _, n := range g.Node {
		names = append(names, n.Output...)
	}
	name := func() string { return names[r.IntN(len(names))] }
	if len(names) == 0 || len(g.Node) == 0 {
		return
	}
	n := g.Node[r.IntN(len(g.Node))]
	switch r.IntN(10) {
	case 0: // another value
		if len(n.Input) > 0 {
			n.Input[r.IntN(len(n.Input))] = name()
		}
	case 1: // no value
		if len(n.Input) > 0 {
			n.Input[r.IntN(len(n.Input))] = ""
		}
	case 2: // one input fewer, or more
		if len(n.Input) > 0 && r.IntN(2) == 0 {
			n.Input = n.Input[:len(n.Input)-1]
		} else {
			n.Input = append(n.Input, name())
		}
	case 3, 4: // another attribute
		editAttr(r, n)
	case 5: // another extent
		if in := g.Input[r.IntN(len(g.Input))]; in.GetType().GetTensorType().GetShape() != nil {
			dims := in.Type.GetTensorType().Shape
			switch k := len(dims.Dim); {
			case k > 0 && r.IntN(3) > 0:
				dims.Dim[r.IntN(k)].Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: extremes[r.IntN(len(extremes))]}
			case k > 0 && r.IntN(2) == 0:
				dims.Dim = dims.Dim[1:]
			default:
				dims.Dim = append(dims.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "P"}})
			}
		}
	case 6: // no shape, or another element type
		in := g.Input[r.IntN(len(g.Input))]
		if t := in.GetType().GetTensorType(); t != nil {
			if r.IntN(2) == 0 {
				t.Shape = nil
			} else {
				t.ElemType = proto.Int32(1 + r.Int32N(16))
			}
		}
	case 7: // one output fewer, or more
		if len(n.Output) > 1 && r.IntN(2) == 0 {
			n.Output = n.Output[:len(n.Output)-1]
		} else {
			n.Output = append(n.Output, fmt.Sprint("more", r.IntN(99)))
		}
	case 8: // an input becomes a constant of small or strange numbers
		i := r.IntN(len(g.Input))
		freeze(r, g, i)
	case 9:
		if len(p.OpsetImport) > 0 {
			p.OpsetImport[0].Version = proto.Int64(int64(7 + r.IntN(22)))
		}
	}
}

var extremes = []int64{0, 1, 2, 3, 5, 7, -1, -2, -7, 1 << 31, 1<<63 - 1, -1 << 63, 1 << 40, 64}

func editAttr(r *rand.Rand, n *onnxpb.NodeProto) {
	if len(n.Attribute) == 0 {
		return
	}
	i := r.IntN(len(n.Attribute))
	a := n.Attribute[i]
	switch {
	case r.IntN(4) == 0:
		n.Attribute = append(n.Attribute[:i], n.Attribute[i+1:]...)
	case a.I != nil:
		a.I = proto.Int64(extremes[r.IntN(len(extremes))])
	case len(a.Ints) > 0 && r.IntN(3) == 0:
		a.Ints = a.Ints[1:]
	case len(a.Ints) > 0 && r.IntN(3) == 0:
		a.Ints = append(a.Ints, extremes[r.IntN(len(extremes))])
	case len(a.Ints) > 0:
		a.Ints[r.IntN(len(a.Ints))] = extremes[r.IntN(len(extremes))]
	case a.F != nil:
		a.F = proto.Float32([]float32{0, -1, 1e30, 1e-30}[r.IntN(4)])
	case a.S != nil:
		a.S = []byte("SAME_UPPER")
	}
}

// freeze gives input i of the graph a value in the file.
func freeze(r *rand.Rand, g *onnxpb.GraphProto, i int) {
	t := g.Input[i].GetType().GetTensorType()
	if t == nil {
		return
	}
	d, ok := dtype.FromONNX(t.GetElemType())
	if !ok || d == dtype.String {
		return
	}
	p := &onnxpb.TensorProto{Name: g.Input[i].Name, DataType: t.ElemType}
	count := 1
	for _, e := range t.GetShape().GetDim() {
		k := e.GetDimValue()
		if k < 0 || k > 64 {
			k = 2
		}
		count *= int(k)
		p.Dims = append(p.Dims, k)
		if count > 4096 {
			return
		}
	}
	v := tensor.New(d, count)
	for k := range count {
		if d.IsInt() {
			v.SetInt(k, extremes[r.IntN(len(extremes))])
		}
	}
	p.RawData = v.Bytes()
	if p.RawData == nil {
		p.RawData = []byte{}
	}
	g.Initializer = append(g.Initializer, p)
}

// survives imports, verifies and runs an edited model. Faults of models are
// fine; panics, internal errors and endless work are not.
func survives(ops *ir.OpSet, b []byte) (err error) {
	stage := "decode"
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s panics: %v\n%s", stage, r, debug.Stack())
		}
	}()
	raw, err := DecodeBytes(b, nil, DecodeOptions{MaxMemory: 64 << 20})
	if err != nil {
		return nil
	}
	defer raw.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stage = "import"
	m, err := Import(ctx, raw, ImportOptions{Ops: ops})
	if err != nil {
		if ctx.Err() != nil || diag.KindOf(err) == diag.Internal {
			return fmt.Errorf("import: %w", err)
		}
		return nil
	}
	stage = "verify"
	if err := verify.Module(m); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	stage = "run"
	in, ok := anyInputs(m)
	if !ok {
		return nil
	}
	_, err = eval.Run(ctx, m, in, eval.Limit(32<<20))
	if err != nil && diag.KindOf(err) == diag.Internal && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// anyInputs are zeros of small extents.
func anyInputs(m *ir.Module) ([]tensor.Value, bool) {
	var in []tensor.Value
	for _, p := range m.Main().Params {
		if !p.Type.IsTensor() {
			return nil, false
		}
		var dims []int
		count := 1
		for _, d := range p.Type.Dims {
			n, known := d.Const()
			if !known {
				n = 2
			}
			if n > 1<<16 {
				return nil, false
			}
			count *= int(n)
			if count > 1<<16 {
				return nil, false
			}
			dims = append(dims, int(n))
		}
		in = append(in, tensor.V(tensor.New(p.Type.DType, dims...)))
	}
	return in, true
}

// TestEditedModels edits ONNX's own tests.
func TestEditedModels(t *testing.T) {
	need.Time(t, "some seconds")
	files := shared(t, "corpus/onnx-node.tar.zst")
	ops := op.Builtin()
	const rounds = 3
	found := 0
	for i, name := range sortedNames(files) {
		if path.Base(name) != "model.onnx" || len(files[name].Data) > 4000 {
			continue
		}
		for k := range uint64(rounds) {
			b := edited(t, files[name].Data, uint64(i)*1000+k)
			if err := survives(ops, b); err != nil {
				if found++; found < 30 {
					t.Errorf("%s edited with seed %d: %v", name, uint64(i)*1000+k, err)
				}
			}
		}
	}
}

func edited(t testing.TB, b []byte, seed uint64) []byte {
	p := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(b, p); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 7))
	if len(p.GetGraph().GetInput()) == 0 {
		return b
	}
	for range 1 + r.IntN(3) {
		edit(r, p)
	}
	out, err := proto.Marshal(p)
	if err != nil {
		return b
	}
	return out
}
