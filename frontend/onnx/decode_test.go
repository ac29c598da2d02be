package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/diag"
)

const testLifted = "lifted payload that must not stay in the graph"

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := (proto.MarshalOptions{Deterministic: true}).Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// model wraps a graph into the smallest whole model.
func model(g *onnxpb.GraphProto) *onnxpb.ModelProto {
	return &onnxpb.ModelProto{
		IrVersion:   proto.Int64(10),
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Version: proto.Int64(21)}},
		Graph:       g,
	}
}

func tensorOf(name string, dt onnxpb.TensorProto_DataType, raw []byte, dims ...int64) *onnxpb.TensorProto {
	return &onnxpb.TensorProto{Name: &name, DataType: proto.Int32(int32(dt)), Dims: dims, RawData: raw}
}

func external(name, location string, extra ...string) *onnxpb.TensorProto {
	p := tensorOf(name, onnxpb.TensorProto_UINT8, nil, 4)
	p.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
	kv := append([]string{"location", location}, extra...)
	for i := 0; i < len(kv); i += 2 {
		p.ExternalData = append(p.ExternalData, &onnxpb.StringStringEntryProto{Key: &kv[i], Value: &kv[i+1]})
	}
	return p
}

func withInit(ts ...*onnxpb.TensorProto) *onnxpb.ModelProto {
	return model(&onnxpb.GraphProto{Initializer: ts})
}

// constant is a node with a tensor attribute.
func constant(name string, v *onnxpb.TensorProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{
		Name: &name, OpType: proto.String("Constant"), Output: []string{name},
		Attribute: []*onnxpb.AttributeProto{{Name: proto.String("value"), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: v}},
	}
}

func branch(g *onnxpb.GraphProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{
		Name: proto.String("if"), OpType: proto.String("If"),
		Attribute: []*onnxpb.AttributeProto{{Name: proto.String("then_branch"), Type: onnxpb.AttributeProto_GRAPH.Enum(), G: g}},
	}
}

// everywhere has a tensor at each place where ONNX allows one.
func everywhere() *onnxpb.ModelProto {
	v := func(name string) *onnxpb.TensorProto {
		return tensorOf(name, onnxpb.TensorProto_UINT8, []byte(testLifted), int64(len(testLifted)))
	}
	one := func(name string) *onnxpb.TensorProto {
		return tensorOf(name, onnxpb.TensorProto_INT64, make([]byte, 8), 1)
	}
	sparse := &onnxpb.SparseTensorProto{Values: v("sparse"), Indices: one(""), Dims: []int64{100}}
	lists := &onnxpb.NodeProto{Name: proto.String("lists"), OpType: proto.String("My"), Attribute: []*onnxpb.AttributeProto{
		{Name: proto.String("ts"), Tensors: []*onnxpb.TensorProto{v("l0"), v("l1")}},
		{Name: proto.String("st"), SparseTensor: sparse},
		{Name: proto.String("sts"), SparseTensors: []*onnxpb.SparseTensorProto{sparse}},
		{Name: proto.String("gs"), Graphs: []*onnxpb.GraphProto{{Initializer: []*onnxpb.TensorProto{v("ingraphs")}}}},
		{Name: proto.String("tp"), Tp: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{
			ElemType: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(1)}}},
		}}}},
	}}
	m := model(&onnxpb.GraphProto{
		Node:              []*onnxpb.NodeProto{constant("c", v("")), branch(&onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{v("inner")}}), lists},
		Initializer:       []*onnxpb.TensorProto{v("w")},
		SparseInitializer: []*onnxpb.SparseTensorProto{sparse},
	})
	m.Functions = []*onnxpb.FunctionProto{{
		Name: proto.String("f"), Node: []*onnxpb.NodeProto{constant("fc", v(""))},
		AttributeProto: []*onnxpb.AttributeProto{{Name: proto.String("d"), T: v("")}},
	}}
	return m
}

