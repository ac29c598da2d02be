package ref

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// bare is a Ctx that only makes buffers.
type bare struct{ context.Context }

func (bare) New(_ int, d dtype.DType, dims ...int) *tensor.Tensor {
	t := tensor.New(d, dims...)
	return &t
}
func (bare) Region(int, []tensor.Value, []tensor.Value) error { panic("no region here") }
func (bare) Rand() *rand.Rand                                 { return rand.New(rand.NewPCG(1, 2)) }

func call(t *testing.T, f kernel.RefFunc, a attr.Map, in ...tensor.Tensor) tensor.Tensor {
	t.Helper()
	out := make([]tensor.Value, 1)
	if err := f(bare{context.Background()}, tensor.Vs(in...), out, a); err != nil {
		t.Fatal(err)
	}
	return out[0].Tensor
}

func ramp32(d dtype.DType, dims ...int) tensor.Tensor {
	x := tensor.New(d, dims...)
	for i := range x.Len() {
		if d.IsFloat() {
			x.SetFloat(i, float64(i%7)-2.5)
		} else {
			x.SetInt(i, int64(i%5)+1)
		}
	}
	return x
}

// A planned run must not make garbage: the output's buffer is placed already.
func TestPlannedRunsDoNotAllocate(t *testing.T) {
	f32 := func(dims ...int) tensor.Tensor { return ramp32(dtype.F32, dims...) }
	axes := tensor.Int64s(1)
	reduce := attr.Map{"keepdims": attr.Int(1)}
	for _, c := range []struct {
		name string
		f    kernel.RefFunc
		a    attr.Map
		in   []tensor.Tensor
	}{
		{"Add", Add, nil, []tensor.Tensor{f32(2, 3, 4), f32(3, 1)}},
		{"Add f16", Add, nil, []tensor.Tensor{ramp32(dtype.F16, 2, 3), ramp32(dtype.F16, 3)}},
		{"Div i64", Div, nil, []tensor.Tensor{ramp32(dtype.I64, 2, 3), ramp32(dtype.I64, 3)}},
		{"Pow", Pow, nil, []tensor.Tensor{f32(2, 3), f32(1)}},
		{"Max", Max, nil, []tensor.Tensor{f32(2, 3), f32(3), f32(2, 1)}},
		{"Exp", Exp, nil, []tensor.Tensor{f32(9)}},
		{"Abs i32", Abs, nil, []tensor.Tensor{ramp32(dtype.I32, 9)}},
		{"Clip", Clip, nil, []tensor.Tensor{f32(9), f32(), f32()}},
		{"LeakyRelu", LeakyRelu, attr.Map{"alpha": attr.Float(0.1)}, []tensor.Tensor{f32(9)}},
		{"PRelu", PRelu, nil, []tensor.Tensor{f32(2, 3), f32(3)}},
		{"Gelu", Gelu, attr.Map{"approximate": attr.Str("tanh")}, []tensor.Tensor{f32(9)}},
		{"Less", Less, nil, []tensor.Tensor{f32(2, 3), f32(3)}},
		{"And", And, nil, []tensor.Tensor{tensor.New(dtype.Bool, 2, 3), tensor.New(dtype.Bool, 3)}},
		{"Where", Where, nil, []tensor.Tensor{tensor.New(dtype.Bool, 3), f32(2, 3), f32()}},
		{"Cast", Cast, attr.Map{"to": attr.Int(dtype.I32.ONNX())}, []tensor.Tensor{f32(9)}},
		{"ReduceSum", ReduceSum, reduce, []tensor.Tensor{f32(2, 3, 4), axes}},
		{"ReduceMean i32", ReduceMean, reduce, []tensor.Tensor{ramp32(dtype.I32, 2, 3), axes}},
		{"ReduceMax", ReduceMax, reduce, []tensor.Tensor{f32(2, 3, 4), axes}},
		{"ArgMax", ArgMax, attr.Map{"axis": attr.Int(1)}, []tensor.Tensor{f32(2, 3)}},
		{"Softmax", Softmax, attr.Map{"axis": attr.Int(-1)}, []tensor.Tensor{f32(2, 3)}},
		{"QuantizeLinear", QuantizeLinear, attr.Map{"axis": attr.Int(1)}, []tensor.Tensor{f32(2, 3), f32(3), ramp32(dtype.U8, 3)}},
		{"DequantizeLinear", DequantizeLinear, nil, []tensor.Tensor{ramp32(dtype.U8, 6), f32()}},
	} {
		in, out := tensor.Vs(c.in...), make([]tensor.Value, 1)
		var ctx kernel.Ctx = bare{context.Background()}
		if err := c.f(ctx, in, out, c.a); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if n := testing.AllocsPerRun(20, func() { _ = c.f(ctx, in, out, c.a) }); n != 0 {
			t.Errorf("%s: %v allocations a run", c.name, n)
		}
	}
}

