package codegen_test

import (
	"testing"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/irtest"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
)

// parse reads a module; its head and dims may be left out.
func parse(t testing.TB, src string) *ir.Module {
	t.Helper()
	m, err := text.Parse([]byte("module \"t\" opset {ai.onnx 28 mlc 1}\n"+src), "t.mir", op.Builtin(), text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// modules are those shapes of modules that a random one hardly meets.
var modules = []struct {
	name, src string
	dims      []map[string]int64 // extents call by call
}{
	{"if with captures", `dim N 1..9
func main(%x: f32[N,3], %c: bool[]) -> (%y: f32[N,3], %z: f32[N,3]) {
	%a = Exp %x : f32[N,3]
	%y = If %c {()
		%1 = Add %a, %x : f32[N,3]
		%2 = Mul %1, %a : f32[N,3]
		yield %2
	} {()
		%3 = Neg %a : f32[N,3]
		yield %3
	} : f32[N,3]
	%z = Add %a, %y : f32[N,3]
	return %y, %z
}`, calls("N", 1, 4, 2)},
	{"if that gives what it captures", `func main(%x: f32[3], %c: bool[]) -> (%y: f32[3], %z: f32[3]) {
	%a = Relu %x : f32[3]
	%y, %z = If %c {()
		yield %a, %x
	} {()
		yield %x, %x
	} : f32[3], f32[3]
	return %y, %z
}`, nil},
	{"if with branches of other extents", `dim u1 2..4
func main(%x: f32[4], %c: bool[]) -> (%y: f32[u1]) {
	%s = const i64[1] [1]
	%e = const i64[1] [3]
	%y = If %c {()
		%1 = Slice %x, %s, %e : f32[2]
		yield %1
	} {()
		%2 = Neg %x : f32[4]
		yield %2
	} : f32[u1]
	return %y
}`, nil},
	{"loop that carries, captures and scans", `dim N 1..9
dim u1 0..*
func main(%x: f32[N], %m: i64[]) -> (%y: f32[N], %s: f32[u1,N], %sum: f32[N]) {
	%k = const f32[] [0.5]
	%t = Mul %x, %k : f32[N]
	%y, %s = Loop %m, _, %x {(%i: i64[], %c: bool[], %v: f32[N])
		%1 = Mul %v, %k : f32[N]
		%2 = Add %1, %t : f32[N]
		yield %c, %2, %1
	} : f32[N], f32[u1,N]
	%sum = Add %t, %y : f32[N]
	return %y, %s, %sum
}`, calls("N", 3, 1, 9)},
	{"loop that swaps what it carries", `func main(%x: f32[2], %z: f32[2]) -> (%a: f32[2], %b: f32[2]) {
	%m = const i64[] [5]
	%a, %b = Loop %m, _, %x, %z {(%i: i64[], %c: bool[], %p: f32[2], %q: f32[2])
		yield %c, %q, %p
	} : f32[2], f32[2]
	return %a, %b
}`, nil},
	{"loop of no trips", `dim N 1..9
func main(%x: f32[N]) -> (%y: f32[N], %s: f32[0,N]) {
	%m = const i64[] [0]
	%y, %s = Loop %m, _, %x {(%i: i64[], %c: bool[], %v: f32[N])
		%1 = Exp %v : f32[N]
		yield %c, %1, %1
	} : f32[N], f32[0,N]
	return %y, %s
}`, calls("N", 3, 1)},
	{"loop that ends itself", `dim u1 0..*
func main(%x: f32[]) -> (%y: f32[], %s: f32[u1]) {
	%one = const f32[] [1]
	%top = const f32[] [4]
	%go = const bool[] [true]
	%y, %s = Loop _, %go, %x {(%i: i64[], %c: bool[], %v: f32[])
		%1 = Add %v, %one : f32[]
		%2 = Less %1, %top : bool[]
		yield %2, %1, %1
	} : f32[], f32[u1]
	return %y, %s
}`, nil},
	{"loop in a loop in a branch", `dim N 1..9
func main(%x: f32[N], %c: bool[]) -> (%y: f32[N]) {
	%m = const i64[] [3]
	%h = const f32[] [0.25]
	%y = If %c {()
		%1 = Loop %m, _, %x {(%i: i64[], %p: bool[], %v: f32[N])
			%2 = Loop %m, _, %v {(%j: i64[], %q: bool[], %w: f32[N])
				%3 = Mul %w, %h : f32[N]
				%4 = Add %3, %x : f32[N]
				yield %q, %4
			} : f32[N]
			yield %p, %2
		} : f32[N]
		yield %1
	} {()
		%5 = Neg %x : f32[N]
		yield %5
	} : f32[N]
	return %y
}`, calls("N", 2, 5)},
	{"extents that only the run knows", `dim u1 0..*
func main(%n: i64[], %x: f32[1]) -> (%y: f32[u1], %z: f32[], %w: i64[1]) {
	%a = const i64[] [0]
	%d = const i64[] [2]
	%r = Range %a, %n, %d : i64[u1]
	%f = Cast %r {to=1} : f32[u1]
	%y = Add %f, %x : f32[u1]
	%e = Exp %y : f32[u1]
	%z = ReduceSum %e {keepdims=0} : f32[]
	%w = Shape %y : i64[1]
	return %y, %z, %w
}`, nil},
	{"a loop whose body has run-time extents", `dim u1 0..*
func main(%x: f32[2]) -> (%y: f32[]) {
	%m = const i64[] [4]
	%zero = const f32[] [0]
	%a = const i64[] [0]
	%d = const i64[] [1]
	%y = Loop %m, _, %zero {(%i: i64[], %c: bool[], %v: f32[])
		%r = Range %a, %i, %d : i64[u1]
		%f = Cast %r {to=1} : f32[u1]
		%s = ReduceSum %f {keepdims=0} : f32[]
		%t = Add %s, %v : f32[]
		yield %c, %t
	} : f32[]
	return %y
}`, nil},
	{"strings", `dim N 0..9
func main(%x: str[N], %i: i64[2]) -> (%a: str[2], %b: str[N,1], %c: str[N], %d: bool[N]) {
	%two = const str[1] ["s1"]
	%ax = const i64[1] [1]
	%a = Gather %x, %i : str[2]
	%b = Unsqueeze %x, %ax : str[N,1]
	%c = Identity %x : str[N]
	%d = Equal %x, %two : bool[N]
	return %a, %b, %c, %d
}`, calls("N", 5, 4)},
	{"constants of strings", `func main(%x: f32[1]) -> (%a: str[2,1], %b: str[2]) {
	%k = const str[2] ["", "ä\"\\\n"]
	%s = const i64[2] [2, 1]
	%a = Reshape %k, %s : str[2,1]
	return %a, %k
}`, nil},
	{"views of inputs, constants and each other", `dim N 1..9
func main(%x: f32[N,6]) -> (%a: f32[N,2,3], %b: f32[3,2], %c: f32[N,3,2], %d: f32[N,3,2]) {
	%k = const f32[6] [1, 2, 3, 4, 5, 6]
	%s = const i64[3] [0, 2, 3]
	%t = const i64[2] [3, 2]
	%u = const i64[3] [0, 3, 2]
	%a = Reshape %x, %s : f32[N,2,3]
	%b = Reshape %k, %t : f32[3,2]
	%c = Reshape %a, %u : f32[N,3,2]
	%d = Add %c, %b : f32[N,3,2]
	return %a, %b, %c, %d
}`, calls("N", 2, 1)},
	{"one value returned often", `func main(%x: f32[3]) -> (%a: f32[3], %b: f32[3], %c: f32[3], %d: f32[3]) {
	%a = Tanh %x : f32[3]
	return %a, %a, %x, %x
}`, nil},
	{"inputs nobody reads", `dim N 0..9
func main(%x: f32[3], %y: f32[N,2], %s: str[1]) -> (%k: f32[2]) {
	%k = const f32[2] [1, 2]
	return %k
}`, calls("N", 0, 3)},
	{"nothing inside", `dim N 0..4
func main(%x: f32[N,3], %w: f32[3,2]) -> (%y: f32[N,2], %z: f32[N,3], %s: f32[3], %c: f32[N,6], %m: f32[N,3]) {
	%y = MatMul %x, %w : f32[N,2]
	%e = Exp %x : f32[N,3]
	%z = Relu %e : f32[N,3]
	%ax = const i64[1] [0]
	%s = ReduceSum %z, %ax {keepdims=0} : f32[3]
	%c = Concat %x, %z {axis=1} : f32[N,6]
	%m = Softmax %x : f32[N,3]
	return %y, %z, %s, %c, %m
}`, calls("N", 0, 2, 0, 4)},
	{"a result that is read later", `dim N 1..4
func main(%x: f32[N,3]) -> (%a: f32[N,3], %b: f32[N,3], %c: f32[N,3], %v: f32[N,3,1]) {
	%a = Exp %x : f32[N,3]
	%b = Neg %a : f32[N,3]
	%1 = Sqrt %a : f32[N,3]
	%2 = Tanh %1 : f32[N,3]
	%c = Add %2, %1 : f32[N,3]
	%ax = const i64[1] [2]
	%v = Unsqueeze %b, %ax : f32[N,3,1]
	return %a, %b, %c, %v
}`, calls("N", 1, 4)},
	{"a view that outlives its owner", `func main(%x: f32[2,3]) -> (%y: f32[3,2]) {
	%s = const i64[2] [3, 2]
	%a = Exp %x : f32[2,3]
	%v = Reshape %a, %s : f32[3,2]
	%b = Neg %x : f32[2,3]
	%c = Tanh %b : f32[2,3]
	%d = Reshape %c, %s : f32[3,2]
	%e = Mul %d, %d : f32[3,2]
	%y = Add %v, %e : f32[3,2]
	return %y
}`, nil},
	{"more extents than bindings kept", `dim N 1..64
dim M 1..64
func main(%x: f32[N,4], %w: f32[4,M]) -> (%y: f32[N,M], %z: f32[M,N]) {
	%p = MatMul %x, %w : f32[N,M]
	%y = Relu %p : f32[N,M]
	%z = Transpose %y {perm=[1, 0]} : f32[M,N]
	return %y, %z
}`, many()},
	{"an accumulating state", `state %acc: f32[2,3] = [1, 2, 3, 4, 5, 6]
func main(%x: f32[2,3], %a: f32[2,3] -> %acc) -> (%y: f32[2,3], %n: f32[2,3] -> %acc) {
	%n = Add %x, %a : f32[2,3]
	%y = Mul %n, %a : f32[2,3]
	return %y, %n
}`, []map[string]int64{nil, nil, nil}},
	{"a state that grows", `dim L 0..8
dim T 1..2
state %past: f32[2,0..8] = zeros grow axis=1
func main(%x: f32[2,T], %p: f32[2,L] -> %past) -> (%y: f32[2], %n: f32[2,(L+T)] -> %past) {
	%n = Concat %p, %x {axis=1} : f32[2,(L+T)]
	%ax = const i64[1] [1]
	%y = ReduceSum %n, %ax {keepdims=0} : f32[2]
	return %y, %n
}`, calls("T", 1, 2, 2, 1, 2, 2)},
	{"states that swap", `state %a: f32[2] = [1, 2]
state %b: f32[2] = [3, 4]
func main(%x: f32[2], %p: f32[2] -> %a, %q: f32[2] -> %b) -> (%y: f32[2], %u: f32[2] -> %a, %v: f32[2] -> %b) {
	%y = Add %x, %p : f32[2]
	return %y, %q, %p
}`, []map[string]int64{nil, nil}},
	{"a view of a state that is then written", `state %a: f32[2,2] = [1, 2, 3, 4]
func main(%x: f32[4], %p: f32[2,2] -> %a) -> (%y: f32[4], %v: f32[4], %u: f32[2,2] -> %a) {
	%s = const i64[1] [4]
	%t = const i64[2] [2, 2]
	%v = Reshape %p, %s : f32[4]
	%y = Add %x, %v : f32[4]
	%u = Reshape %y, %t : f32[2,2]
	return %y, %v, %u
}`, []map[string]int64{nil, nil, nil}},
	{"half precision", `dim N 1..4
func main(%x: f16[N,3], %w: f16[3,2]) -> (%y: f16[N,2], %z: f16[N,2]) {
	%p = MatMul %x, %w : f16[N,2]
	%y = Relu %p : f16[N,2]
	%z = Mul %y, %p : f16[N,2]
	return %y, %z
}`, calls("N", 1, 3)},
	{"a constant below a branch that fails", `dim u1 0..*
func main(%x: f32[2], %c: bool[]) -> (%y: f32[u1]) {
	%k = const f32[2] [1, 2]
	%y = If %c {()
		%0 = const f32[1] [0]
		%1 = Reciprocal %0 : f32[1]
		%2 = Resize %k, _, %1 : f32[u1]
		yield %2
	} {()
		yield %x
	} : f32[u1]
	return %y
}`, nil},
}

func calls(dim string, ns ...int64) []map[string]int64 {
	var out []map[string]int64
	for _, n := range ns {
		out = append(out, map[string]int64{dim: n})
	}
	return out
}

// many alternates between more extents than a session keeps bindings of, and
// comes back to the first.
func many() []map[string]int64 {
	var out []map[string]int64
	for i := range int64(30) {
		out = append(out, map[string]int64{"N": 1 + i*7%11, "M": 1 + i%3})
	}
	return out
}

func TestModulesRun(t *testing.T) {
	for _, c := range modules {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.src)
			dims := c.dims
			if dims == nil {
				dims = []map[string]int64{nil, nil}
			}
			var calls [][]tensor.Value
			for k, d := range dims {
				in, err := irtest.Inputs(m, d, uint64(k))
				if err != nil {
					t.Fatal(err)
				}
				for i := range in { // both branches, small counts
					if x := &in[i].Tensor; x.DType().IsInt() && x.Len() == 1 || x.DType().String() == "bool" {
						for j := range x.Len() {
							x.SetInt(j, int64(k&1)*3)
							if x.DType().String() == "bool" {
								x.SetInt(j, int64(k&1))
							}
						}
					} else if x.DType().IsInt() {
						for j := range x.Len() {
							x.SetInt(j, int64(j))
						}
					}
				}
				calls = append(calls, in)
			}
			differ(t, m, calls...)
		})
	}
}
