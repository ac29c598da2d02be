package tensor_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// show prints type and elements.
func show(t tensor.Tensor) string {
	ty := t.Type()
	s := ty.String() + " "
	switch {
	case t.DType() == dtype.String:
		return s + fmt.Sprintf("%q", t.Strings())
	case t.DType() == dtype.C64:
		return s + fmt.Sprint(tensor.Slice[complex64](&t))
	case t.DType() == dtype.U64:
		return s + fmt.Sprint(tensor.Slice[uint64](&t))
	}
	v := make([]float64, t.Len())
	for i := range v {
		v[i] = t.Float(i)
	}
	return s + fmt.Sprint(v)
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The files were written by numpy 2 with the values stated.
func TestReadNPY(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"f4.npy", "f32[2,3] [1 -2.5 3 +Inf 5 9.999999747378752e-06]"},
		{"be_i2.npy", "i16[2,2] [1 -2 300 4]"},
		{"fortran_f8.npy", "f64[2,3,4] [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23]"},
		{"f2.npy", "f16[3] [0.0999755859375 65504 -0]"},
		{"bool.npy", "bool[3] [1 0 1]"},
		{"str.npy", `str[2,2] ["a" "bcd" "ü" ""]`},
		{"bytes.npy", `str[2] ["ab" "c"]`},
		{"be_c8.npy", "c64[1] [(1-2i)]"},
		{"scalar_u8.npy", "u64[] [7]"},
		{"empty.npy", "i64[0,3] []"},
		{"v2.npy", "i32[2] [1 2]"},
	} {
		x, err := tensor.ReadNPY(bytes.NewReader(read(t, c.file)), 0)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if got := show(x); got != c.want {
			t.Errorf("%s: %s, want %s", c.file, got, c.want)
		}
		var b bytes.Buffer
		if err := tensor.WriteNPY(&b, x); err != nil {
			t.Fatal(err)
		}
		y, err := tensor.ReadNPY(&b, 0)
		if err != nil || show(y) != c.want {
			t.Errorf("%s written: %v, %v", c.file, show(y), err)
		}
	}
}

// What numpy writes little endian in C order comes out byte for byte.
func TestWriteNPYLikeNumpy(t *testing.T) {
	for _, f := range []string{"f4.npy", "f2.npy", "bool.npy", "scalar_u8.npy", "empty.npy", "str.npy"} {
		want := read(t, f)
		x, err := tensor.ReadNPY(bytes.NewReader(want), 0)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := tensor.WriteNPY(&b, x); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s:\n%q\n%q", f, b.Bytes(), want)
		}
	}
}

func npy(header string, body int) []byte {
	return append([]byte("\x93NUMPY\x01\x00"+string([]byte{byte(len(header)), byte(len(header) >> 8)})+header), make([]byte, body)...)
}

func TestNPYRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		src  []byte
		want string
	}{
		{"other file", []byte("PK\x03\x04aaaaaaa"), "not a .npy file"},
		{"short", read(t, "f4.npy")[:130], "have 2 bytes of elements, want 24"},
		{"huge", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999), }", 4), "npy: "},
		{"promised", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (200,), }", 4), "have 800 bytes of elements, want at most 100"},
		{"record", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4), "structured arrays are not supported"},
		{"object", npy("{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", 8), `element type "|O8"`},
		{"negative", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 8), "malformed shape"},
		{"missing key", npy("{'descr': '<f4', 'shape': (1,), }", 4), "header without"},
		{"version", append([]byte("\x93NUMPY\x09\x00"), 0, 0), "format version 9"},
	} {
		_, err := tensor.ReadNPY(bytes.NewReader(c.src), 100)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	if err := tensor.WriteNPY(&bytes.Buffer{}, tensor.New(dtype.BF16, 1)); err == nil {
		t.Error("bf16 was written")
	}
}