// bcastAt is the definition that bcastRows is compared with: element i of a
// shape, in an operand that broadcasts to it.
func bcastAt(dims, operand []int, i int) int {
	off, stride := 0, 1
	for a := len(dims) - 1; a >= 0; a-- {
		k := i % dims[a]
		i /= dims[a]
		if j := a - (len(dims) - len(operand)); j >= 0 {
			if operand[j] != 1 {
				off += k * stride
			}
			stride *= operand[j]
		}
	}
	return off
}

func TestBroadcastRows(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		dims := make([]int, r.IntN(5))
		for i := range dims {
			dims[i] = 1 + r.IntN(3)
		}
		var ops [3][]int
		for k := range ops {
			ops[k] = append([]int{}, dims[r.IntN(len(dims)+1):]...)
			for i := range ops[k] {
				if r.IntN(3) == 0 {
					ops[k][i] = 1
				}
			}
		}
		w := newBcastRows(dims, ops[0], ops[1], ops[2])
		for i := 0; i < product(dims); i += w.n {
			for j := range w.n {
				for k := range ops {
					if have, want := w.off[k]+j*w.step[k], bcastAt(dims, ops[k], i+j); have != want {
						t.Fatalf("%v broadcast to %v, element %d: offset %d, want %d", ops[k], dims, i+j, have, want)
					}
				}
			}
			w.next()
		}
	}
}

func TestIntegerPowers(t *testing.T) {
	for _, c := range []struct {
		x, y     int64
		unsigned bool
		want     int64
		ok       bool
	}{
		{3, 4, false, 81, true}, {2, 64, false, 0, true}, {-2, 3, false, -8, true}, {0, 0, false, 1, true},
		{2, -1, false, 0, true}, {-1, -3, false, -1, true}, {-1, -4, false, 1, true}, {0, -1, false, 0, false}, {1, -1, true, 1, true},
	} {
		if v, ok := powInt(c.x, c.y, c.unsigned); v != c.want || ok != c.ok {
			t.Errorf("%d to the %d: %d, %v, want %d, %v", c.x, c.y, v, ok, c.want, c.ok)
		}
	}
}

func TestTruncTo(t *testing.T) {
	for _, c := range []struct {
		d    dtype.DType
		v    float64
		want int64
	}{
		{dtype.I32, 2.9, 2}, {dtype.I32, -2.9, -2}, {dtype.I32, 3e9, math.MaxInt32}, {dtype.I32, math.Inf(-1), math.MinInt32},
		{dtype.I64, 9.3e18, math.MaxInt64}, {dtype.I64, -9.3e18, math.MinInt64}, {dtype.I64, 0x1p62, 1 << 62}, {dtype.U32, -1, 0},
		{dtype.U32, 5e9, math.MaxUint32}, {dtype.U64, 0x1p63, math.MinInt64}, {dtype.U64, 2e19, -1}, {dtype.U64, -0.5, 0},
		{dtype.I8, 300, 300}, {dtype.I64, math.NaN(), 0},
	} {
		if have := truncTo(c.d, c.v); have != c.want {
			t.Errorf("%v of %v: %d, want %d", c.d, c.v, have, c.want)
		}
	}
}

