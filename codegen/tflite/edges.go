package tflite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Int8 edges: a float input that is quantized at once becomes the bytes that the
// network reads, a float result that is dequantized last the bytes that it is
// made of. The module is changed so before layouts are chosen; ports that are
// no floats stay what they are.

// views change extents or the order of axes, and pass bytes on.
var views = []string{"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"}

// bounded are the activations whose int8 form has steps of its own.
var bounded = map[string]code{"Softmax": opSoftmax, "LogSoftmax": opLogSoftmax, "Sigmoid": opLogistic, "Tanh": opTanh}

func (x *exporter) byteEdges() error {
	if !slices.ContainsFunc(x.f.Nodes, func(n *ir.Node) bool { return n.Is("QuantizeLinear") || n.Is("DequantizeLinear") }) {
		return diag.New(diag.Unsupported, "--tflite-edges=%s: the model is not quantized (--quantize int8 --calib DATA quantizes it)", Int8)
	}
	for _, p := range x.f.Params {
		if p.Type.DType != dtype.F32 {
			continue
		}
		if err := x.enterBytes(p); err != nil {
			x.refuseEdge("input", p.Name, err)
		}
	}
	for i, r := range x.f.Results {
		if r.Value.Type.DType != dtype.F32 {
			continue
		}
		if err := x.leaveBytes(i, r.Value); err != nil {
			x.refuseEdge("output", r.Name, err)
		}
	}
	return x.faults.Err()
}

func (x *exporter) refuseEdge(what, name string, err error) {
	x.faults = append(x.faults, &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("%s %q", what, name), Err: fmt.Errorf("--tflite-edges=%s: %w", Int8, err)})
}

// enterBytes makes p bytes, which are dequantized where p was read. The
// quantization that follows undoes that.
func (x *exporter) enterBytes(p *ir.Value) error {
	q, err := entrySteps(p, nil)
	if err != nil {
		return err
	}
	if q == nil {
		return errors.New("nothing quantizes it")
	}
	readers := slices.Clone(p.Uses())
	p.Type.DType = dtype.I8
	b := ir.NewBuilder(x.f, 0, op.Builtin())
	wide := b.Op("DequantizeLinear", nil, q.inputs(b, p)...)
	if b.Err() != nil {
		return b.Err()
	}
	for _, u := range readers {
		u.Node.SetIn(u.Index, wide)
	}
	return nil
}

// inputs are those of a QuantizeLinear or DequantizeLinear of v.
func (q *quant) inputs(b *ir.Builder, v *ir.Value) []*ir.Value {
	return []*ir.Value{v, b.Const(tensor.Scalar(dtype.F32, float64(q.scale[0]))), b.Const(tensor.Scalar(dtype.I8, float64(q.zero[0])))}
}

// entrySteps are the steps in which all readers of v quantize it, behind views
// perhaps; have are those found so far.
func entrySteps(v *ir.Value, have *quant) (*quant, error) {
	for _, u := range v.Uses() {
		n := u.Node
		switch {
		case n == nil:
			return nil, errors.New("it is an output too")
		case n.Is("QuantizeLinear") && u.Index == 0:
			q := quantOf(n)
			if q == nil || len(q.scale) != 1 || n.Out[0].Type.DType == dtype.I32 {
				return nil, fmt.Errorf("QuantizeLinear %q: %w", n.Label(), errQuantForm)
			}
			if have != nil && !have.same(q) {
				return nil, errors.New("it is quantized in two ways")
			}
			have = q
		case u.Index == 0 && slices.Contains(views, n.OpName()):
			var err error
			if have, err = entrySteps(n.Out[0], have); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%s %q reads it as %s (supported: inputs that are quantized at once)", n.OpName(), n.Label(), v.Type.DType)
		}
	}
	return have, nil
}

// leaveBytes makes result i the bytes that v is made of.
func (x *exporter) leaveBytes(i int, v *ir.Value) error {
	q, err := exitSteps(v)
	if err != nil {
		return err
	}
	if v.Node.Is("DequantizeLinear") {
		x.f.SetResult(i, v.Node.In[0])
		return nil
	}
	n := v.Node
	if bounded[n.OpName()] != 0 && !n.In[0].Node.Is("DequantizeLinear") { // bytes behind views, which pass them on
		from, err := exitSteps(n.In[0])
		if err != nil {
			return err
		}
		b := ir.NewBuilder(x.f, n.Index(), op.Builtin())
		bytes := b.Op("QuantizeLinear", nil, from.inputs(b, n.In[0])...)
		wide := b.Op("DequantizeLinear", nil, from.inputs(b, bytes)...)
		if b.Err() != nil {
			return b.Err()
		}
		n.SetIn(0, wide)
	}
	b := ir.NewBuilder(x.f, n.Index()+1, op.Builtin())
	bytes := b.Op("QuantizeLinear", nil, q.inputs(b, v)...)
	if b.Err() != nil {
		return b.Err()
	}
	x.f.SetResult(i, bytes)
	return nil
}

// exitSteps are the steps of a result: those that it was dequantized from,
// behind views perhaps, or those of the builtin that makes it of bytes.
func exitSteps(v *ir.Value) (*quant, error) {
	n := v.Node
	if n == nil {
		return nil, errors.New("it is an input too")
	}
	switch name := n.OpName(); {
	case quantOf8(n) != nil && n.In[0].Const() == nil:
		return quantOf8(n), nil
	case slices.Contains(views, name):
		return exitSteps(n.In[0])
	case bounded[name] != 0:
		if _, err := exitSteps(n.In[0]); err != nil {
			return nil, err
		}
		return fixedSteps(bounded[name]), nil
	}
	return nil, fmt.Errorf("%s %q makes it in float, and nothing says its steps (supported: outputs that are dequantized last, and activations with bounds after that)", n.OpName(), n.Label())
}
