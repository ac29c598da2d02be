package onnx

import (
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
)

func FuzzDecode(f *testing.F) {
	add := func(m *onnxpb.ModelProto) { f.Add(encode(f, m)) }
	add(everywhere())
	add(withInit(external("w", "w.bin", "offset", "2", "length", "4")))
	add(withInit(external("w", "../w.bin"), tensorOf("v", onnxpb.TensorProto_INT4, []byte{1, 2}, 3)))
	add(&onnxpb.ModelProto{})
	g := &onnxpb.GraphProto{Name: proto.String("leaf")}
	for range 70 {
		g = &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{branch(g)}}
	}
	add(model(g))
	f.Add([]byte("<html>"))
	f.Add([]byte{})
	folder := fstest.MapFS{"w.bin": {Data: []byte("0123456789")}}
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, err := DecodeBytes(b, folder, DecodeOptions{})
		if err != nil {
			ours(t, err)
			return
		}
		defer raw.Close()
		// What passes is what the ordinary decoder sees, and is whole.
		if err := proto.Unmarshal(b, &onnxpb.ModelProto{}); err != nil {
			t.Fatalf("decodes, but proto.Unmarshal says %v", err)
		}
		stubs := tensorsIn(raw.Model.ProtoReflect())
		if len(stubs) != len(raw.Tensors) {
			t.Fatalf("%d stubs, %d tensors", len(stubs), len(raw.Tensors))
		}
		for _, p := range stubs {
			checkPayload(t, raw.Tensor(p))
		}
	})
}

func FuzzDecodeTensor(f *testing.F) {
	add := func(p *tp) { f.Add(encode(f, p)) }
	add(tensorOf("t", onnxpb.TensorProto_FLOAT, make([]byte, 8), 2))
	add(tensorOf("t", onnxpb.TensorProto_BOOL, []byte{1, 2}, 2))
	add(tensorOf("t", onnxpb.TensorProto_FLOAT, nil, 1<<40, 1<<40))
	add(typed(onnxpb.TensorProto_FLOAT, []int64{2}, f32(1, 2)))
	add(typed(onnxpb.TensorProto_COMPLEX128, []int64{1}, f64(1, 2)))
	add(typed(onnxpb.TensorProto_INT8, []int64{3}, i32(-1, 255, 3)))
	add(typed(onnxpb.TensorProto_INT2, []int64{5}, i32(9, 1)))
	add(typed(onnxpb.TensorProto_FLOAT6E2M3, []int64{5}, i32(1, 2, 3, 4, 5)))
	add(typed(onnxpb.TensorProto_UINT32, []int64{1}, u64(7)))
	add(typed(onnxpb.TensorProto_INT64, nil, func(p *tp) { p.Int64Data = []int64{-7} }))
	add(typed(onnxpb.TensorProto_STRING, []int64{2}, func(p *tp) { p.StringData = [][]byte{[]byte("a"), nil} }))
	add(external("w", "w.bin"))
	s := &onnxpb.SequenceProto{ElemType: proto.Int32(1), TensorValues: []*tp{tensorOf("t", onnxpb.TensorProto_UINT8, []byte{1}, 1)}}
	f.Add(encode(f, s))
	f.Add(encode(f, &onnxpb.OptionalProto{ElemType: proto.Int32(3), SequenceValue: s}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeTensor(b); err != nil {
			ours(t, err)
		} else {
			checkPayload(t, r)
		}
		if s, err := DecodeSequence(b); err != nil {
			ours(t, err)
		} else {
			for _, r := range s.Tensors {
				checkPayload(t, r)
			}
		}
		if o, err := DecodeOptional(b); err != nil {
			ours(t, err)
		} else if o.Tensor != nil {
			checkPayload(t, o.Tensor)
		}
	})
}

// checkPayload reads a payload that decoding has let pass.
func checkPayload(t *testing.T, r *RawTensor) {
	t.Helper()
	n, err := r.Len()
	if err != nil {
		t.Fatal(err)
	}
	if r.DataType == codeString {
		s, err := r.Strings()
		if err != nil || int64(len(s)) != n {
			t.Fatalf("%d strings, want %d (%v)", len(s), n, err)
		}
		return
	}
	s, ok := storageOf(r.DataType)
	if !ok {
		t.Fatalf("data type %d passed", r.DataType)
	}
	b, err := r.Bytes() // values out of range are found only here
	if err != nil {
		ours(t, err)
	} else if int64(len(b)) != (n*int64(s.bits)+7)/8 {
		t.Fatalf("%d bytes for %d elements of %s", len(b), n, s.name)
	}
}
