package eltwise

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/pool"
)

func TestProgText(t *testing.T) {
	lines := []string{"add %0 %1", "mul 0.1 %2", "clip %3 -inf 6", "leakyrelu %4 0.01", "prelu %5 %0", "max %6 nan", "gelu %7"}
	p, err := Decode(2, lines)
	if err != nil {
		t.Fatal(err)
	}
	if have := p.Encode(); !slices.Equal(have, lines) {
		t.Errorf("have %q", have)
	}
	if q, err := Decode(2, p.Attrs().Strs(AttrProg)); err != nil || fmt.Sprint(q) != fmt.Sprint(p) {
		t.Errorf("have %v, %v, want %v", q, err, p)
	}
	for _, c := range []struct {
		inputs int
		line   string
		want   string
	}{
		{1, "", "empty"}, {1, "frob %0", "unknown function"}, {1, "add %0", "have 2 words"}, {1, "exp %1", "not computed"},
		{1, "exp 1", "no operand is a value"}, {1, "add 1 2", "no operand is a value"}, {1, "clip %0 %0 1", "not a number"},
		{1, "add %0 x", "neither"}, {1, "add %0 %-1", "not a number"}, {0, "exp %0", "inputs"}, {17, "exp %0", "inputs"},
	} {
		_, err := Decode(c.inputs, []string{c.line})
		if err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.BadModel {
			t.Errorf("%q: have %v, want %q", c.line, err, c.want)
		}
	}
	if _, err := Decode(1, nil); err == nil {
		t.Error("no steps: no error")
	}
}

// evaluate is the oracle: one element at a time, in float32, by the generic
// functions of the two contracts that they are defined by.
func evaluate(p *Prog, in []float32) float32 {
	v := slices.Clone(in)
	get := func(a Arg) []float32 {
		if a.Val < 0 {
			return []float32{a.Imm}
		}
		return v[a.Val : a.Val+1]
	}
	for _, s := range p.Steps {
		var d [1]float32
		if s.Op.Values() == 2 {
			Generic.Do2(s.Op, d[:], get(s.X), get(s.Y))
		} else {
			Generic.Do1(s.Op, d[:], get(s.X), s.P, s.Q)
		}
		v = append(v, d[0])
	}
	return v[len(v)-1]
}

// at is the element of t that broadcasting puts at index idx of the output.
func at(t *tensor.Tensor, idx []int) float32 {
	off := 0
	for j, d := range t.Dims() {
		off *= d
		if d != 1 {
			off += idx[len(idx)-t.Rank()+j]
		}
	}
	return float32(t.Float(off))
}

