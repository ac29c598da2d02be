package dwconv

import (
	"fmt"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
	"github.com/mlc-go/mlc/runtime/pool"
)

type impl struct {
	f     *funcs
	d     *kernel.Desc
	needs cpu.Features
}

func eachImpl(t *testing.T, test func(t *testing.T, im impl)) {
	for _, im := range impls {
		t.Run(im.f.elt.Name, func(t *testing.T) {
			kerneltest.Need(t, im.needs)
			test(t, im)
		})
	}
}

func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// The sum of shifted rows, with guards around what may be written, at every
// length and alignment.
func TestTaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	eachImpl(t, func(t *testing.T, im impl) {
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 200, 500} {
			for _, taps := range []int{1, 2, 9} {
				src, w, off := make([]float32, n+100), make([]float32, taps), make([]int, taps)
				for i := range src {
					src[i] = float32(r.NormFloat64())
				}
				if n%2 == 0 {
					src[50] = float32(math.NaN())
					src[60] = 0x1p-140
					src[70] = float32(math.Inf(1))
				}
				for i := range w {
					w[i], off[i] = float32(r.NormFloat64()), 4*r.IntN(100)
				}
				off[0] = 4 * 100 // the last element is the end of the memory
				want, have := make([]float32, n), make([]float32, n+34)
				at := 1 + r.IntN(16)
				for i := range have {
					have[i] = 42
				}
				tapsGo(n, &want[0], &src[0], &off[0], &w[0], taps, 0.25)
				im.f.taps(n, &have[at], &src[0], &off[0], &w[0], taps, 0.25)
				for i, v := range have {
					switch j := i - at; {
					case j < 0 || j >= n:
						if v != 42 {
							t.Fatalf("n=%d: wrote outside at %d", n, j)
						}
					case !same(v, want[j]):
						t.Fatalf("n=%d taps=%d: element %d is %x, want %x", n, taps, j, v, want[j])
					}
				}
			}
		}
		for n := range 70 {
			src, dst := make([]float32, max(0, 2*n-1)), make([]float32, n)
			for i := range src {
				src[i] = float32(i)
			}
			im.f.evens(dst, src)
			for i, v := range dst {
				if v != float32(2*i) {
					t.Fatalf("evens of %d: element %d is %v", n, i, v)
				}
			}
		}
	})
}

type conv struct {
	n, c, mult, h, w, kh, kw int
	stride, dil              [2]int64
	pads                     [4]int64
	bias                     bool
	prog                     []string
}

func (c conv) String() string { return fmt.Sprint(c.tuple()...) }

func (c conv) tuple() []any {
	return []any{c.n, c.c, c.mult, c.h, c.w, c.kh, c.kw, c.stride, c.dil, c.pads, c.bias, c.prog}
}

func (c conv) outs() (oh, ow int) {
	f := func(in, k int, s, d, p, q int64) int { return (in+int(p+q)-int(d)*(k-1)-1)/int(s) + 1 }
	return f(c.h, c.kh, c.stride[0], c.dil[0], c.pads[0], c.pads[2]), f(c.w, c.kw, c.stride[1], c.dil[1], c.pads[1], c.pads[3])
}

func (c conv) call(r *rand.Rand, p *pool.Pool) *kernel.Call {
	fill := func(dims ...int) tensor.Tensor {
		t := tensor.New(dtype.F32, dims...)
		for i := range t.Len() {
			t.SetFloat(i, r.NormFloat64())
		}
		return t
	}
	oh, ow := c.outs()
	k := &kernel.Call{Pool: p, Attrs: attr.Map{"group": attr.Int(c.c), "strides": attr.Ints(c.stride[:]...), "dilations": attr.Ints(c.dil[:]...), "pads": attr.Ints(c.pads[:]...)}}
	k.In = []tensor.Value{tensor.V(fill(c.n, c.c, c.h, c.w)), {}}
	if c.bias {
		k.In[1] = tensor.V(fill(c.c * c.mult))
	}
	if c.prog != nil {
		k.Attrs["prog"] = attr.Strs(c.prog...)
		if len(c.prog) > 1 {
			k.In = append(k.In, tensor.V(fill(c.n, c.c*c.mult, oh, ow)))
		}
	}
	k.Consts = []tensor.Tensor{fill(c.c*c.mult, 1, c.kh, c.kw)}
	k.Out = tensor.Vs(tensor.New(dtype.F32, c.n, c.c*c.mult, oh, ow))
	return k
}