func TestTensorsAreLiftedFromEverywhere(t *testing.T) {
	b := encode(t, everywhere())
	raw, err := DecodeBytes(b, nil, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sameAsUnmarshal(t, "everywhere", b, raw)
	if rest := encode(t, raw.Model); bytes.Contains(rest, []byte(testLifted)) {
		t.Error("a payload stayed in the messages")
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	g := encode(t, &onnxpb.GraphProto{Initializer: []*onnxpb.TensorProto{tensorOf("w", onnxpb.TensorProto_UINT8, []byte{7}, 1)}})
	odd := protowire.AppendTag(nil, 900, protowire.StartGroupType)
	odd = protowire.AppendVarint(protowire.AppendTag(odd, 3, protowire.VarintType), 1<<40)
	odd = protowire.AppendTag(odd, 900, protowire.EndGroupType)
	odd = protowire.AppendFixed64(protowire.AppendTag(odd, 901, protowire.Fixed64Type), 1)
	odd = protowire.AppendBytes(protowire.AppendTag(odd, 20, protowire.BytesType), []byte("training, not even a message"))
	// A file cannot point into our table of tensors.
	forged := protowire.AppendVarint(protowire.AppendTag(nil, tensorLifted, protowire.VarintType), 0)
	g = protowire.AppendBytes(protowire.AppendTag(g, 5, protowire.BytesType),
		append(encode(t, tensorOf("v", onnxpb.TensorProto_UINT8, []byte{9}, 1)), forged...))
	b := append([]byte{8, 10, 0x42, 2, 0x10, 21}, odd...)
	b = protowire.AppendBytes(protowire.AppendTag(b, 7, protowire.BytesType), append(g, odd...))
	raw, err := DecodeBytes(b, nil, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range raw.Model.GetGraph().GetInitializer() {
		if v := raw.Tensor(p); v == nil || v.Raw[0] != []byte{7, 9}[i] {
			t.Errorf("tensor %d is %v", i, v)
		}
	}
	if raw.Tensor(nil) != nil || raw.Tensor(&onnxpb.TensorProto{}) != nil || raw.Tensor(&onnxpb.TensorProto{MlcTensor: proto.Int64(99)}) != nil {
		t.Error("a message that is not of the model has a tensor")
	}
}

func TestNoModel(t *testing.T) {
	good := encode(t, withInit(tensorOf("w", onnxpb.TensorProto_FLOAT, make([]byte, 400), 100)))
	noGraph := encode(t, &onnxpb.ModelProto{IrVersion: proto.Int64(8), OpsetImport: model(nil).OpsetImport})
	noOpset := encode(t, &onnxpb.ModelProto{IrVersion: proto.Int64(8), Graph: &onnxpb.GraphProto{}})
	tests := []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "not an ONNX model: the file is empty"},
		{"html", []byte("<!DOCTYPE html><html><body>404</body></html>"), "not an ONNX model: it is an HTML or XML page"},
		{"zip", append([]byte("PK\x03\x04"), make([]byte, 60)...), "it is a zip archive"},
		{"lfs", []byte("version https://example/spec/v1\noid sha256:abcd\nsize 1\n"), "it is a Git LFS pointer"},
		{"json", []byte(`{"a": 1}`), "it is JSON"},
		{"text", []byte("just some text that nobody would call a model"), "it is text"},
		{"safetensors", append([]byte{9, 0, 0, 0, 0, 0, 0, 0}, []byte(`{"a":{}} `)...), "it is a safetensors file"},
		{"tflite", []byte("\x1c\x00\x00\x00TFL3\x00\x00"), "it is a TFLite model"},
		{"tensor", encode(t, tensorOf("x", onnxpb.TensorProto_UINT8, []byte{1, 2}, 2)), "it is a single tensor"},
		{"other schema", []byte{0x0a, 3, 'a', 'b', 'c', 0x10, 5}, "not an ONNX model: no ModelProto"},
		{"zeros", make([]byte, 64), "not an ONNX model"},
		{"only a version", []byte{8, 10}, "not an ONNX model: it has no graph"},
		{"no graph", noGraph, "model has no graph"},
		{"no opset", noOpset, "model has no opset_import"},
		{"cut in the graph", good[:len(good)/2], "file is damaged or cut short at byte"},
		{"cut at the end", good[:len(good)-3], "file is damaged or cut short at byte"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := DecodeBytes(tt.b, nil, DecodeOptions{})
			if err == nil || raw != nil {
				t.Fatalf("no error, want %q", tt.want)
			}
			ours(t, err)
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
	old := encode(t, &onnxpb.ModelProto{IrVersion: proto.Int64(2), Graph: &onnxpb.GraphProto{}})
	if _, err := DecodeBytes(old, nil, DecodeOptions{}); err != nil {
		t.Errorf("IR version 2 needs no opset_import: %v", err)
	}
}

func TestFaultsAreReportedTogether(t *testing.T) {
	m := withInit(
		tensorOf("a", onnxpb.TensorProto_FLOAT, make([]byte, 3), 1),
		tensorOf("ok", onnxpb.TensorProto_FLOAT, make([]byte, 4), 1),
		tensorOf("b", 99, nil, 1))
	m.Graph.Node = []*onnxpb.NodeProto{constant("k", tensorOf("", onnxpb.TensorProto_INT64, nil, 2))}
	m.OpsetImport = nil
	_, err := Decode(fstest.MapFS{"d/m.onnx": {Data: encode(t, m)}}, "d/m.onnx", DecodeOptions{})
	want := `d/m.onnx: model has no opset_import, so its operators have no version
d/m.onnx: node "k" (Constant): attribute "value": data: have none, want 16 bytes for i64[2]
d/m.onnx: initializer "a": raw_data: have 3 bytes, want 4 for f32[1]
d/m.onnx: initializer "b": unknown data type 99 (known: 1 to 28)`
	if err == nil || err.Error() != want {
		t.Errorf("have\n%v\nwant\n%s", err, want)
	}
}

// Truncating a model anywhere is an error, and a clear one.
func TestEveryTruncationFails(t *testing.T) {
	b := encode(t, everywhere())
	for n := range b {
		_, err := DecodeBytes(b[:n], nil, DecodeOptions{})
		if err == nil {
			// Between two outermost fields a prefix is a model of its own.
			var m onnxpb.ModelProto
			if proto.Unmarshal(b[:n], &m) != nil || m.Graph == nil {
				t.Fatalf("prefix of %d bytes decodes", n)
			}
			continue
		}
		ours(t, err)
	}
}

func TestNestingIsBounded(t *testing.T) {
	nest := func(n int) []byte {
		g := &onnxpb.GraphProto{}
		for range n - 1 {
			g = &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{branch(g)}}
		}
		return encode(t, model(g))
	}
	if _, err := DecodeBytes(nest(64), nil, DecodeOptions{}); err != nil {
		t.Errorf("64 graphs: %v", err)
	}
	if _, err := DecodeBytes(nest(400), nil, DecodeOptions{MaxSubgraphs: 400}); err != nil {
		t.Errorf("400 graphs when asked for: %v", err)
	}
	_, err := DecodeBytes(nest(65), nil, DecodeOptions{})
	if diag.KindOf(err) != diag.Limit || !strings.Contains(err.Error(), "nested deeper than 64") {
		t.Errorf("65 graphs: %v", err)
	}
	typ := &onnxpb.TypeProto{}
	for range 100 {
		typ = &onnxpb.TypeProto{Value: &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{ElemType: typ}}}
	}
	_, err = DecodeBytes(encode(t, model(&onnxpb.GraphProto{Input: []*onnxpb.ValueInfoProto{{Type: typ}}})), nil, DecodeOptions{})
	if diag.KindOf(err) != diag.Limit {
		t.Errorf("deep type: %v", err)
	}
	// A million levels in 6 MB must not reach the stack's end.
	deep := []byte{}
	for range 1 << 20 {
		deep = append(deep, 0x23) // start of group 4, never ended
	}
	_, err = DecodeBytes(append([]byte{8, 10, 0x42, 2, 0x10, 21}, deep...), nil, DecodeOptions{})
	if err == nil {
		t.Error("unfinished groups decode")
	}
}

// allocated is how much fn allocates in all.
func allocated(fn func()) uint64 {
	var a, b runtime.MemStats
	runtime.ReadMemStats(&a)
	fn()
	runtime.ReadMemStats(&b)
	return b.TotalAlloc - a.TotalAlloc
}

// Files made to swell must end in an error before they have.
func TestHostileFilesStaySmall(t *testing.T) {
	repeat := func(head []byte, unit string, n int) []byte {
		g := bytes.Repeat([]byte(unit), n)
		return protowire.AppendBytes(protowire.AppendTag(head, 7, protowire.BytesType), g)
	}
	head := []byte{8, 10, 0x42, 2, 0x10, 21}
	huge := encode(t, withInit(tensorOf("w", onnxpb.TensorProto_FLOAT, nil, 1<<40)))
	tests := []struct {
		name string
		b    []byte
		want diag.Kind
		mb   uint64
	}{
		{"huge dims, no data", huge, diag.BadModel, 1},
		{"huge dims, external", encode(t, withInit(external("w", "no.bin"))), diag.BadModel, 1},
		{"4 million empty nodes", repeat(head, "\x0a\x00", 4<<20), diag.Limit, 200},
		{"4 million empty initializers", repeat(head, "\x2a\x00", 4<<20), diag.Limit, 900},
		{"4 million empty inputs", repeat(head, "\x5a\x00", 4<<20), diag.Limit, 200},
		{"a name of 1 MB", encode(t, model(&onnxpb.GraphProto{Name: proto.String(strings.Repeat("n", 1<<20))})), diag.Limit, 4},
		{"rank 100", encode(t, withInit(tensorOf("w", onnxpb.TensorProto_FLOAT, nil, make([]int64, 100)...))), diag.Limit, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			n := allocated(func() {
				_, err = DecodeBytes(tt.b, nil, DecodeOptions{MaxMemory: 64 << 20})
			})
			if err == nil || diag.KindOf(err) != tt.want {
				t.Errorf("error %v, want kind %v", err, tt.want)
			}
			if n > tt.mb<<20 {
				t.Errorf("%d MB allocated, want at most %d", n>>20, tt.mb)
			}
		})
	}
}