func TestReadNPZ(t *testing.T) {
	b := read(t, "two.npz")
	ts, err := tensor.ReadNPZ(bytes.NewReader(b), int64(len(b)), 0)
	if err != nil || len(ts) != 2 || ts[0].Name != "x" || show(ts[0].Tensor) != "i64[2] [1 2]" || show(ts[1].Tensor) != "f32[1,1] [0.5]" {
		t.Errorf("%v, %v", ts, err)
	}
	b = read(t, "packed.npz")
	if _, err = tensor.ReadNPZ(bytes.NewReader(b), int64(len(b)), 3999); err == nil {
		t.Error("4000 bytes passed a limit of 3999")
	}
	if ts, err = tensor.ReadNPZ(bytes.NewReader(b), int64(len(b)), 4000); err != nil || ts[0].Tensor.Len() != 1000 {
		t.Errorf("%v, %v", ts, err)
	}
}

// The files were written by onnx 1.23's helpers with the values stated.
func TestDecodePB(t *testing.T) {
	for _, c := range []struct{ file, name, want string }{
		{"float_data.pb", "a/b", "f32[2,2] [1 2.5 -3 4]"},
		{"int64_data.pb", "i", "i64[3] [1 -2 1.099511627776e+12]"},
		{"raw_i32.pb", "r", "i32[1,2] [1 -1]"},
		{"uint64.pb", "u", "u64[1] [18446744073709551615]"},
		{"f16.pb", "h", "f16[2] [0.5 -2]"},
		{"bf16.pb", "b", "bf16[2] [1.5 -2]"},
		{"int4.pb", "q", "i4[3] [-8 7 1]"},
		{"bool.pb", "t", "bool[2] [1 0]"},
		{"str.pb", "s", `str[2] ["ab" ""]`},
		{"double.pb", "d", "f64[] [0.1]"},
		{"int8.pb", "k", "i8[2] [-128 127]"},
		{"c64.pb", "c", "c64[1] [(1-2i)]"},
	} {
		name, x, err := tensor.ReadTensorPB(read(t, c.file))
		if err != nil || name != c.name || show(x) != c.want {
			t.Errorf("%s: %q %s, %v, want %q %s", c.file, name, show(x), err, c.name, c.want)
			continue
		}
		b, err := tensor.EncodePB(name, tensor.V(x))
		if err != nil {
			t.Fatal(err)
		}
		if name, y, err := tensor.ReadTensorPB(b); err != nil || name != c.name || show(y) != c.want {
			t.Errorf("%s written: %q %s, %v", c.file, name, show(y), err)
		}
	}
}

func TestDecodePBKinds(t *testing.T) {
	f := tensor.TUnranked(dtype.F32)
	i := tensor.TUnranked(dtype.I64)
	seq := tensor.SeqV(f, tensor.V(tensor.MustOf([]float32{1, 2}, 2)), tensor.V(tensor.MustOf([]float32{3}, 1, 1)))
	opt := tensor.Value{Kind: tensor.KindOptional, Elem: &i, Elems: tensor.Vs(tensor.Int64s(1, 2))}
	one := tensor.SeqV(f, tensor.V(tensor.MustOf([]float32{1}, 1)))
	sf := tensor.Seq(f)
	for _, c := range []struct {
		file, name string
		want       tensor.Value
		typ        tensor.Type
	}{
		{"seq.pb", "sq", seq, tensor.Seq(f)},
		{"opt.pb", "op", opt, tensor.Optional(i)},
		{"opt_none.pb", "none", tensor.Value{Kind: tensor.KindOptional}, tensor.Optional(f)},
		{"optseq.pb", "os", tensor.Value{Kind: tensor.KindOptional, Elem: &sf, Elems: []tensor.Value{one}}, tensor.Optional(tensor.Seq(f))},
	} {
		name, v, err := tensor.DecodePB(read(t, c.file), c.typ)
		if err != nil || name != c.name {
			t.Errorf("%s: %q, %v", c.file, name, err)
			continue
		}
		if err := tensor.Exact.Compare(v, c.want); err != nil {
			t.Errorf("%s: %v", c.file, err)
		}
		b, err := tensor.EncodePB(name, v)
		if err != nil {
			t.Fatal(err)
		}
		_, w, err := tensor.DecodePB(b, c.typ)
		if err != nil || tensor.Exact.Compare(w, c.want) != nil {
			t.Errorf("%s written: %v, %v", c.file, w, err)
		}
	}
	m := tensor.Value{Kind: tensor.KindMap, Elem: &f, Tensor: tensor.Int64s(3, -1), Elems: tensor.Vs(tensor.Scalar(dtype.F32, 1), tensor.Scalar(dtype.F32, 2))}
	b, err := tensor.EncodePB("m", m)
	if err != nil {
		t.Fatal(err)
	}
	if _, w, err := tensor.DecodePB(b, tensor.MapOf(dtype.I64, f)); err != nil || tensor.Exact.Compare(w, m) != nil {
		t.Errorf("map: %v, %v", w, err)
	}
}

