package artifact_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/exec/exectest"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

// sources are models whose artifacts hold every kind of instruction, slot and
// kernel between them.
var sources = []string{
	`dim N 1..9
state %acc: f32[2,3] = [1, 2, 3, 4, 5, 6]
state %past: f32[2,0..8] = zeros grow axis=1
func main(%x: f32[N,3], %a: f32[2,3] -> %acc, %m: i64[], %s: str[2], %u: f32[2,1]) -> (%y: f32[N,4], %z: f32[N,3], %v: str[2], %n: f32[2,3] -> %acc, %w: f32[3,N]) {
	%k = const f32[3,4] random(seed=1)
	%b = const f32[4] random(seed=2)
	%p = MatMul %x, %k : f32[N,4]
	%q = Add %p, %b : f32[N,4]
	%y = Relu %q : f32[N,4]
	%z = Loop %m, _, %x {(%i: i64[], %c: bool[], %l: f32[N,3])
		%1 = Exp %l : f32[N,3]
		%2 = Tanh %1 : f32[N,3]
		yield %c, %2
	} : f32[N,3]
	%ix = const i64[2] [1, 0]
	%v = Gather %s, %ix : str[2]
	%n = Mul %a, %a : f32[2,3]
	%w = Transpose %z {perm=[1, 0]} : f32[3,N]
	return %y, %z, %v, %n, %w
}`,
	`dim H 5..20
func main(%x: f32[1,4,H,9]) -> (%y: f32[1,2], %s: f32[1,4,H,9], %t: f32[1,4,((2*H)+1),19]) {
	%k = const f32[6,4,3,3] random(seed=1)
	%d = const f32[6,1,3,3] random(seed=2)
	%b = const f32[6] random(seed=3)
	%f = const f32[6,2] random(seed=4)
	%g = const f32[4,4,3,3] random(seed=5)
	%c = Conv %x, %k, %b {pads=[1, 1, 1, 1]} : f32[1,6,H,9]
	%e = Relu %c : f32[1,6,H,9]
	%h = Conv %e, %d {group=6, pads=[1, 1, 1, 1]} : f32[1,6,H,9]
	%i = MaxPool %h {kernel_shape=[2, 2]} : f32[1,6,(H-1),8]
	%j = GlobalAveragePool %i : f32[1,6,1,1]
	%l = Flatten %j : f32[1,6]
	%m = MatMul %l, %f : f32[1,2]
	%y = Softmax %m : f32[1,2]
	%s = Softmax %x {axis=1} : f32[1,4,H,9]
	%t = ConvTranspose %x, %g {strides=[2, 2]} : f32[1,4,((2*H)+1),19]
	return %y, %s, %t
}`,
	`dim u1 0..*
func main(%n: i64[], %x: f32[1], %c: bool[]) -> (%y: f32[u1], %z: f32[], %w: f32[u1]) {
	%a = const i64[] [0]
	%d = const i64[] [2]
	%r = Range %a, %n, %d : i64[u1]
	%f = Cast %r {to=1} : f32[u1]
	%y = Add %f, %x : f32[u1]
	%z = ReduceSum %y {keepdims=0} : f32[]
	%w = If %c {()
		%1 = Neg %y : f32[u1]
		yield %1
	} {()
		yield %f
	} : f32[u1]
	return %y, %z, %w
}`,
	`dim T 1..9
func main(%x: f32[T,1,3], %h: f32[1,1,4]) -> (%y: f32[T,1,1,4], %p: f32[T,1,4], %r: f32[1,4]) {
	%w = const f32[1,16,3] random(seed=1)
	%u = const f32[1,16,4] random(seed=2)
	%k = const i64[4] [0, 0, 0, 1]
	%q = const i64[3] [0, 1, 4]
	%y, %yh = LSTM %x, %w, %u, _, _, %h {hidden_size=4} : f32[T,1,1,4], f32[1,1,4]
	%s = Reshape %y, %q : f32[T,1,4]
	%k2 = const i64[6] [0, 0, 1, 0, 0, -1]
	%p2 = Pad %s, %k2 : f32[T,1,4]
	%p = Concat %p2 {axis=0} : f32[T,1,4]
	%ax = const i64[1] [0]
	%r = ReduceMax %p2, %ax {keepdims=0} : f32[1,4]
	return %y, %p, %r
}`,
}