// A model of 64 MB costs memory for its graph only.
func TestWeightsAreNotCopied(t *testing.T) {
	var ts []*onnxpb.TensorProto
	for i := range 64 {
		ts = append(ts, tensorOf("w"+itoa(i), onnxpb.TensorProto_FLOAT, make([]byte, 1<<20), 512, 512))
	}
	name := filepath.Join(t.TempDir(), "big.onnx")
	if err := os.WriteFile(name, encode(t, withInit(ts...)), 0o644); err != nil {
		t.Fatal(err)
	}
	ts = nil
	rootSchemas() // once per program, not per model
	var sum int
	n := allocated(func() {
		raw, err := OpenFile(name, DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range raw.Tensors {
			b, err := p.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			sum += len(b)
		}
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Tensors[0].Bytes(); err == nil {
			t.Error("bytes of a closed model")
		}
	})
	t.Logf("%d bytes allocated for %d bytes of weights", n, sum)
	limit := uint64(2 << 20)
	if !canMap(t, name) {
		limit += 66 << 20 // read, once
	}
	if n > limit || sum != 64<<20 {
		t.Errorf("%d bytes allocated for %d bytes of weights", n, sum)
	}
}

func canMap(t *testing.T, name string) bool {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, undo, err := mapFile(f, 16)
	if err == nil {
		undo()
	}
	return err == nil
}