// 2^53+1 and the like round once: the values are those of IEEE 754.
func TestIntegersRoundOnce(t *testing.T) {
	// 2^60 + 2^36 + 1 lies just above the middle of two f32 neighbours;
	// float64 drops the 1 and the tie then goes to even.
	v := int64(1)<<60 + 1<<36 + 1
	x := tensor.MustOf([]int64{v, -v}, 2)
	y := call(t, Cast, attr.Map{"to": attr.Int(dtype.F32.ONNX())}, x)
	if have := y.Float(0); have != 0x1p60+0x1p37 || y.Float(1) != -have {
		t.Errorf("f32: have %x", have)
	}
	v = int64(1)<<60 + 1<<52 + 1
	y = call(t, Cast, attr.Map{"to": attr.Int(dtype.BF16.ONNX())}, tensor.MustOf([]int64{v}, 1))
	if have := y.Float(0); have != 0x1p60+0x1p53 {
		t.Errorf("bf16: have %x", have)
	}
}

func TestNaNWins(t *testing.T) {
	nan := float32(math.NaN())
	a, b := tensor.MustOf([]float32{nan, 1, nan}, 3), tensor.MustOf([]float32{1, nan, nan}, 3)
	for name, f := range map[string]kernel.RefFunc{"Max": Max, "Min": Min} {
		y := call(t, f, nil, a, b)
		for i := range 3 {
			if y.Float(i) == y.Float(i) {
				t.Errorf("%s: element %d is %v", name, i, y.Float(i))
			}
		}
	}
	for name, f := range map[string]kernel.RefFunc{"ReduceMax": ReduceMax, "ReduceMin": ReduceMin} {
		if y := call(t, f, nil, tensor.MustOf([]float32{1, nan, 2}, 3)); y.Float(0) == y.Float(0) {
			t.Errorf("%s: %v", name, y.Float(0))
		}
	}
	y := call(t, ArgMax, attr.Map{"axis": attr.Int(0)}, tensor.MustOf([]float32{1, nan, 2, nan}, 4))
	if y.Int(0) != 1 {
		t.Errorf("ArgMax: %d, want the first NaN as numpy has it", y.Int(0))
	}
}

// The small formats decode to distinct values and encode them back.
func TestTinyFloatsRoundTrip(t *testing.T) {
	for _, d := range []dtype.DType{dtype.F8E4M3FN, dtype.F8E4M3FNUZ, dtype.F8E5M2, dtype.F8E5M2FNUZ, dtype.F4E2M1} {
		f, _ := tinyOf(d)
		for code := range 1 << f.bits {
			v := f.decode(uint8(code))
			if v != v {
				continue
			}
			if have := f.encode(v, false); int(have) != code {
				t.Errorf("%v: %#x is %v and comes back as %#x", d, code, v, have)
			}
		}
	}
}

// x*Phi(x) is NaN at -Inf by its formula, as in onnxruntime 1.32 and in the
// kernels; far below zero it is -0.
func TestGeluAtTheEnds(t *testing.T) {
	for _, approximate := range []string{"none", "tanh"} {
		y := call(t, Gelu, attr.Map{"approximate": attr.Str(approximate)}, tensor.MustOf([]float32{float32(math.Inf(-1)), float32(math.Inf(1)), -1e30, 1e30}, 4))
		if v := y.Float(0); v == v || !math.IsInf(y.Float(1), 1) || y.Float(2) != 0 || y.Float(3) != float64(float32(1e30)) {
			t.Errorf("%s: %v %v %v %v", approximate, y.Float(0), y.Float(1), y.Float(2), y.Float(3))
		}
	}
}