func exec(t *testing.T, d *kernel.Desc, c *kernel.Call) []float32 {
	t.Helper()
	st, err := d.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	c.State, c.Scratch = st, nil
	c.Scratch = tensor.AlignedBytes(d.Scratch(c, c.Pool.Threads()))
	for i := range c.Scratch {
		c.Scratch[i] = 0xff // NaN: contents are undefined
	}
	clear(c.Out[0].Tensor.Bytes())
	d.Run(c)
	return append([]float32(nil), tensor.Slice[float32](&c.Out[0].Tensor)...)
}

// direct is the convolution by its definition: the chain of the numerics rule,
// and the exact sum in float64.
func (c conv) direct(k *kernel.Call) (chain []float32, exact []float64) {
	oh, ow := c.outs()
	x, w := &k.In[0].Tensor, &k.Consts[0]
	for i := range c.n * c.c * c.mult * oh * ow {
		ox, oy, m, n := i%ow, i/ow%oh, i/ow/oh%(c.c*c.mult), i/ow/oh/(c.c*c.mult)
		s, e := float32(0), 0.0
		for t := range c.kh * c.kw {
			iy, ix := oy*int(c.stride[0])+t/c.kw*int(c.dil[0])-int(c.pads[0]), ox*int(c.stride[1])+t%c.kw*int(c.dil[1])-int(c.pads[1])
			v := 0.0
			if iy >= 0 && iy < c.h && ix >= 0 && ix < c.w {
				v = x.Float(((n*c.c+m/c.mult)*c.h+iy)*c.w + ix)
			}
			f := w.Float(m*c.kh*c.kw + t)
			s = vecmath.FMA32(float32(v), float32(f), s)
			e += float64(v * f)
		}
		if c.bias {
			s += float32(k.In[1].Tensor.Float(m))
			e += k.In[1].Tensor.Float(m)
		}
		switch len(c.prog) { // "clip %0 -0.5 0.5", or "add %0 %1", "relu %2"
		case 1:
			s, e = min(max(s, -0.5), 0.5), min(max(e, -0.5), 0.5)
		case 2:
			s, e = max(s+float32(k.In[2].Tensor.Float(i)), 0), max(e+k.In[2].Tensor.Float(i), 0)
		}
		chain, exact = append(chain, s), append(exact, e)
	}
	return chain, exact
}

var one = [2]int64{1, 1}

