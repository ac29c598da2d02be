package copy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/pool"
)

var types = []dtype.DType{dtype.U8, dtype.F16, dtype.F32, dtype.I64, dtype.C128}

// random is a tensor of random bytes.
func random(r *rand.Rand, d dtype.DType, dims ...int) tensor.Tensor {
	t := tensor.New(d, dims...)
	for i := range t.Bytes() {
		t.Bytes()[i] = byte(r.Uint32())
	}
	return t
}

// element i of t, as bytes.
func element(t *tensor.Tensor, i int) []byte {
	n := t.DType().Size()
	return t.Bytes()[i*n:][:n]
}

// index splits a row-major position.
func index(i int, dims []int) []int {
	idx := make([]int, len(dims))
	for a := len(dims) - 1; a >= 0; a-- {
		idx[a] = i % dims[a]
		i /= dims[a]
	}
	return idx
}

func position(idx, dims []int) int {
	p := 0
	for a, n := range dims {
		p = p*n + idx[a]
	}
	return p
}

// exec runs a call and compares each element of the output with want; a nil
// want is zero bytes.
func exec(t *testing.T, d *kernel.Desc, c *kernel.Call, want func(idx []int) []byte) {
	t.Helper()
	st, err := d.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	c.State = st
	y := &c.Out[0].Tensor
	for i := range y.Bytes() {
		y.Bytes()[i] = 0xa5
	}
	d.Run(c)
	for i := range y.Len() {
		idx := index(i, y.Dims())
		w := want(idx)
		if w == nil {
			w = make([]byte, y.DType().Size())
		}
		if !slices.Equal(element(y, i), w) {
			t.Fatalf("%s to %v%v at %v: have %x, want %x", d.ID, y.DType(), y.Dims(), idx, element(y, i), w)
		}
	}
	if c.Pool == nil {
		if n := testing.AllocsPerRun(2, func() { d.Run(c) }); n != 0 {
			t.Errorf("%s: %v allocations", d.ID, n)
		}
	}
}

func TestTranspose(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := pool.New(3)
	defer p.Close()
	for i, c := range []struct {
		dims []int
		perm []int64
	}{
		{[]int{3, 5}, nil}, {[]int{64, 48}, []int64{1, 0}}, {[]int{2, 3, 4}, []int64{0, 2, 1}}, {[]int{2, 3, 4}, []int64{2, 0, 1}},
		{[]int{1, 8, 5, 7}, []int64{0, 2, 3, 1}}, {[]int{2, 5, 7, 8}, []int64{0, 3, 1, 2}}, {[]int{2, 3, 2, 3, 2}, []int64{4, 2, 0, 3, 1}},
		{[]int{4}, []int64{0}}, {[]int{}, nil}, {[]int{0, 3}, []int64{1, 0}}, {[]int{3, 4, 2}, []int64{1, 0, 2}}, {[]int{1, 700, 33}, []int64{0, 2, 1}}, {[]int{3, 4, 3}, []int64{0, 1, 2}},
	} {
		for _, d := range types {
			x := random(r, d, c.dims...)
			out, perm := make([]int, len(c.dims)), c.perm
			for k := range out {
				if c.perm == nil {
					perm = append(slices.Clone(perm[:min(k, len(perm))]), int64(len(c.dims)-1-k))
				}
				out[k] = c.dims[perm[k]]
			}
			call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(tensor.New(d, out...)), Attrs: attr.Map{}}
			if c.perm != nil {
				call.Attrs["perm"] = attr.Ints(c.perm...)
			}
			if i%2 == 1 {
				call.Pool = p
			}
			exec(t, &Transpose, call, func(idx []int) []byte {
				from := make([]int, len(idx))
				for k, a := range perm {
					from[a] = idx[k]
				}
				return element(&x, position(from, c.dims))
			})
		}
	}
}

func TestSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x := func(d dtype.DType) tensor.Tensor { return random(r, d, 5, 6, 7) }
	for _, c := range []struct {
		starts, ends, axes, steps []int64
		from, step, out           []int // by hand, from ONNX Slice-13
	}{
		{[]int64{1}, []int64{4}, []int64{0}, nil, []int{1, 0, 0}, []int{1, 1, 1}, []int{3, 6, 7}},
		{[]int64{1, -3, 0}, []int64{1000, -1, 7}, nil, nil, []int{1, 3, 0}, []int{1, 1, 1}, []int{4, 2, 7}},
		{[]int64{-1}, []int64{-1000}, []int64{2}, []int64{-2}, []int{0, 0, 6}, []int{1, 1, -2}, []int{5, 6, 4}},
		{[]int64{0, 5}, []int64{5, 0}, []int64{-3, 1}, []int64{2, -1}, []int{0, 5, 0}, []int{2, -1, 1}, []int{3, 5, 7}},
		{[]int64{3}, []int64{3}, []int64{1}, nil, []int{0, 0, 0}, []int{1, 1, 1}, []int{5, 0, 7}},
		{[]int64{2}, []int64{3}, []int64{2}, nil, []int{0, 0, 2}, []int{1, 1, 1}, []int{5, 6, 1}},
		{[]int64{1}, []int64{3}, []int64{2}, nil, []int{0, 0, 1}, []int{1, 1, 1}, []int{5, 6, 2}},
	} {
		for _, d := range types {
			x := x(d)
			call := &kernel.Call{In: tensor.Vs(x, tensor.Int64s(c.starts...), tensor.Int64s(c.ends...)), Out: tensor.Vs(tensor.New(d, c.out...))}
			call.In = append(call.In, tensor.Value{})
			if c.axes != nil {
				call.In[3] = tensor.V(tensor.Int64s(c.axes...))
			}
			if c.steps != nil {
				call.In = append(call.In, tensor.V(tensor.Int64s(c.steps...)))
			}
			exec(t, &Slice, call, func(idx []int) []byte {
				from := make([]int, 3)
				for k := range from {
					from[k] = c.from[k] + idx[k]*c.step[k]
				}
				return element(&x, position(from, x.Dims()))
			})
		}
	}
}

