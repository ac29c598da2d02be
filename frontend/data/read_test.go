package data_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// idx writes an idx file by the format's description: 0 0 type rank, extents,
// elements.
func idx(kind byte, body []byte, dims ...uint32) []byte {
	b := []byte{0, 0, kind, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, body...)
}

func packed(b []byte) []byte {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(b)
	w.Close()
	return z.Bytes()
}

func TestIDX(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	pics := idx(8, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 2, 2, 3)
	x, xz := put("x", pics), put("x.gz", packed(pics))
	y := put("y", idx(8, []byte{7, 3}, 2))
	for _, file := range []string{x, xz} {
		d, err := data.Open("idx:"+file+","+y, data.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := d.Fields()
		if f[0].Name != "image" || f[0].DType != dtype.U8 || !reflect.DeepEqual(f[0].Dims, []int{2, 3}) || !f[1].IsLabel() {
			t.Errorf("fields %+v", f)
		}
		b, err := data.Read(d, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b[0].Bytes(), []byte{7, 8, 9, 10, 11, 12}) || b[1].Int(0) != 3 {
			t.Errorf("sample 1 is %v %v", b[0].Bytes(), b[1].Int(0))
		}
	}
	for _, c := range []struct{ name, spec, say string }{
		{"unequal counts", "idx:" + x + "," + put("y3", idx(8, []byte{1, 2, 3}, 3)), "y3: labels: have 3, want 2, one a picture of"},
		{"cut off", "idx:" + put("cut", pics[:20]) + "," + y, "cut: idx extents [2 2 3] of u8: have 4 bytes of elements"},
		{"too long", "idx:" + put("long", append(pics[:len(pics):len(pics)], 0)) + "," + y, "have 13 bytes"},
		{"no idx file", "idx:" + put("junk", []byte("junk")) + "," + y, "junk: no idx file: want two zero bytes first"},
		{"bad type", "idx:" + put("type", idx(7, nil, 1)) + "," + y, "idx element type 0x7: unknown"},
		{"no pictures", "idx:" + put("none", idx(8, nil, 0, 2, 2)) + "," + put("none-y", idx(8, nil, 0)), "none: holds no pictures"},
		{"damaged gzip", "idx:" + put("bad.gz", packed(pics)[:20]) + "," + y, "bad.gz: "},
		{"no file", "idx:" + filepath.Join(dir, "absent") + "," + y, "absent: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := data.Open(c.spec, data.Options{})
			if diag.KindOf(err) != diag.BadData || !strings.Contains(errText(err), c.say) {
				t.Errorf("have %v, want %s", err, c.say)
			}
		})
	}
}

func TestIDXTypes(t *testing.T) {
	for _, c := range []struct {
		kind byte
		body []byte
		want []float64
	}{
		{8, []byte{0, 255}, []float64{0, 255}},
		{9, []byte{0, 255}, []float64{0, -1}},
		{11, []byte{1, 2, 255, 254}, []float64{258, -2}},
		{12, []byte{0, 0, 1, 2, 255, 255, 255, 255}, []float64{258, -1}},
		{13, []byte{0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}, []float64{1, -2}},
		{14, []byte{0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0}, []float64{1, math.Inf(1)}},
	} {
		x, err := data.ParseIDX(idx(c.kind, c.body, 2))
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range c.want {
			if x.Float(i) != w {
				t.Errorf("type %d: element %d is %v, want %v", c.kind, i, x.Float(i), w)
			}
		}
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx(8, []byte{1, 2, 3, 4}, 2, 2))
	f.Add(idx(13, []byte{1, 2, 3, 4}, 1))
	f.Add(idx(8, nil, 1<<31, 1<<31, 1<<31))
	f.Add(idx(8, nil, 0, 1<<30))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := data.ParseIDX(b)
		if err != nil {
			return
		}
		if x.DType().Bytes(x.Len()) > len(b) {
			t.Fatalf("%v%v from %d bytes", x.DType(), x.Dims(), len(b))
		}
	})
}

