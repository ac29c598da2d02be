package reduce

import (
	"math"

	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

const (
	lanes = vecmath.Lanes
	chunk = vecmath.Chunk
)

// Funcs are the folds of one instruction set. All have equal bits.
type Funcs struct {
	Name string
	isa  isa
}

// isa says which assembly a fold calls. It is a number, not a function value,
// so that lanes can stay on the stack.
type isa uint8

const (
	isaGo isa = iota
	isaAVX2
	isaAVX512
	isaNEON
)

// Generic are the folds in plain Go.
var Generic = Funcs{"generic", isaGo}

// op is an operation that may be folded in any order as far as the numerics
// rule is concerned.
type op uint8

const (
	opSum op = iota
	opMax
	opMin
	opMul
)

// start is what a fold of nothing gives.
func (o op) start() float32 {
	switch o {
	case opMax:
		return float32(math.Inf(-1))
	case opMin:
		return float32(math.Inf(1))
	case opMul:
		return 1
	}
	return 0
}

// two combines two values.
func (o op) two(a, b float32) float32 {
	switch o {
	case opMax:
		return max32(a, b)
	case opMin:
		return min32(a, b)
	case opMul:
		return a * b
	}
	return a + b
}

// max32 is NaN if a or b is, and orders -0 below +0.
func max32(a, b float32) float32 {
	switch {
	case a > b:
		return a
	case b > a:
		return b
	case a == b:
		return math.Float32frombits(math.Float32bits(a) & math.Float32bits(b))
	}
	return math.Float32frombits(vecmath.NaN32)
}

// min32 is NaN if a or b is, and orders -0 below +0.
func min32(a, b float32) float32 {
	switch {
	case a < b:
		return a
	case b < a:
		return b
	case a == b:
		return math.Float32frombits(math.Float32bits(a) | math.Float32bits(b))
	}
	return math.Float32frombits(vecmath.NaN32)
}

// Sum is the sum of x in the order of the numerics rule: the bits of
// vecmath.Sum.
func (f *Funcs) Sum(x []float32) float32 { return f.all(opSum, x) }

// Max and Min are the extremes of x: NaN if any element is, infinite for none;
// -0 is below +0.
func (f *Funcs) Max(x []float32) float32 { return f.all(opMax, x) }
func (f *Funcs) Min(x []float32) float32 { return f.all(opMin, x) }

// all folds x: chunks by part, combined as vecmath.Tree does.
func (f *Funcs) all(o op, x []float32) float32 {
	if len(x) <= chunk {
		return f.part(o, x)
	}
	h := chunk * vecmath.Half((len(x)+chunk-1)/chunk)
	return o.two(f.all(o, x[:h]), f.all(o, x[h:]))
}

// part folds at most one chunk.
func (f *Funcs) part(o op, x []float32) float32 {
	if o == opSum {
		return f.partSum(x)
	}
	var l [lanes]float32
	for i := range l {
		l[i] = o.start()
	}
	n := len(x) &^ (lanes - 1)
	f.fold(o, &l, x[:n])
	for i, v := range x[n:] {
		l[i] = o.two(l[i], v)
	}
	return combine(o, &l)
}

// partSum is part for sums, which are many and short.
func (f *Funcs) partSum(x []float32) float32 {
	var l [lanes]float32
	n := len(x) &^ (lanes - 1)
	f.fold(opSum, &l, x[:n])
	for i, v := range x[n:] {
		l[i] += v
	}
	for i := range 8 {
		l[i] += l[i+8]
	}
	for i := range 4 {
		l[i] += l[i+4]
	}
	return (l[0] + l[2]) + (l[1] + l[3])
}

// fold folds groups of 16 into lanes.
func (f *Funcs) fold(o op, l *[lanes]float32, x []float32) {
	if len(x) > 0 && !foldAsm(f.isa, o, l, x) {
		foldGo(o, l, x)
	}
}

// foldGo folds groups of 16 into lanes; it defines the bits of the assembly.
func foldGo(o op, l *[lanes]float32, x []float32) {
	for ; len(x) >= lanes; x = x[lanes:] {
		for i := range l {
			l[i] = o.two(l[i], x[i])
		}
	}
}

// combine folds the lanes as a balanced tree: lane l takes lane l+8, then l+4,
// l+2, l+1.
func combine(o op, l *[lanes]float32) float32 {
	for w := lanes / 2; w > 0; w /= 2 {
		for i := 0; i < w; i++ {
			l[i] = o.two(l[i], l[i+w])
		}
	}
	return l[0]
}

// tree combines parts, one a chunk, as vecmath.Tree does.
func tree(o op, part []float32) float32 {
	switch len(part) {
	case 0:
		return o.start()
	case 1:
		return part[0]
	}
	h := vecmath.Half(len(part))
	return o.two(tree(o, part[:h]), tree(o, part[h:]))
}