// A message that promises more than it holds is refused before anything is
// allocated.
func TestPBRefusals(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"promised", "\x08\x80\x80\x80\x80\x10\x10\x01", "pb: "},
		{"type", "\x10\x63", "element type code 99"},
		{"negative", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01", "extent -1"},
		{"truncated", "\x4a\x05a", "malformed protocol buffer"},
		{"external", "\x10\x01\x70\x01", "external data is not supported"},
	} {
		if _, _, err := tensor.ReadTensorPB([]byte(c.src)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func TestParseLiteral(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"4xf32=1,2,3,4", "f32[4] [1 2 3 4]"},
		{"2x2xi8=1,-2,3,127", "i8[2,2] [1 -2 3 127]"},
		{"f16=0.1", "f16[] [0.0999755859375]"},
		{"3xi64=7", "i64[3] [7 7 7]"},
		{"2xbool=true,0", "bool[2] [1 0]"},
		{"2xstr=a b,c", `str[2] ["a b" "c"]`},
		{"0x3xf32=", "f32[0,3] []"},
		{"2xf32=nan,-inf", "f32[2] [NaN -Inf]"},
		{"zeros", "i32[2] [0 0]"},
	} {
		x, err := tensor.ParseLiteral(c.src, dtype.I32, []int{2})
		if err != nil || show(x) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.src, show(x), err, c.want)
		}
	}
	for _, src := range []string{"", "f32", "4xf32=1,2", "4xf99=1", "-1xf32=1", "i8=300", "f16=1e9", "f32=1e99", "random:x", "2xc64=1,2", "i8=1.5", "0xf32=1"} {
		if x, err := tensor.ParseLiteral(src, dtype.F32, []int{1}); err == nil {
			t.Errorf("%q gave %s", src, show(x))
		}
	}
}