// samples builds the sources, and the smallest models of testdata.
var samples = sync.OnceValues(func() ([][]byte, error) {
	var out [][]byte
	add := func(s codegen.Source) error {
		for _, o := range []codegen.Options{{Level: "2"}, {Level: "0", Target: "generic"}, {Level: "2", Target: "cuda"}} {
			a, err := codegen.Build(context.Background(), s, o)
			if err != nil {
				return err
			}
			b, err := a.Bytes()
			if err != nil {
				return err
			}
			a.Close()
			out = append(out, b)
		}
		return nil
	}
	for _, s := range sources {
		if err := add(codegen.Bytes([]byte("module \"m\" opset {ai.onnx 28 mlc 1}\n" + s))); err != nil {
			return nil, err
		}
	}
	files, err := filepath.Glob("../../testdata/models/*.onnx")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil && st.Size() < 32<<10 {
			if err := add(codegen.File(f)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
})

// reseal gives b checksums that fit, as somebody would who means harm.
func reseal(b []byte) {
	if len(b) < 64 {
		return
	}
	le := binary.LittleEndian
	le.PutUint64(b[32:], uint64(len(b)))
	off, size := le.Uint64(b[16:]), le.Uint64(b[24:])
	if off > uint64(len(b)) || size > uint64(len(b))-off {
		size = 0
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	if size > 0 {
		le.PutUint32(b[40:], crc32.Checksum(b[off:off+size], table))
	}
	le.PutUint32(b[44:], crc32.Checksum(b[:44], table))
}

// use decodes b and runs it on whatever its inputs ask for. Errors are fine;
// panics are not, nor is an Internal error that is a panic caught.
func use(t *testing.T, b []byte, threads int) {
	t.Helper()
	f, err := artifact.Decode(b)
	if err != nil {
		if k := diag.KindOf(err); k != diag.BadModel {
			t.Fatalf("Decode: %v (kind %v)", err, k)
		}
		return
	}
	run(t, f.Program, threads)
}

func run(t *testing.T, p *plan.Program, threads int) {
	t.Helper()
	// What a kernel does with its parameters is its own; nothing else may leave
	// what was allocated.
	dev := &exectest.Device{Scattered: threads > 1}
	defer func() {
		if bytes, open := dev.Held(); bytes > 0 || open > 0 || dev.Fault() != nil {
			t.Fatalf("%d bytes, %d codes and queues left on the device; %v", bytes, open, dev.Fault())
		}
	}()
	x, err := exec.NewOn(p, all.Set(), cpu.Host(), dev)
	if err != nil {
		return
	}
	defer x.Close()
	s := x.NewSession(threads, 64<<20)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	main := p.Main()
	for _, n := range []int64{1, 5} {
		in := make([]tensor.Value, len(main.Params))
		for i, sl := range main.Params {
			v, ok := input(&main.Slots[sl], n)
			if !ok {
				return
			}
			in[i] = v
		}
		s.Run(ctx, in, make([]tensor.Value, len(main.Results)))
	}
}

// input makes a value for a parameter; symbols are n, as far as they allow.
func input(sl *plan.Slot, n int64) (tensor.Value, bool) {
	if sl.Kind == plan.Held || sl.Type.Kind != tensor.KindTensor {
		return tensor.Value{}, true
	}
	dims := []int{2}
	if sl.Type.Ranked() {
		dims = make([]int, len(sl.Type.Dims))
		for i, d := range sl.Type.Dims {
			v, err := d.Eval(func(string) (int64, bool) { return n, true })
			if err != nil || v < 0 || v > 1<<16 {
				return tensor.Value{}, false
			}
			dims[i] = int(v)
		}
	}
	if k, ok := tensor.Count(dims); !ok || k > 1<<20 {
		return tensor.Value{}, false
	}
	x := tensor.New(sl.Type.DType, dims...)
	if len(x.Bytes()) > 0 && x.DType().IsInt() && x.DType().Bits() >= 8 {
		for i := range x.Len() {
			x.SetInt(i, n)
		}
	}
	return tensor.V(x), true
}

// mutant changes a few things in a program and writes it: everything but the
// structure of the file is then as if a compiler had made it.
func mutant(t *testing.T, b []byte, r *rand.Rand) []byte {
	f, err := artifact.Decode(bytes.Clone(b))
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + r.IntN(3) {
		mutate(r, reflect.ValueOf(f.Program).Elem(), f.Program, 0)
	}
	var out seeker
	if _, err := artifact.Write(&out, f.Program, f.Recipe); err != nil {
		return nil
	}
	return out.b
}

var ints = []int64{0, 1, -1, 2, 3, 7, 64, 1 << 20, 1 << 31, 1<<31 - 1, 1 << 40, 1 << 58, math.MaxInt64, math.MinInt64}

// mutate walks down from v at random and changes what it ends at.
func mutate(r *rand.Rand, v reflect.Value, p *plan.Program, depth int) {
	switch v.Interface().(type) {
	case shape.Dim:
		d := shape.Int(ints[r.IntN(len(ints))])
		if len(p.Syms) > 0 && r.IntN(2) == 0 {
			d = shape.Sym(p.Syms[r.IntN(len(p.Syms))].Name)
		}
		v.Set(reflect.ValueOf(d))
		return
	case func() ([]byte, error), *tensor.Tensor:
		return
	case attr.Map:
		m := v.Interface().(attr.Map).Clone()
		names := m.Names()
		if len(names) == 0 {
			return
		}
		n := names[r.IntN(len(names))]
		x := reflect.New(reflect.TypeFor[attr.Value]()).Elem()
		x.Set(reflect.ValueOf(m[n]))
		field := x.FieldByName([]string{"Int", "Str", "Ints", "Strs", "Float"}[r.IntN(5)])
		mutate(r, field, p, depth+1)
		m[n] = x.Interface().(attr.Value)
		v.Set(reflect.ValueOf(m))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			mutate(r, v.Elem(), p, depth+1)
		}
	case reflect.Struct:
		if depth == 0 && r.IntN(3) > 0 {
			mutate(r, v.FieldByName("Funcs"), p, 1)
			return
		}
		if f := v.Field(r.IntN(v.NumField())); f.CanSet() {
			mutate(r, f, p, depth+1)
		}
	case reflect.Slice:
		n := v.Len()
		switch k := r.IntN(12); {
		case n > 1 && k == 0: // swap
			i, j := r.IntN(n), r.IntN(n)
			x := reflect.ValueOf(v.Index(i).Interface())
			v.Index(i).Set(v.Index(j))
			v.Index(j).Set(x)
		case n > 0 && k == 1: // shorten
			v.Set(v.Slice(0, n-1))
		case n > 0 && k == 2: // repeat one
			v.Set(reflect.Append(v, v.Index(r.IntN(n))))
		case n > 0:
			mutate(r, v.Index(r.IntN(n)), p, depth+1)
		default:
			if e := v.Type().Elem(); e.Kind() == reflect.Pointer {
				v.Set(reflect.Append(v, reflect.New(e.Elem())))
			} else if e != reflect.TypeFor[plan.Const]() {
				v.Set(reflect.Append(v, reflect.Zero(e)))
			}
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if r.IntN(2) == 0 {
			v.SetInt(v.Int() + int64(r.IntN(5)) - 2)
		} else {
			v.SetInt(ints[r.IntN(len(ints))])
		}
	case reflect.Uint8:
		v.SetUint(uint64(r.IntN(30)))
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float32:
		v.SetFloat(float64(ints[r.IntN(len(ints))]))
	case reflect.String:
		if ks := p.Kernels(); len(ks) > 0 && strings.Contains(v.String(), ".") { // a kernel for another call
			if set := all.Set().All(); r.IntN(2) == 0 {
				v.SetString(set[r.IntN(len(set))].ID)
			} else {
				v.SetString(ks[r.IntN(len(ks))])
			}
		} else {
			v.SetString("x")
		}
	}
}

// seeker is a file in memory.
type seeker struct {
	b  []byte
	at int64
}

func (s *seeker) Write(p []byte) (int, error) {
	if n := int(s.at) + len(p); n > len(s.b) {
		s.b = append(s.b, make([]byte, n-len(s.b))...)
	}
	copy(s.b[s.at:], p)
	s.at += int64(len(p))
	return len(p), nil
}

func (s *seeker) Seek(off int64, whence int) (int64, error) {
	if whence == io.SeekCurrent {
		off += s.at
	}
	s.at = off
	return off, nil
}

func get(t testing.TB) [][]byte {
	t.Helper()
	bs, err := samples()
	if err != nil {
		t.Fatal(err)
	}
	return bs
}

// TestMutants: programs with something wrong in them are refused or run.
func TestMutants(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 30
	}
	for k, b := range get(t) {
		use(t, b, 1+k%2)
		r := rand.New(rand.NewPCG(uint64(k), 7))
		for range n {
			if m := mutant(t, b, r); m != nil {
				use(t, m, 1+k%2)
			}
		}
	}
}

// FuzzDecode feeds bytes as they are, and with checksums that fit.
func FuzzDecode(f *testing.F) {
	for _, b := range get(f) {
		if len(b) < 64<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		use(t, b, 1)
		b = bytes.Clone(b)
		reseal(b)
		use(t, b, 1)
	})
}

// FuzzProgram feeds programs that differ from good ones in a few fields, and
// index bytes that differ in a few bits.
func FuzzProgram(f *testing.F) {
	f.Add(uint64(1), uint8(0), uint8(0))
	f.Add(uint64(2), uint8(3), uint8(1))
	bs := get(f)
	f.Fuzz(func(t *testing.T, seed uint64, which, how uint8) {
		b, r := bs[int(which)%len(bs)], rand.New(rand.NewPCG(seed, 3))
		if how%3 > 0 {
			if m := mutant(t, b, r); m != nil {
				use(t, m, 1+int(how/3)%2)
			}
			return
		}
		b = bytes.Clone(b)
		off := int(binary.LittleEndian.Uint64(b[16:]))
		for range 1 + r.IntN(3) {
			b[off+r.IntN(len(b)-off)] = byte(r.IntN(256))
		}
		reseal(b)
		use(t, b, 1)
	})
}

// misplace changes what says where values of p are, and how large.
func misplace(r *rand.Rand, p *plan.Program) {
	f := p.Funcs[r.IntN(len(p.Funcs))]
	if len(f.Slots) == 0 || len(f.Body) == 0 {
		return
	}
	slot := func() plan.SlotID { return plan.SlotID(r.IntN(len(f.Slots)+1) - 1) }
	s := &f.Slots[r.IntN(len(f.Slots))]
	in := &f.Body[r.IntN(len(f.Body))]
	switch r.IntN(10) {
	case 0:
		s.Space ^= 1
	case 1:
		s.Kind = plan.SlotKind(r.IntN(5))
	case 2:
		s.Alias = slot()
	case 3:
		s.Index = r.IntN(4)
	case 4, 5:
		if n := len(s.Type.Dims); n > 0 {
			s.Type.Dims = slices.Clone(s.Type.Dims)
			s.Type.Dims[r.IntN(n)] = shape.Int([]int64{0, 1, 2, 5, 7, 100}[r.IntN(6)])
		}
	case 6:
		s.First, s.Last = int32(r.IntN(len(f.Body)+2)-1), int32(r.IntN(len(f.Body)+2)-1)
	case 7:
		if len(in.In) > 0 {
			in.In[r.IntN(len(in.In))] = slot()
		}
	case 8:
		if len(in.Out) > 0 {
			in.Out[r.IntN(len(in.Out))] = slot()
		}
	case 9:
		if in.Grid != nil && len(in.Grid.Args) > 0 {
			in.Grid.Args[r.IntN(len(in.Grid.Args))] = plan.Arg{Kind: plan.ArgKind(r.IntN(5)), I: r.IntN(3), Dim: shape.Int(ints[r.IntN(len(ints))])}
		} else {
			in.Op = plan.Opcode(r.IntN(6))
		}
	}
}

// TestMisplaced: whatever a program says of where its values are, nothing but
// kernels leaves the memory that was allocated on a device.
func TestMisplaced(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 300
	}
	programs := 0
	for k, b := range get(t) {
		if f, err := artifact.Decode(b); err != nil || len(f.Program.Code) == 0 {
			continue
		}
		programs++
		r := rand.New(rand.NewPCG(uint64(k), 8))
		for i := range n {
			f, err := artifact.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			for range 1 + r.IntN(3) {
				misplace(r, f.Program)
			}
			if plan.Verify(f.Program) == nil {
				run(t, f.Program, 1+i%2)
			}
		}
	}
	if programs < 3 {
		t.Errorf("%d programs have code for a device", programs)
	}
}
