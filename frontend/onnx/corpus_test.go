package onnx

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/tools/need"
)

// shared opens an archive of the shared folder as a file system. (Not
// corpus.Open: it imports this package.)
func shared(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	f, err := os.Open(need.Shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := fstest.MapFS{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[path.Clean(h.Name)] = &fstest.MapFile{Data: b, Mode: 0o444}
	}
}

func sortedNames(m fstest.MapFS) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func TestCorpusDecodes(t *testing.T) {
	for _, archive := range []string{"real-onnx-0", "real-onnx-1", "real-onnx-2", "onnx-node"} {
		t.Run(archive, func(t *testing.T) {
			files := shared(t, "corpus/"+archive+".tar.zst")
			models, data := 0, 0
			for _, name := range sortedNames(files) {
				switch path.Ext(name) {
				case ".onnx":
					models++
					raw, err := Decode(files, name, DecodeOptions{})
					if err != nil {
						t.Error(err)
						continue
					}
					sameAsUnmarshal(t, name, files[name].Data, raw)
				case ".pb":
					data++
					if err := decodesAsData(files[name].Data); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
			t.Logf("%d models, %d data files", models, data)
			if models == 0 || data == 0 {
				t.Error("archive holds no models or no data")
			}
		})
	}
}

// refusedHere are the cases that must fail while decoding; what is wrong with
// the others is found at import.
var refusedHere = map[string]string{
	"empty_file_refused":                "the file is empty",
	"external_absolute_path_refused":    "absolute path",
	"external_length_mismatch_refused":  "have 8 bytes, want 16",
	"external_negative_offset_refused":  "offset",
	"external_nested_traversal_refused": `".."`,
	"external_range_past_end_refused":   "have 0 bytes, want 16",
	"nested_if_300_levels":              "nested deeper than 64",
	"raw_data_too_short_refused":        "have 16 bytes, want 512",
	"truncated_file_refused":            "damaged or cut short",
	"typed_data_missing_refused":        "data: have none, want 128 bytes",
}

func TestCases(t *testing.T) {
	files := shared(t, "cases/cases.tar.zst")
	seen := map[string]bool{}
	for _, name := range sortedNames(files) {
		id := path.Base(path.Dir(name))
		switch path.Ext(name) {
		case ".onnx":
			seen[id] = true
			raw, err := Decode(files, name, DecodeOptions{})
			if want, refused := refusedHere[id]; refused {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v, want one with %q", id, err, want)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			sameAsUnmarshal(t, id, files[name].Data, raw)
		case ".pb":
			if err := decodesAsData(files[name].Data); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for id := range refusedHere {
		if !seen[id] {
			t.Errorf("case %s is gone", id)
		}
	}
}

// decodesAsData reads b as any of the three kinds of test data.
func decodesAsData(b []byte) error {
	t, err := DecodeTensor(b)
	if err == nil {
		return payloadOf(t)
	}
	if s, e := DecodeSequence(b); e == nil {
		for _, t := range s.Tensors {
			if err := payloadOf(t); err != nil {
				return err
			}
		}
		return nil
	}
	if _, e := DecodeOptional(b); e == nil {
		return nil
	}
	return err
}

func payloadOf(t *RawTensor) error {
	var err error
	if t.DataType == codeString {
		_, err = t.Strings()
	} else {
		_, err = t.Bytes()
	}
	return err
}

// sameAsUnmarshal compares a Raw with what the ordinary decoder makes of the
// same bytes: the messages without payloads, and each payload.
func sameAsUnmarshal(t *testing.T, name string, b []byte, raw *Raw) {
	t.Helper()
	full := &onnxpb.ModelProto{}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, full); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want, have := tensorsIn(full.ProtoReflect()), tensorsIn(raw.Model.ProtoReflect())
	if len(want) != len(have) || len(have) != len(raw.Tensors) {
		t.Errorf("%s: %d tensors in the file, %d stubs, %d lifted", name, len(want), len(have), len(raw.Tensors))
		return
	}
	for i, w := range want {
		r := raw.Tensor(have[i])
		if r == nil {
			t.Errorf("%s: stub %d leads nowhere", name, i)
			continue
		}
		if err := payloadOf(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.Name != w.GetName() || r.DataType != w.GetDataType() || !slices.Equal(r.Dims, w.Dims) || string(r.Raw) != string(w.RawData) {
			t.Errorf("%s: tensor %q differs", name, w.GetName())
		}
		proto.Reset(have[i])
		proto.Reset(w)
	}
	if !proto.Equal(full, raw.Model) {
		t.Errorf("%s: messages differ from those of proto.Unmarshal", name)
	}
}

// tensorsIn lists the TensorProtos within m, in an order that depends on the
// messages only.
func tensorsIn(m protoreflect.Message) []*onnxpb.TensorProto {
	if p, ok := m.Interface().(*onnxpb.TensorProto); ok {
		return []*onnxpb.TensorProto{p}
	}
	var out []*onnxpb.TensorProto
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() == nil || !m.Has(fd) {
			continue
		}
		if !fd.IsList() {
			out = append(out, tensorsIn(m.Get(fd).Message())...)
			continue
		}
		for j, l := 0, m.Get(fd).List(); j < l.Len(); j++ {
			out = append(out, tensorsIn(l.Get(j).Message())...)
		}
	}
	return out
}

// ours fails unless err is of the one error type.
func ours(t *testing.T, err error) {
	t.Helper()
	switch err.(type) {
	case *diag.Error, diag.List:
	default:
		t.Errorf("error of type %T: %v", err, err)
	}
	if diag.KindOf(err) == diag.Internal {
		t.Errorf("internal error: %v", err)
	}
}