func TestNPZ(t *testing.T) {
	// numpy.savez(file, x=[[1,2],[3,4],[5,6]] f32, y=[0,1,1] i64), as npy entries.
	file := filepath.Join(t.TempDir(), "a.npz")
	writeNPZ(t, file, map[string]tensor.Tensor{
		"x": tensor.MustOf([]float32{1, 2, 3, 4, 5, 6}, 3, 2),
		"y": tensor.MustOf([]int32{0, 1, 1}, 3),
	})
	d, err := data.Open("npz:"+file, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if at, err := data.Target(d); err != nil || !d.Fields()[at].IsLabel() {
		t.Errorf("target: %v %v", at, err)
	}
	if have, want := show(t, d, "x"), []any{1.0, 2.0, 3.0, 4.0, 5.0, 6.0}; !reflect.DeepEqual(have, want) {
		t.Errorf("x is %v", have)
	}
	_, err = data.Open("npz:"+file+"?target=z", data.Options{})
	if diag.KindOf(err) != diag.Usage || !strings.Contains(errText(err), "has no such array (have x, y)") {
		t.Error(err)
	}
	writeNPZ(t, file, map[string]tensor.Tensor{"x": tensor.New(dtype.F32, 3), "y": tensor.New(dtype.I64, 2)})
	_, err = data.Open("npz:"+file, data.Options{})
	if diag.KindOf(err) != diag.BadData || !strings.Contains(errText(err), "have 2, want 3") {
		t.Error(err)
	}
	writeNPZ(t, file, map[string]tensor.Tensor{"x": tensor.New(dtype.F32, 0, 2)})
	_, err = data.Open("npz:"+file, data.Options{})
	if diag.KindOf(err) != diag.BadData || !strings.Contains(errText(err), "the data set is empty") {
		t.Error(err)
	}
}

func TestSets(t *testing.T) {
	dir := t.TempDir()
	put := func(set, file, name string, x tensor.Tensor) {
		p := filepath.Join(dir, set)
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
		b, err := tensor.EncodePB(name, tensor.V(x))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p, file), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Ten comes after two, and a set may hold several rows.
	put("test_data_set_10", "input_0.pb", "x", tensor.MustOf([]float32{7, 8}, 1, 2))
	put("test_data_set_10", "output_0.pb", "y", tensor.MustOf([]float32{4}, 1, 1))
	put("test_data_set_2", "input_0.pb", "x", tensor.MustOf([]float32{1, 2, 3, 4}, 2, 2))
	put("test_data_set_2", "output_0.pb", "y", tensor.MustOf([]float32{2, 3}, 2, 1))
	d, err := data.Open(dir, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if have, want := show(t, d, "x"), []any{1.0, 2.0, 3.0, 4.0, 7.0, 8.0}; !reflect.DeepEqual(have, want) {
		t.Errorf("x is %v, want %v", have, want)
	}
	if at, err := data.Target(d); err != nil || d.Fields()[at].Name != "y" {
		t.Errorf("target %d %v", at, err)
	}
	for row, want := range []string{"test_data_set_2: row 0", "test_data_set_2: row 1", "test_data_set_10: row 0"} {
		if !strings.HasSuffix(d.Where(row), want) {
			t.Errorf("row %d is %s, want %s", row, d.Where(row), want)
		}
	}
	put("test_data_set_11", "input_0.pb", "x", tensor.MustOf([]float32{7, 8, 9}, 1, 3))
	put("test_data_set_11", "output_0.pb", "y", tensor.MustOf([]float32{4}, 1, 1))
	if _, err = data.Open(dir, data.Options{}); diag.KindOf(err) != diag.BadData || !strings.Contains(errText(err), `tensor "x": have f32[3], want "x" f32[2] as in the first set`) {
		t.Error(err)
	}
	if _, err = data.Open(t.TempDir(), data.Options{}); diag.KindOf(err) != diag.BadData {
		t.Error(err)
	}
}

func TestOpenUsage(t *testing.T) {
	for _, s := range []string{"idx:onlyone", "random:", "random:0", "random:x", "random:3", "model.parquet", "what"} {
		if _, err := data.Open(s, data.Options{}); diag.KindOf(err) != diag.Usage {
			t.Errorf("%s: have %v, want a usage error", s, err)
		}
	}
}

func TestRandom(t *testing.T) {
	fs := []data.Field{{Name: "x", DType: dtype.F32, Dims: []int{4}}, {Name: "y", DType: dtype.I64, Dims: []int{}, Target: true, Classes: []string{"a", "b", "c"}}}
	a, err := data.Open("random:50", data.Options{Seed: 3, Fields: fs})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := data.Open("random:50", data.Options{Seed: 3, Fields: fs})
	c, _ := data.Open("random:50", data.Options{Seed: 4, Fields: fs})
	if !reflect.DeepEqual(show(t, a, "x"), show(t, b, "x")) || reflect.DeepEqual(show(t, a, "x"), show(t, c, "x")) {
		t.Error("the seed does not rule")
	}
	if err := data.CheckLabels(a, 3); err != nil {
		t.Error(err)
	}
}

// More than memory holds is refused, not tried.
func TestRandomLimit(t *testing.T) {
	label := data.Field{Name: "y", DType: dtype.I64, Dims: []int{}, Target: true}
	for _, fs := range [][]data.Field{{label}, {{Name: "x", DType: dtype.F32, Dims: []int{1 << 20}}, label}} {
		if _, err := data.Open("random:2000000000", data.Options{Fields: fs}); diag.KindOf(err) != diag.Limit {
			t.Errorf("%v: %v", fs, err)
		}
	}
	if _, err := data.Random(-1, 1, []data.Field{label}); err == nil {
		t.Error("-1 samples")
	}
}