// The first elements of seed 7 come from a model of PCG-DXSM (128-bit LCG, the
// cheap multiplier in the output function) written in Python from its
// published definition.
func TestRandom(t *testing.T) {
	const want = "[0.4789114 -0.6819247 -0.97532666]"
	x, err := tensor.Random(dtype.F32, 7, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Len() {
		if v := x.Float(i); v < -1 || v >= 1 || v*(1<<23) != math.Trunc(v*(1<<23)) {
			t.Errorf("element %d is %v", i, v)
		}
	}
	if got := fmt.Sprint(tensor.Slice[float32](&x)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, d := range dtype.All() {
		if !tensor.HasRandom(d) {
			if _, err := tensor.Random(d, 1, 2); err == nil {
				t.Errorf("%v has random elements", d)
			}
			continue
		}
		x, err := tensor.Random(d, 1, 200)
		y, _ := tensor.Random(d, 1, 200)
		if err != nil || tensor.Exact.CompareTensors(&x, &y) != nil {
			t.Errorf("%v: not repeatable, %v", d, err)
		}
	}
}

// TestNPYEmptyStrings: a file of a hundred bytes asks for memory without end.
func TestNPYEmptyStrings(t *testing.T) {
	file := func(shape string) *bytes.Reader {
		h := "{'descr': '|S0', 'fortran_order': False, 'shape': (" + shape + "), }"
		return bytes.NewReader(append([]byte("\x93NUMPY\x01\x00"+string([]byte{byte(len(h)), 0})), h...))
	}
	for _, limit := range []int64{0, 1 << 30} {
		if x, err := tensor.ReadNPY(file("3,"), limit); err != nil || x.Len() != 3 || x.Strings()[0] != "" {
			t.Errorf("limit %d: three empty strings: %v", limit, err)
		}
		for _, shape := range []string{"1000000000000,", "1000000, 1000000", "9223372036854775807,"} {
			if _, err := tensor.ReadNPY(file(shape), limit); err == nil {
				t.Errorf("limit %d: %s empty strings: no error", limit, shape)
			}
		}
	}
	if _, err := tensor.ReadNPY(file("1000,"), 15999); err == nil || !strings.Contains(err.Error(), "16000 bytes of elements, want at most 15999") {
		t.Errorf("strings beyond the limit: %v", err)
	}
}

func FuzzNPY(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.npy")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := tensor.ReadNPY(bytes.NewReader(b), 1<<20)
		if err != nil {
			return
		}
		var w bytes.Buffer
		if err := tensor.WriteNPY(&w, x); err != nil {
			t.Fatal(err)
		}
		y, err := tensor.ReadNPY(&w, 1<<21)
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.Exact.CompareTensors(&x, &y); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzPB(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.pb")
	for i, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(i))
	}
	elem := tensor.TUnranked(dtype.F32)
	types := []tensor.Type{{}, tensor.Seq(elem), tensor.Optional(elem), tensor.Optional(tensor.Seq(elem)), tensor.MapOf(dtype.I64, elem)}
	f.Fuzz(func(t *testing.T, b []byte, k uint8) {
		typ := types[int(k)%len(types)]
		name, v, err := tensor.DecodePB(b, typ)
		if err != nil {
			return
		}
		w, err := tensor.EncodePB(name, v)
		if err != nil {
			t.Fatal(err)
		}
		n2, v2, err := tensor.DecodePB(w, typ)
		if err != nil || n2 != name {
			t.Fatal(n2, err)
		}
		if err := tensor.Exact.Compare(v2, v); err != nil {
			t.Fatal(err)
		}
	})
}

// A header may say anything: rows that the file does not hold take no memory.
func TestNPYRowsHostile(t *testing.T) {
	for _, shape := range []string{"(2, 1099511627776)", "(4611686018427387904, 1073741824)", "(16, 576460752303423487)"} {
		h := "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }"
		h += strings.Repeat(" ", 118-1-len(h)) + "\n"
		b := append([]byte("\x93NUMPY\x01\x00\x76\x00"), h...)
		r, err := tensor.NewNPYRows(bytes.NewReader(append(b, make([]byte, 4096)...)))
		if err != nil {
			continue
		}
		if _, err := r.Next(16); err == nil || !strings.Contains(err.Error(), "npy: truncated") {
			t.Errorf("%s: %v", shape, err)
		}
	}
}

func TestNotFinite(t *testing.T) {
	inf := float32(math.Inf(-1))
	f := tensor.MustOf([]float32{1, math.MaxFloat32, inf, float32(math.NaN())}, 2, 2)
	if at := f.NotFinite(); at != 2 {
		t.Errorf("the first is %d, want 2", at)
	}
	f.SetFloat(2, 0)
	if at := f.NotFinite(); at != 3 {
		t.Errorf("the first is %d, want 3", at)
	}
	f.SetFloat(3, 0)
	none, ints := tensor.Tensor{}, tensor.Int64s(1<<62)
	for _, x := range []*tensor.Tensor{&f, &none, &ints} {
		if at := x.NotFinite(); at != -1 {
			t.Errorf("%v: the first is %d, want none", x.Type(), at)
		}
	}
}