func randomProg(r *rand.Rand, inputs int) *Prog {
	p := &Prog{Inputs: inputs}
	for i := range 1 + r.IntN(6) {
		s := Step{P: float32(r.IntN(3)), Q: 2}
		for s.Op.String() == "" || i == 0 && s.Op == 0 {
			s.Op = Op(1 + r.IntN(int(numOps)-1))
		}
		s.X, s.Y = Value(r.IntN(inputs+i)), Value(r.IntN(inputs+i))
		if i > 0 {
			s.X = Value(inputs + i - 1)
		}
		if s.Op.Values() == 2 {
			switch r.IntN(4) {
			case 0:
				s.Y = Number(float32(r.NormFloat64()))
			case 1:
				s.X, s.Y = Number(float32(r.NormFloat64())), s.X
			case 2:
				s.X, s.Y = s.Y, s.X
			}
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

func randomTensor(r *rand.Rand, d dtype.DType, dims []int) tensor.Tensor {
	t := tensor.New(d, dims...)
	for i := range t.Len() {
		switch d {
		case dtype.U8, dtype.I8:
			t.SetInt(i, int64(r.IntN(256)))
		case dtype.Bool:
			t.SetInt(i, int64(r.IntN(2)))
		default:
			t.SetFloat(i, float64(sample(r)))
		}
	}
	return t
}

var outDims = [][]int{{}, {0}, {1}, {5}, {1000}, {5000}, {3, 7}, {2, 300}, {40, 10}, {2, 3, 4, 5}, {2, 3, 17, 31}, {1, 8, 1, 600}, {3, 0, 2}, {2, 1, 2, 1, 2, 1, 2}, {700, 3}}

// narrowed sets some axes of dims to one and drops some leading ones.
func narrowed(r *rand.Rand, dims []int) []int {
	d := slices.Clone(dims)
	switch r.IntN(3) {
	case 0:
		return d
	case 1:
		for i := range d {
			d[i] = 1
		}
		return d[r.IntN(len(d)+1):]
	}
	for i := range d {
		if r.IntN(2) == 0 {
			d[i] = 1
		}
	}
	for len(d) > 0 && d[0] == 1 && r.IntN(2) == 0 {
		d = d[1:]
	}
	return d
}

func runCall(t *testing.T, d *kernel.Desc, c *kernel.Call) {
	t.Helper()
	st, err := d.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	c.State = st
	c.Scratch = tensor.AlignedBytes(d.Scratch(c, c.Pool.Threads()))
	d.Run(c)
}

func TestKernelsAgainstElements(t *testing.T) {
	pools := []*pool.Pool{nil, pool.New(2), pool.New(3)}
	defer pools[1].Close()
	defer pools[2].Close()
	test := func(t *testing.T, d *kernel.Desc) {
		r := rand.New(rand.NewPCG(5, 6))
		for n := range 400 {
			out := outDims[n%len(outDims)]
			p := randomProg(r, 1+r.IntN(4))
			types := [2]dtype.DType{dtype.F32, dtype.F32}
			if n%4 == 3 {
				types[1] = dtype.F16
			}
			c := &kernel.Call{Attrs: p.Attrs(), Pool: pools[n%3]}
			var ops []tensor.Tensor
			for i := range p.Inputs {
				from := types[r.IntN(2)]
				if n%4 == 1 && r.IntN(2) == 0 {
					from = [...]dtype.DType{dtype.U8, dtype.I8, dtype.Bool}[r.IntN(3)]
				}
				x := randomTensor(r, from, narrowed(r, out))
				ops = append(ops, x)
				if i < (p.Inputs+1)/2 {
					c.In = append(c.In, tensor.V(x))
				} else {
					c.Consts = append(c.Consts, x)
				}
			}
			y := tensor.New(types[r.IntN(2)], out...)
			c.Out = tensor.Vs(y)
			runCall(t, d, c)
			idx := make([]int, len(out))
			el := make([]float32, len(ops))
			for i := range y.Len() {
				for k := range ops {
					el[k] = at(&ops[k], idx)
				}
				want := evaluate(p, el)
				if y.DType() == dtype.F16 {
					want = dtype.F16ToF32(dtype.F32ToF16(want))
				}
				if have := float32(y.Float(i)); !same(have, want) {
					t.Fatalf("%q over %v at %v: of %x have %x, want %x", p.Encode(), out, idx, el, have, want)
				}
				for a := len(idx) - 1; a >= 0; a-- {
					if idx[a]++; idx[a] < out[a] {
						break
					}
					idx[a] = 0
				}
			}
		}
	}
	t.Run("generic", func(t *testing.T) { test(t, &F32_generic) })
	eachImpl(t, func(t *testing.T, im impl) { test(t, im.d) })
}

func TestKernelInPlaceAndWithoutAllocation(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	p, err := Decode(2, []string{"add %0 %1", "sigmoid %2", "mul %3 %0"})
	if err != nil {
		t.Fatal(err)
	}
	x, b := randomTensor(r, dtype.F32, []int{4, 50, 400}), randomTensor(r, dtype.F32, []int{50, 1})
	want := tensor.New(dtype.F32, 4, 50, 400)
	run := func(d *kernel.Desc, in, out tensor.Tensor) *kernel.Call {
		c := &kernel.Call{In: tensor.Vs(in, b), Out: tensor.Vs(out), Attrs: p.Attrs()}
		runCall(t, d, c)
		return c
	}
	run(&F32_generic, x, want)
	eachImpl(t, func(t *testing.T, im impl) {
		y := x.Clone()
		c := run(im.d, y, y)
		if tensorsDiffer(y, want) {
			t.Error("in place: other bits")
		}
		if n := testing.AllocsPerRun(10, func() { im.d.Run(c) }); n != 0 {
			t.Errorf("%v allocations a run", n)
		}
	})
}

func tensorsDiffer(a, b tensor.Tensor) bool {
	return !slices.EqualFunc(tensor.Slice[float32](&a), tensor.Slice[float32](&b), same)
}

func TestPrepareErrors(t *testing.T) {
	f := func(dims ...int) tensor.Tensor { return tensor.New(dtype.F32, dims...) }
	for _, c := range []struct {
		name string
		in   []tensor.Tensor
		out  tensor.Tensor
		prog []string
		kind diag.Kind
	}{
		{"shape", []tensor.Tensor{f(3), f(4)}, f(3), []string{"add %0 %1"}, diag.Shape},
		{"rank", []tensor.Tensor{f(1, 3)}, f(3), []string{"exp %0"}, diag.Shape},
		{"type", []tensor.Tensor{tensor.Int64s(1)}, f(1), []string{"exp %0"}, diag.Internal},
		{"program", []tensor.Tensor{f(3)}, f(3), nil, diag.BadModel},
	} {
		_, err := F32_generic.Prepare(&kernel.Call{In: tensor.Vs(c.in...), Out: tensor.Vs(c.out), Attrs: attr.Map{AttrProg: attr.Strs(c.prog...)}})
		if err == nil || diag.KindOf(err) != c.kind {
			t.Errorf("%s: have %v, want kind %v", c.name, err, c.kind)
		}
	}
}

func TestEpilogue(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	out := []int{2, 3, 5, 241} // batch, row, two column axes
	operands := tensor.Vs(randomTensor(r, dtype.F32, []int{3, 1, 1}), randomTensor(r, dtype.F16, out),
		randomTensor(r, dtype.F32, out), randomTensor(r, dtype.U8, []int{1}), randomTensor(r, dtype.I8, []int{5, 241}))
	for _, lines := range [][]string{
		{"add %0 %1", "relu %6"}, {"add %0 %1", "clip %6 0 6"}, {"add %0 %1", "sigmoid %6", "mul %6 %7"}, {"sigmoid %0", "mul %7 %8"},
		{"add %2 %0", "mul %4 %6", "max %7 %5", "sub %8 %0", "mul %6 %9"}, {"sub 1 %0"}, {"add %0 %0", "add %6 %6"}, {"copy %0"},
	} {
		if len(lines) == 2 && lines[0] == "sigmoid %0" {
			lines = []string{"sigmoid %0", "mul %0 %6", "add %7 %3"}
		}
		p, err := Decode(6, lines)
		if err != nil {
			t.Fatal(err)
		}
		all := append([]impl{{f: &Generic}}, impls...)
		for _, im := range all {
			if !cpu.Detect().Has(im.needs) {
				continue
			}
			e, err := NewEpilogue(im.f, p, out, 1, 1, operands, 2)
			if err != nil {
				t.Fatal(err)
			}
			e.Bind(operands)
			y := randomTensor(r, dtype.F32, out)
			x := y.Clone()
			v := tensor.Slice[float32](&y)
			var wg sync.WaitGroup
			for n := range 2 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					m := matrixOf{e, n}
					c := v[n*3*1205:]
					m.Apply(c, 1205, 0, 3, 0, 1000)
					m.Apply(c[1205+1000:], 1205, 1, 2, 1000, 205)
					m.Apply(c[1000:], 1205, 0, 1, 1000, 205)
				}()
			}
			wg.Wait()
			for i := range v {
				idx := []int{i / 3615, i / 1205 % 3, i / 241 % 5, i % 241}
				el := []float32{float32(x.Float(i))}
				for k := range operands {
					el = append(el, at(&operands[k].Tensor, idx))
				}
				if want := evaluate(p, el); !same(v[i], want) {
					t.Fatalf("%s %q at %v: of %x have %x, want %x", im.f.Name, lines, idx, el, v[i], want)
				}
			}
			if n := testing.AllocsPerRun(10, func() { e.Row(v[:1205], 0, 0, 0) }); n != 0 {
				t.Errorf("%q: %v allocations", lines, n)
			}
		}
	}
	p, _ := Decode(2, []string{"add %0 %1"})
	for _, c := range []struct {
		dims []int
		kind diag.Kind
	}{{[]int{5, 1}, diag.Unsupported}, {[]int{4}, diag.Shape}, {[]int{1, 1, 1, 1, 1}, diag.Shape}} {
		_, err := NewEpilogue(&Generic, p, out, 1, 1, tensor.Vs(tensor.New(dtype.F32, c.dims...)), 1)
		if err == nil || diag.KindOf(err) != c.kind {
			t.Errorf("operand %v: have %v, want kind %v", c.dims, err, c.kind)
		}
	}
}

func BenchmarkKernel(b *testing.B) {
	x, y := tensor.New(dtype.F32, 1<<20), tensor.New(dtype.F32, 1<<20)
	for _, lines := range [][]string{{"add %0 %0"}, {"exp %0"}, {"mul %0 0.5", "add %1 1", "relu %2"}, {"gelu %0"}} {
		for _, im := range impls {
			if !cpu.Detect().Has(im.needs) {
				continue
			}
			b.Run(strings.Join(lines, ";")+"/"+im.f.Name, func(b *testing.B) {
				c := &kernel.Call{In: tensor.Vs(x), Out: tensor.Vs(y), Attrs: attr.Map{AttrProg: attr.Strs(lines...)}}
				st, err := im.d.Prepare(c)
				if err != nil {
					b.Fatal(err)
				}
				c.State = st
				c.Scratch = tensor.AlignedBytes(im.d.Scratch(c, 1))
				b.SetBytes(1 << 22)
				for range b.N {
					im.d.Run(c)
				}
			})
		}
	}
}

// matrixOf applies an epilogue to one batch row by row, as matrix products do.
type matrixOf struct {
	e     *Epilogue
	batch int
}

// Apply finishes rows [row, row+rows) of columns [col, col+cols); c begins at
// the first of them and has stride ld.
func (m *matrixOf) Apply(c []float32, ld, row, rows, col, cols int) {
	for i := range rows {
		m.e.Row(c[i*ld:][:cols], m.batch, row+i, col)
	}
}