func TestConcat(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, d := range types {
		for axis := range 3 {
			dims := [][]int{{2, 3, 4}, {2, 3, 4}, {2, 3, 4}}
			dims[0][axis], dims[2][axis] = 1, 5
			out := []int{2, 3, 4}
			out[axis] = dims[0][axis] + dims[1][axis] + dims[2][axis]
			var xs []tensor.Tensor
			for _, x := range dims {
				xs = append(xs, random(r, d, x...))
			}
			call := &kernel.Call{In: tensor.Vs(xs...), Out: tensor.Vs(tensor.New(d, out...)), Attrs: attr.Map{"axis": attr.Int(axis - 3)}}
			exec(t, &Concat, call, func(idx []int) []byte {
				from, k := slices.Clone(idx), 0
				for from[axis] >= dims[k][axis] {
					from[axis] -= dims[k][axis]
					k++
				}
				return element(&xs[k], position(from, dims[k]))
			})
		}
	}
}

func TestPad(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, d := range types {
		for i, c := range []struct {
			pads []int64
			axes []int64
			out  []int
			at   []int // of the first element of x, by hand
		}{
			{[]int64{0, 1, 2, 0, 1, 2}, nil, []int{2, 5, 8}, []int{0, 1, 2}},
			{[]int64{1, -1, 0, 0, 1, -2}, nil, []int{3, 3, 2}, []int{1, -1, 0}},
			{[]int64{3, 0}, []int64{-1}, []int{2, 3, 7}, []int{0, 0, 3}},
			{[]int64{-2, 1}, []int64{0}, []int{1, 3, 4}, []int{-2, 0, 0}},
		} {
			x := random(r, d, 2, 3, 4)
			call := &kernel.Call{In: []tensor.Value{tensor.V(x), tensor.V(tensor.Int64s(c.pads...)), {}, {}}, Out: tensor.Vs(tensor.New(d, c.out...))}
			var fill []byte
			if i%2 == 0 {
				v := random(r, d)
				fill = v.Bytes()
				call.In[2] = tensor.V(v)
			}
			if c.axes != nil {
				call.In[3] = tensor.V(tensor.Int64s(c.axes...))
			}
			exec(t, &Pad, call, func(idx []int) []byte {
				from := slices.Clone(idx)
				for k := range from {
					if from[k] -= c.at[k]; from[k] < 0 || from[k] >= x.Dim(k) {
						return fill
					}
				}
				return element(&x, position(from, x.Dims()))
			})
		}
	}
}

func TestPrepareErrors(t *testing.T) {
	f := func(dims ...int) tensor.Tensor { return tensor.New(dtype.F32, dims...) }
	unknown := tensor.Value{Kind: tensor.KindTensor}
	unknown.Tensor.Rebind(dtype.I64, []int{1}, nil)
	for _, c := range []struct {
		name string
		d    *kernel.Desc
		call kernel.Call
		kind diag.Kind
	}{
		{"perm", &Transpose, kernel.Call{In: tensor.Vs(f(2, 3)), Out: tensor.Vs(f(3, 2)), Attrs: attr.Map{"perm": attr.Ints(0, 0)}}, diag.Shape},
		{"output", &Transpose, kernel.Call{In: tensor.Vs(f(2, 3)), Out: tensor.Vs(f(2, 3))}, diag.Shape},
		{"nibbles", &Transpose, kernel.Call{In: tensor.Vs(tensor.New(dtype.U4, 2)), Out: tensor.Vs(tensor.New(dtype.U4, 2))}, diag.Unsupported},
		{"step 0", &Slice, kernel.Call{In: tensor.Vs(f(2), tensor.Int64s(0), tensor.Int64s(1), tensor.Int64s(0), tensor.Int64s(0)), Out: tensor.Vs(f(1))}, diag.Shape},
		{"unknown starts", &Slice, kernel.Call{In: []tensor.Value{tensor.V(f(2)), unknown, unknown}, Out: tensor.Vs(f(1))}, diag.Internal},
		{"concat", &Concat, kernel.Call{In: tensor.Vs(f(2), f(3)), Out: tensor.Vs(f(4))}, diag.Shape},
		{"pad mode", &Pad, kernel.Call{In: tensor.Vs(f(2), tensor.Int64s(1, 1)), Out: tensor.Vs(f(4)), Attrs: attr.Map{"mode": attr.Str("reflect")}}, diag.Unsupported},
	} {
		if _, err := c.d.Prepare(&c.call); err == nil || diag.KindOf(err) != c.kind {
			t.Errorf("%s: have %v, want kind %v", c.name, err, c.kind)
		}
	}
}

func BenchmarkTranspose(b *testing.B) {
	x := tensor.New(dtype.F32, 512, 64, 64)
	call := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(tensor.New(dtype.F32, 512, 64, 64)), Attrs: attr.Map{"perm": attr.Ints(0, 2, 1)}}
	st, err := Transpose.Prepare(call)
	if err != nil {
		b.Fatal(err)
	}
	call.State = st
	for range b.N {
		Transpose.Run(call)
	}
}