func TestAgainstDefinition(t *testing.T) {
	cases := []conv{
		{1, 3, 1, 8, 8, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, nil},
		{2, 5, 1, 7, 7, 3, 3, [2]int64{2, 2}, one, [4]int64{0, 0, 1, 1}, false, []string{"clip %0 -0.5 0.5"}},
		{1, 4, 1, 30, 129, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, []string{"add %0 %1", "relu %2"}},
		{1, 2, 1, 33, 150, 5, 5, [2]int64{2, 2}, one, [4]int64{2, 2, 2, 2}, true, []string{"clip %0 -0.5 0.5"}},
		{1, 2, 2, 9, 13, 3, 5, [2]int64{1, 2}, [2]int64{2, 1}, [4]int64{2, 0, 1, 3}, true, nil},
		{1, 3, 1, 20, 20, 3, 3, [2]int64{3, 3}, [2]int64{2, 4}, [4]int64{4, 4, 4, 4}, false, nil},
		{1, 2, 1, 1, 49, 1, 9, one, one, [4]int64{0, 4, 0, 4}, true, []string{"add %0 %1", "relu %2"}},
		{1, 2, 1, 40, 1, 10, 1, [2]int64{2, 1}, one, [4]int64{5, 0, 4, 0}, false, nil},
		{1, 1, 1, 300, 70, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, nil},
		{1, 1, 1, 2, 2, 3, 3, one, one, [4]int64{5, 5, 5, 5}, true, nil},
		{1, 64, 1, 4, 4, 1, 1, one, one, [4]int64{}, true, nil},
		{3, 40, 1, 12, 12, 3, 3, [2]int64{2, 1}, one, [4]int64{1, 1, 1, 1}, true, nil},
		{0, 2, 1, 4, 4, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, nil},
	}
	r := rand.New(rand.NewPCG(3, 4))
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	for _, c := range cases {
		call := c.call(r, nil)
		chain, exact := c.direct(call)
		check := func(how string, y []float32) {
			t.Helper()
			for i, v := range y {
				if v != chain[i] {
					t.Fatalf("%v %s: element %d is %x, want %x", c, how, i, v, chain[i])
				}
				if d := math.Abs(float64(v) - exact[i]); d > float64(c.kh*c.kw)*0x1p-21 {
					t.Fatalf("%v %s: element %d is %v, exact %v", c, how, i, v, exact[i])
				}
			}
		}
		check("generic", exec(t, &F32_generic, call))
		for _, im := range impls {
			if cpu.Detect().Has(im.needs) {
				for _, p := range pools {
					call.Pool = p
					check(fmt.Sprintf("%s, %d threads", im.d.ID, p.Threads()), exec(t, im.d, call))
				}
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	c := conv{1, 8, 1, 20, 20, 3, 3, [2]int64{2, 2}, one, [4]int64{1, 1, 1, 1}, true, []string{"add %0 %1", "relu %2"}}
	call := c.call(rand.New(rand.NewPCG(5, 6)), nil)
	eachImpl(t, func(t *testing.T, im impl) {
		exec(t, im.d, call)
		if n := testing.AllocsPerRun(10, func() { im.d.Run(call) }); n != 0 {
			t.Errorf("%v allocations a run", n)
		}
	})
}

func TestPrepareErrors(t *testing.T) {
	good := conv{1, 4, 1, 8, 8, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, nil}
	for name, spoil := range map[string]func(c *kernel.Call){
		"group":  func(c *kernel.Call) { c.Attrs["group"] = attr.Int(2) },
		"output": func(c *kernel.Call) { c.Attrs["pads"] = attr.Ints(0, 0, 0, 0) },
		"stride": func(c *kernel.Call) { c.Attrs["strides"] = attr.Ints(0, 0) },
		"bias":   func(c *kernel.Call) { c.In[1] = tensor.V(tensor.New(dtype.F32, 3)) },
		"type":   func(c *kernel.Call) { c.In[0] = tensor.V(tensor.New(dtype.F16, 1, 4, 8, 8)) },
		"prog":   func(c *kernel.Call) { c.Attrs["prog"] = attr.Strs("frob %0") },
	} {
		c := good.call(rand.New(rand.NewPCG(7, 8)), nil)
		spoil(c)
		if _, err := F32_generic.Prepare(c); err == nil || diag.KindOf(err) == 0 && name != "type" {
			t.Errorf("%s: have %v", name, err)
		}
	}
}

// The SAME modes place the odd zero at the end (UPPER) or at the beginning:
// ONNX Conv, attribute auto_pad. 4 wide, kernel 2, stride 1: one zero in all.
func TestAutoPad(t *testing.T) {
	x := tensor.MustOf([]float32{1, 2, 3, 4}, 1, 1, 1, 4)
	w := tensor.MustOf([]float32{10, 1}, 1, 1, 1, 2)
	for mode, want := range map[string][]float32{"SAME_UPPER": {12, 23, 34, 40}, "SAME_LOWER": {1, 12, 23, 34}, "VALID": {12, 23, 34}} {
		c := &kernel.Call{In: tensor.Vs(x), Consts: []tensor.Tensor{w}, Out: tensor.Vs(tensor.New(dtype.F32, 1, 1, 1, len(want))),
			Attrs: attr.Map{"auto_pad": attr.Str(mode), "group": attr.Int(1)}}
		for i, v := range exec(t, &F32_generic, c) {
			if v != want[i] {
				t.Errorf("%s: element %d is %v, want %v", mode, i, v, want[i])
			}
		}
	}
}

func BenchmarkConv(b *testing.B) {
	for _, c := range []conv{
		{1, 96, 1, 112, 112, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, nil},
		{1, 96, 1, 112, 112, 3, 3, [2]int64{2, 2}, one, [4]int64{1, 1, 1, 1}, true, nil},
		{1, 960, 1, 7, 7, 3, 3, one, one, [4]int64{1, 1, 1, 1}, true, []string{"clip %0 0 6"}},
	} {
		for _, im := range impls {
			if !cpu.Detect().Has(im.needs) {
				continue
			}
			b.Run(fmt.Sprintf("%dx%dx%d_s%d/%s", c.c, c.h, c.w, c.stride[0], im.f.elt.Name), func(b *testing.B) {
				call := c.call(rand.New(rand.NewPCG(1, 1)), nil)
				st, err := im.d.Prepare(call)
				if err != nil {
					b.Fatal(err)
				}
				call.State = st
				call.Scratch = tensor.AlignedBytes(im.d.Scratch(call, 1))
				for range b.N {
					im.d.Run(call)
				}
			})
		}
	}
}
