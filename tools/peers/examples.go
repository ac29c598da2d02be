package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	export "github.com/mlc-go/mlc/codegen/onnx"
	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
)

// examples writes one folder for each example of the table that the opset can
// say, with its inputs and outputs as data.
func examples(out string, opset int) error {
	ops := op.Builtin()
	for _, d := range ops.All() {
		if d.Domain == "mlc" {
			continue
		}
		for i := range d.Examples {
			ex := &d.Examples[i]
			m, args, err := exampleModule(ops, d, ex)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", d.FullName(), ex.Name, err)
			}
			var buf bytes.Buffer
			err = export.Export(&buf, m, export.Options{Opset: opset, Ops: ops})
			if diag.KindOf(err) == diag.Unsupported && err != nil {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", d.FullName(), ex.Name, err)
			}
			dir := filepath.Join(out, d.FullName()+"_"+strings.Map(plain, ex.Name))
			if err := put(filepath.Join(dir, "model.onnx"), buf.Bytes()); err != nil {
				return err
			}
			if err := data(dir, "input", args); err != nil {
				return err
			}
			if err := data(dir, "output", ex.Out); err != nil {
				return err
			}
		}
	}
	return nil
}

func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

// exampleModule has floats as inputs and all else, which tends to be shapes,
// axes and lengths, as constants.
func exampleModule(ops *ir.OpSet, d *ir.OpDef, ex *ir.Case) (*ir.Module, []tensor.Value, error) {
	m := ir.NewModule("example")
	f := m.AddFunc("main")
	b := ir.NewBuilder(f, -1, ops, "n")
	in := make([]*ir.Value, len(ex.In))
	var args []tensor.Value
	for i, v := range ex.In {
		switch {
		case v.Kind == tensor.KindNone:
		case v.Kind != tensor.KindTensor || v.Tensor.DType().IsFloat() && v.Tensor.Len() > 1:
			in[i] = f.AddParam(fmt.Sprintf("x%d", len(args)), v.Type())
			args = append(args, v)
		default:
			in[i] = b.Const(v.Tensor)
		}
	}
	var regions []*ir.Func
	if ex.Regions != nil {
		regions = ex.Regions(b)
	}
	vals := b.OpN(d.FullName(), len(ex.Out), ex.Attrs, regions, in...)
	for i, v := range vals {
		if ex.Out[i].Kind != tensor.KindNone {
			f.AddResult(fmt.Sprintf("y%d", len(f.Results)), v)
		}
	}
	return m, args, b.Err()
}

func data(dir, kind string, vs []tensor.Value) error { return dataSet(dir, 0, kind, vs) }

// dataSet is data of one of several sets.
func dataSet(dir string, set int, kind string, vs []tensor.Value) error {
	k := 0
	for _, v := range vs {
		if v.Kind != tensor.KindTensor {
			continue
		}
		p := &onnxpb.TensorProto{DataType: proto.Int32(v.Tensor.DType().ONNX()), RawData: v.Tensor.Bytes()}
		for _, n := range v.Tensor.Dims() {
			p.Dims = append(p.Dims, int64(n))
		}
		for _, s := range v.Tensor.Strings() {
			p.StringData = append(p.StringData, []byte(s))
		}
		b, err := proto.Marshal(p)
		if err != nil {
			return err
		}
		if err := put(filepath.Join(dir, fmt.Sprintf("test_data_set_%d", set), fmt.Sprintf("%s_%d.pb", kind, k)), b); err != nil {
			return err
		}
		k++
	}
	return nil
}
