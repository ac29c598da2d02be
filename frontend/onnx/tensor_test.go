package onnx

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

type tp = onnxpb.TensorProto

func typed(dt onnxpb.TensorProto_DataType, dims []int64, set func(*tp)) *tp {
	p := tensorOf("t", dt, nil, dims...)
	set(p)
	return p
}

func i32(v ...int32) func(*tp)   { return func(p *tp) { p.Int32Data = v } }
func u64(v ...uint64) func(*tp)  { return func(p *tp) { p.Uint64Data = v } }
func f32(v ...float32) func(*tp) { return func(p *tp) { p.FloatData = v } }
func f64(v ...float64) func(*tp) { return func(p *tp) { p.DoubleData = v } }

func TestTypedPayloads(t *testing.T) {
	d := func(v ...int64) []int64 { return v }
	one := []byte{0, 0, 0x80, 0x3f}
	tests := []struct {
		name string
		p    *tp
		want []byte
	}{
		{"float", typed(onnxpb.TensorProto_FLOAT, d(2), f32(1, 0)), append(slices.Clone(one), 0, 0, 0, 0)},
		{"float scalar", typed(onnxpb.TensorProto_FLOAT, nil, f32(1)), one},
		{"complex64", typed(onnxpb.TensorProto_COMPLEX64, d(1), f32(1, 1)), append(slices.Clone(one), one...)},
		{"double", typed(onnxpb.TensorProto_DOUBLE, d(1), f64(1)), []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
		{"complex128", typed(onnxpb.TensorProto_COMPLEX128, d(1), f64(0, 1)), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
		{"int32", typed(onnxpb.TensorProto_INT32, d(2), i32(-2, 1)), []byte{0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0}},
		{"int8, both ways to write -1", typed(onnxpb.TensorProto_INT8, d(3), i32(-1, 255, 5)), []byte{0xff, 0xff, 5}},
		{"uint8", typed(onnxpb.TensorProto_UINT8, d(2), i32(0, 255)), []byte{0, 255}},
		{"int16", typed(onnxpb.TensorProto_INT16, d(1), i32(-2)), []byte{0xfe, 0xff}},
		{"uint16", typed(onnxpb.TensorProto_UINT16, d(1), i32(0xfedc)), []byte{0xdc, 0xfe}},
		{"bool", typed(onnxpb.TensorProto_BOOL, d(3), i32(0, 1, 2)), []byte{0, 1, 1}},
		{"float16", typed(onnxpb.TensorProto_FLOAT16, d(1), i32(0x3c00)), []byte{0, 0x3c}},
		{"bfloat16", typed(onnxpb.TensorProto_BFLOAT16, d(1), i32(0x3f80)), []byte{0x80, 0x3f}},
		{"float8", typed(onnxpb.TensorProto_FLOAT8E4M3FN, d(2), i32(0x38, 0xff)), []byte{0x38, 0xff}},
		{"int4, two a value", typed(onnxpb.TensorProto_INT4, d(3), i32(0x21, 0x0f)), []byte{0x21, 0x0f}},
		{"uint4", typed(onnxpb.TensorProto_UINT4, d(2), i32(0xf1)), []byte{0xf1}},
		{"float4", typed(onnxpb.TensorProto_FLOAT4E2M1, d(1), i32(7)), []byte{7}},
		{"int2, four a value", typed(onnxpb.TensorProto_INT2, d(5), i32(0xe4, 3)), []byte{0xe4, 3}},
		{"float6, packed from one a value", typed(onnxpb.TensorProto_FLOAT6E3M2, d(5), i32(1, 2, 3, 4, 63)), []byte{0x81, 0x30, 0x10, 0x3f}},
		{"int64", typed(onnxpb.TensorProto_INT64, d(1), func(p *tp) { p.Int64Data = []int64{-1} }), bytes.Repeat([]byte{255}, 8)},
		{"uint32", typed(onnxpb.TensorProto_UINT32, d(1), u64(math.MaxUint32)), bytes.Repeat([]byte{255}, 4)},
		{"uint64", typed(onnxpb.TensorProto_UINT64, d(1), u64(math.MaxUint64)), bytes.Repeat([]byte{255}, 8)},
		{"raw bool is made 0 or 1", tensorOf("t", onnxpb.TensorProto_BOOL, []byte{1, 0, 2}, 3), []byte{1, 0, 1}},
		{"raw int4", tensorOf("t", onnxpb.TensorProto_INT4, []byte{0x21, 3}, 3), []byte{0x21, 3}},
		{"raw float6", tensorOf("t", onnxpb.TensorProto_FLOAT6E2M3, []byte{1, 2, 3, 4}, 5), []byte{1, 2, 3, 4}},
		{"empty raw beside typed", typed(onnxpb.TensorProto_INT32, d(1), func(p *tp) { p.RawData = []byte{}; p.Int32Data = []int32{3} }), []byte{3, 0, 0, 0}},
		{"no elements, no data", tensorOf("t", onnxpb.TensorProto_FLOAT, nil, 0, math.MaxInt64, math.MaxInt64), nil},
		{"no elements, empty raw", tensorOf("t", onnxpb.TensorProto_FLOAT, []byte{}, 3, 0), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := DecodeTensor(encode(t, tt.p))
			if err != nil {
				t.Fatal(err)
			}
			b, err := r.Bytes()
			if err != nil || !bytes.Equal(b, tt.want) {
				t.Errorf("% x, %v, want % x", b, err, tt.want)
			}
		})
	}
}

// Lists may come packed, one by one, or in pieces; all mean the same.
func TestListsInPieces(t *testing.T) {
	head := encode(t, tensorOf("t", onnxpb.TensorProto_FLOAT, nil, 3))
	one, two, three := []byte{0, 0, 0x80, 0x3f}, []byte{0, 0, 0, 0x40}, []byte{0, 0, 0x40, 0x40}
	single := append(protowire.AppendTag(nil, tensorFloats, protowire.Fixed32Type), one...)
	packed := protowire.AppendBytes(protowire.AppendTag(nil, tensorFloats, protowire.BytesType), append(slices.Clone(two), three...))
	r, err := DecodeTensor(slices.Concat(single, head, packed))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.Bytes(); err != nil || !bytes.Equal(b, slices.Concat(one, two, three)) {
		t.Errorf("% x, %v", b, err)
	}

	head = encode(t, tensorOf("t", onnxpb.TensorProto_INT64, nil, 3))
	single = append(protowire.AppendTag(nil, tensorInt64s, protowire.VarintType), 1)
	packed = protowire.AppendBytes(protowire.AppendTag(nil, tensorInt64s, protowire.BytesType), []byte{2, 3})
	r, err = DecodeTensor(slices.Concat(packed, head, single))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := r.Bytes(); err != nil || b[0] != 2 || b[8] != 3 || b[16] != 1 {
		t.Errorf("% x, %v", b, err)
	}
}

func TestStrings(t *testing.T) {
	p := typed(onnxpb.TensorProto_STRING, []int64{3}, func(p *tp) { p.StringData = [][]byte{[]byte("a"), {}, []byte("\xff")} })
	r, err := DecodeTensor(encode(t, p))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.Strings(); err != nil || !slices.Equal(s, []string{"a", "", "\xff"}) {
		t.Errorf("%q, %v", s, err)
	}
	if _, err := r.Bytes(); err == nil {
		t.Error("strings have bytes")
	}
}

func TestBadTensors(t *testing.T) {
	both := tensorOf("t", onnxpb.TensorProto_FLOAT, make([]byte, 4), 1)
	both.FloatData = []float32{1}
	two := typed(onnxpb.TensorProto_FLOAT, []int64{1}, f32(1))
	two.Int32Data = []int32{1}
	chunk := tensorOf("t", onnxpb.TensorProto_FLOAT, make([]byte, 4), 1)
	chunk.Segment = &onnxpb.TensorProto_Segment{}
	tests := []struct {
		name string
		p    *tp
		want string
	}{
		{"short raw", tensorOf("t", onnxpb.TensorProto_FLOAT, make([]byte, 16), 128), "raw_data: have 16 bytes, want 512 for f32[128]"},
		{"long raw", tensorOf("t", onnxpb.TensorProto_INT4, make([]byte, 3), 3), "raw_data: have 3 bytes, want 2 for i4[3]"},
		{"data for no elements", tensorOf("t", onnxpb.TensorProto_INT8, make([]byte, 3), 0), "raw_data: have 3 bytes, want 0"},
		{"few values", typed(onnxpb.TensorProto_FLOAT, []int64{4}, f32(1, 2, 3)), "float_data: have 3 values, want 4 for f32[4]"},
		{"few complex values", typed(onnxpb.TensorProto_COMPLEX64, []int64{2}, f32(1, 2, 3)), "float_data: have 3 values, want 4 for c64[2]"},
		{"one value for each int4", typed(onnxpb.TensorProto_INT4, []int64{4}, i32(1, 2, 3, 4)), "have 4 values, want 2"},
		{"no data", tensorOf("t", onnxpb.TensorProto_FLOAT, nil, 2), "data: have none, want 8 bytes for f32[2]"},
		{"no strings", tensorOf("t", onnxpb.TensorProto_STRING, nil, 2), "data: have none, want 2 strings"},
		{"raw strings", tensorOf("t", onnxpb.TensorProto_STRING, []byte("ab"), 2), "have raw_data, want string_data"},
		{"raw and typed", both, "have both raw_data and float_data, want one"},
		{"two typed", two, "have both float_data and int32_data, want one"},
		{"wrong field", typed(onnxpb.TensorProto_FLOAT, []int64{1}, i32(1)), "have int32_data, want float_data or raw_data for f32"},
		{"negative dim", tensorOf("t", onnxpb.TensorProto_FLOAT, nil, 2, -1), "dims: have [2,-1], want no negative"},
		{"product overflows", tensorOf("t", onnxpb.TensorProto_INT8, nil, 1<<32, 1<<32, 1<<10), "want a product below 2^55"},
		{"bits overflow", tensorOf("t", onnxpb.TensorProto_COMPLEX128, nil, 1<<60), "want a product below 2^55"},
		{"no type", tensorOf("t", 0, nil, 1), "no data type"},
		{"unknown type", tensorOf("t", 29, nil, 1), "unknown data type 29"},
		{"negative type", tensorOf("t", -1, nil, 1), "unknown data type -1"},
		{"segment", chunk, "unsupported: segment"},
		{"external without a folder", external("t", "w.bin"), "w.bin at 0: no folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeTensor(encode(t, tt.p))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), `tensor "t": `) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			ours(t, err)
			if k := diag.KindOf(err); k != diag.BadData && k != diag.Unsupported {
				t.Errorf("kind %v", k)
			}
		})
	}
}

