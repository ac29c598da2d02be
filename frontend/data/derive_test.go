package data_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

func pictures(t *testing.T, n int) data.Dataset {
	t.Helper()
	x, y := tensor.New(dtype.U8, n, 4, 5), tensor.New(dtype.I64, n)
	for i := range x.Bytes() {
		x.Bytes()[i] = byte(i * 7)
	}
	d, err := data.NewTable([]data.Field{{Name: "image", DType: dtype.U8, Dims: []int{4, 5}}, {Name: "y", DType: dtype.I64, Target: true}}, []tensor.Tensor{x, y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A derived field is made from what the loader gives, augmented or not, and
// from other derived fields; scans over labels do not ask for it.
func TestDerive(t *testing.T) {
	set := pictures(t, 10)
	calls := 0
	first, err := data.Derive(set, data.Field{Name: "first", DType: dtype.U8}, func(rows []int, b []tensor.Tensor, to *tensor.Tensor) error {
		calls++
		for k := range rows {
			to.Bytes()[k] = b[0].Bytes()[20*k]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := data.Derive(first, data.Field{Name: "twice", DType: dtype.U8}, func(rows []int, b []tensor.Tensor, to *tensor.Tensor) error {
		for k := range rows {
			to.Bytes()[k] = 2 * b[2].Bytes()[k]
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := data.Labels(twice); err != nil || calls != 0 {
		t.Errorf("labels: %v, derived %d times", err, calls)
	}
	aug, err := data.ParseAugment("flip,crop=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*data.Augment{nil, aug} {
		l, err := data.NewLoader(twice, data.LoaderOptions{Batch: 4, Shuffle: true, Augment: a})
		if err != nil {
			t.Fatal(err)
		}
		changed := false
		for b, err := range l.Epoch(context.Background(), 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			raw, err := data.Read(set, b.Rows...)
			if err != nil {
				t.Fatal(err)
			}
			changed = changed || !slices.Equal(raw[0].Bytes(), b.Tensors[0].Bytes())
			for k := range b.Rows {
				if p := b.Tensors[0].Bytes()[20*k]; b.Tensors[2].Bytes()[k] != p || b.Tensors[3].Bytes()[k] != 2*p {
					t.Errorf("augmented %v: derived %d, %d of %d", a != nil, b.Tensors[2].Bytes()[k], b.Tensors[3].Bytes()[k], p)
				}
			}
		}
		if changed != (a != nil) {
			t.Errorf("augmentation %v: changed %v", a, changed)
		}
	}
	if _, err := data.Derive(set, data.Field{Name: "y"}, nil); err == nil || !strings.Contains(err.Error(), `two fields are named "y"`) {
		t.Errorf("a second y: %v", err)
	}
}

// Inputs take fields by name, or by place where there is one of each.
func TestMatch(t *testing.T) {
	set := pictures(t, 3)
	derived, err := data.Derive(set, data.Field{Name: "more", DType: dtype.F32, Dims: []int{3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := shape.Sym("N")
	in := func(name string, d dtype.DType, dims ...shape.Dim) *ir.Value {
		return &ir.Value{Name: name, Type: tensor.T(d, append([]shape.Dim{n}, dims...)...)}
	}
	x := in("x", dtype.U8, shape.Int(4), shape.Sym("W"))
	for _, c := range []struct {
		in    []*ir.Value
		d     data.Dataset
		taken []string
		want  []int
		err   string
	}{
		{in: []*ir.Value{x}, d: set, want: []int{0}},
		{in: []*ir.Value{x}, d: derived, want: []int{0}}, // what is derived goes by name alone
		{in: []*ir.Value{x}, d: derived, taken: []string{"image"}, err: `data for input "x": have fields ["image" "more"], want one of that name`},
		{in: []*ir.Value{in("y", dtype.I64)}, d: set, err: `input "y": have the target of the data, want a field that is none`},
		{in: []*ir.Value{{Name: "image", Type: tensor.Seq(tensor.T(dtype.U8, n, shape.Int(4), shape.Int(5)))}}, d: set, err: `want seq`},
		{in: []*ir.Value{in("more", dtype.F32, shape.Int(3)), in("image", dtype.U8, shape.Int(4), shape.Int(5))}, d: derived, want: []int{2, 0}},
		{in: []*ir.Value{x, in("image", dtype.U8, shape.Int(4), shape.Int(5))}, d: set, err: `data for input "x"`},
		{in: []*ir.Value{in("x", dtype.U8, shape.Int(4), shape.Int(6))}, d: set, err: `field "image" for input "x": have u8[4 5] a sample, want u8[N,4,6]`},
		{in: []*ir.Value{in("image", dtype.F32, shape.Int(4), shape.Int(5))}, d: set, err: `field "image" for input "image": have u8[4 5] a sample, want f32[N,4,5]`},
		{in: []*ir.Value{in("image", dtype.U8, shape.Int(20))}, d: set, err: `want u8[N,20]`},
	} {
		have, err := data.Match(c.in, c.d, c.taken...)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
		} else if err != nil || !slices.Equal(have, c.want) {
			t.Errorf("%v, %v, want %v", have, err, c.want)
		}
	}
}