func TestValuesOutOfRange(t *testing.T) {
	for name, p := range map[string]*tp{
		"uint8":   typed(onnxpb.TensorProto_UINT8, []int64{1}, i32(256)),
		"int8":    typed(onnxpb.TensorProto_INT8, []int64{1}, i32(-129)),
		"float16": typed(onnxpb.TensorProto_FLOAT16, []int64{1}, i32(1<<16)),
		"float6":  typed(onnxpb.TensorProto_FLOAT6E2M3, []int64{1}, i32(64)),
		"uint32":  typed(onnxpb.TensorProto_UINT32, []int64{1}, u64(1<<32)),
	} {
		r, err := DecodeTensor(encode(t, p))
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := r.Bytes(); err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// Every data type of the schema has a storage, and dtype agrees on it.
func TestEveryDataTypeHasStorage(t *testing.T) {
	for code, name := range onnxpb.TensorProto_DataType_name {
		s, ok := storageOf(code)
		if ok != (code != 0) {
			t.Errorf("%s: known %v", name, ok)
		}
		if d, known := dtype.FromONNX(code); known && d.Bits() != s.bits {
			t.Errorf("%s: %d bits here, %d in dtype", name, s.bits, d.Bits())
		}
	}
}

func TestSequencesAndOptionals(t *testing.T) {
	x := tensorOf("", onnxpb.TensorProto_UINT8, []byte{1, 2}, 2)
	s := &onnxpb.SequenceProto{Name: proto.String("s"), ElemType: proto.Int32(1), TensorValues: []*tp{x, x}}
	got, err := DecodeSequence(encode(t, s))
	if err != nil || got.Name != "s" || len(got.Tensors) != 2 || got.Tensors[1].Raw[1] != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	o := &onnxpb.OptionalProto{ElemType: proto.Int32(3), SequenceValue: s}
	opt, err := DecodeOptional(encode(t, o))
	if err != nil || opt.Sequence == nil || len(opt.Sequence.Tensors) != 2 || opt.Tensor != nil {
		t.Errorf("%+v, %v", opt, err)
	}
	if opt, err := DecodeOptional(nil); err != nil || opt.Tensor != nil || opt.Sequence != nil {
		t.Errorf("empty optional: %+v, %v", opt, err)
	}
	m := &onnxpb.SequenceProto{ElemType: proto.Int32(4), MapValues: []*onnxpb.MapProto{{KeyType: proto.Int32(7), Keys: []int64{5, 6}, Values: s}}}
	got, err = DecodeSequence(encode(t, m))
	if err != nil || len(got.Maps) != 1 || got.Maps[0].Keys[1] != 6 || len(got.Maps[0].Values.Tensors) != 2 {
		t.Errorf("%+v, %v", got, err)
	}

	s.ElemType = proto.Int32(3)
	if _, err := DecodeSequence(encode(t, s)); diag.KindOf(err) != diag.BadData {
		t.Errorf("wrong element type: %v", err)
	}
	m.MapValues[0].Keys = []int64{5}
	if _, err := DecodeSequence(encode(t, m)); err == nil {
		t.Error("keys and values differ in number")
	}
	deep := &onnxpb.SequenceProto{}
	for range 50 {
		deep = &onnxpb.SequenceProto{ElemType: proto.Int32(3), SequenceValues: []*onnxpb.SequenceProto{deep}}
	}
	if _, err := DecodeSequence(encode(t, deep)); diag.KindOf(err) != diag.Limit {
		t.Errorf("deep sequence: %v", err)
	}
}
