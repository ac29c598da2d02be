package exec_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/exec/exectest"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// program is y = x + k, k a constant of the device, for every extent N: up, two
// launches through a view of larger rank, down. What it takes there depends on M
// besides, of which there is an operand that is not used.
func program(t testing.TB) *plan.Program {
	n := shape.Sym("N")
	row, square := tensor.T(dtype.F32, n), tensor.T(dtype.F32, shape.Int(1), n)
	one := [3]shape.Dim{n, shape.Int(1), shape.Int(1)}
	grid := func(kernel string, args ...plan.Arg) *plan.Grid {
		return &plan.Grid{Kernel: kernel, Count: one, Tile: [3]int{4, 1, 1}, Block: [3]int{4, 1, 1}, Args: append(args, plan.Arg{Kind: plan.ArgDim, Dim: n})}
	}
	in, out := plan.Arg{Kind: plan.ArgIn}, plan.Arg{Kind: plan.ArgOut}
	p := &plan.Program{Name: "p", Arch: "generic", Code: []byte(".entry add(.param .u64 x, .param .u64 k, .param .u64 y, .param .u64 fault, .param .u32 n) {} .entry move(.param .u64 x, .param .u64 y, .param .u32 n) {}"),
		Syms:   []plan.Sym{{Name: "N", Hi: math.MaxInt64, Entry: true}, {Name: "M", Hi: math.MaxInt64, Entry: true}},
		Consts: []plan.Const{{Name: "k", DType: dtype.F32, Dims: []int{1}, Data: func() ([]byte, error) { return []byte{0, 0, 0x80, 0x3f}, nil }}},
		Funcs: []*plan.Func{{Name: "main", Params: []plan.SlotID{0, 7}, Results: []plan.SlotID{6}, Names: []string{"x", "z", "y"}, Writes: []int{-1},
			Slots: []plan.Slot{
				{Kind: plan.Input, Type: row, Alias: plan.None, First: -1, Last: 0},
				{Kind: plan.Buf, Space: plan.Device, Type: row, Alias: plan.None, First: 0, Last: 1},
				{Kind: plan.Fixed, Space: plan.Device, Type: tensor.T(dtype.F32, shape.Int(1)), Alias: plan.None, First: -1, Last: 1},
				{Kind: plan.Buf, Space: plan.Device, Type: row, Alias: plan.None, First: 1, Last: 2},
				{Kind: plan.Buf, Space: plan.Device, Type: square, Alias: 3, First: 1, Last: 2},
				{Kind: plan.Buf, Space: plan.Device, Type: row, Alias: plan.None, First: 2, Last: 3},
				{Kind: plan.Buf, Type: row, Alias: plan.None, First: 3, Last: 5},
				{Kind: plan.Input, Type: tensor.T(dtype.F32, shape.Sym("M")), Alias: plan.None, First: -1, Last: 4},
				{Kind: plan.Buf, Space: plan.Device, Type: tensor.T(dtype.F32, shape.Sym("M")), Alias: plan.None, First: 4, Last: 4},
			},
			Body: []plan.Instr{
				{Op: plan.Copy, In: []plan.SlotID{0}, Out: []plan.SlotID{1}},
				{Op: plan.Launch, Name: "add", In: []plan.SlotID{1, 2}, Out: []plan.SlotID{3}, Source: []string{"sum"},
					Grid: grid("add", in, plan.Arg{Kind: plan.ArgIn, I: 1}, out, plan.Arg{Kind: plan.ArgFault})},
				{Op: plan.Launch, Name: "move", In: []plan.SlotID{4}, Out: []plan.SlotID{5}, Source: []string{"move"}, Grid: grid("move", in, out)},
				{Op: plan.Copy, In: []plan.SlotID{5}, Out: []plan.SlotID{6}},
				{Op: plan.Copy, In: []plan.SlotID{7}, Out: []plan.SlotID{8}},
			}}}}
	if err := plan.Verify(p); err != nil {
		t.Fatal(err)
	}
	return p
}

// add tells of a fault where an element is negative.
func add(d *exectest.Device, grid, block [3]int, args []uint64) error {
	if len(args) != 5 || uint64(grid[0]) != (args[4]+3)/4 {
		return fmt.Errorf("a grid of %v for %v", grid, args)
	}
	n := int(args[4])
	x, err1 := d.Bytes(args[0], 4*n, false)
	k, err2 := d.Bytes(args[1], 4, false)
	y, err3 := d.Bytes(args[2], 4*n, true)
	fault, err4 := d.Bytes(args[3], 4, true)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	le := binary.LittleEndian
	for i := range n {
		v := math.Float32frombits(le.Uint32(x[4*i:]))
		if v < 0 {
			le.PutUint32(fault, le.Uint32(fault)+1)
		}
		le.PutUint32(y[4*i:], math.Float32bits(v+math.Float32frombits(le.Uint32(k))))
	}
	return nil
}

func move(d *exectest.Device, grid, block [3]int, args []uint64) error {
	x, err1 := d.Bytes(args[0], 4*int(args[2]), false)
	y, err2 := d.Bytes(args[1], 4*int(args[2]), true)
	copy(y, x)
	return errors.Join(err1, err2)
}

func device() *exectest.Device {
	return &exectest.Device{Kernels: map[string]exectest.Kernel{"add": add, "move": move}, Err: errors.New("no more")}
}

func model(t testing.TB, d exec.Device) *exec.Model {
	t.Helper()
	set, err := kernel.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	m, err := exec.NewOn(program(t), set, cpu.Features(0), d)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// runs runs s on n elements and looks at the result.
func runs(s *exec.Session, n int) error { return runsWith(s, n, 1) }

func runsWith(s *exec.Session, n, m int) error {
	x := tensor.New(dtype.F32, n)
	for i := range n {
		x.SetFloat(i, float64(i))
	}
	out := make([]tensor.Value, 1)
	if err := s.Run(context.Background(), []tensor.Value{tensor.V(x), tensor.V(tensor.New(dtype.F32, m))}, out); err != nil {
		return err
	}
	for i := range n {
		if g := out[0].Tensor.Float(i); g != float64(i+1) {
			return fmt.Errorf("wrong: element %d of %d is %v", i, n, g)
		}
	}
	return nil
}

// TestDeviceErrors: whichever call of the device fails, the error comes through,
// the next run is right, and in the end all is given back.
func TestDeviceErrors(t *testing.T) {
	for _, scattered := range []bool{false, true} {
		for at := 1; ; at++ {
			d := device()
			d.Scattered, d.FailAt = scattered, at
			set, err := kernel.NewSet()
			if err != nil {
				t.Fatal(err)
			}
			m, err := exec.NewOn(program(t), set, cpu.Features(0), d)
			if err != nil {
				if !errors.Is(err, d.Err) {
					t.Fatalf("call %d: %v", at, err)
				}
			} else {
				s := m.NewSession(1, 0)
				for _, c := range [][2]int{{5, 1}, {100, 7}, {0, 1}, {100, 5000}, {100, 7}, {5000, 1}, {100, 50000}, {5000, 1},
					{1, 1}, {2, 1}, {4, 1}, {6, 1}, {7, 1}, {8, 1}, {9, 1}, {5, 1}, {5000, 1}} { // arenas grow, bindings come and go
					n, elems := c[0], c[1]
					if err := runsWith(s, n, elems); err != nil {
						if !errors.Is(err, d.Err) {
							t.Fatalf("call %d: %v", at, err)
						}
						if err := runsWith(s, n, elems); err != nil {
							t.Fatalf("call %d: the next run: %v", at, err)
						}
					}
				}
				for _, err := range []error{s.Close(), m.Close()} {
					if err != nil && !errors.Is(err, d.Err) {
						t.Fatal(err)
					}
				}
			}
			if bytes, open := d.Held(); bytes > 0 || open > 0 || d.Fault() != nil {
				t.Fatalf("scattered %t, call %d: %d bytes, %d codes and queues are left; %v", scattered, at, bytes, open, d.Fault())
			}
			if d.FailAt > 0 {
				break // there are not so many calls
			}
		}
	}
}

// TestDeviceMemory: what a session holds does not grow with the extents it saw,
// and a limit holds there too.
func TestDeviceMemory(t *testing.T) {
	for _, scattered := range []bool{false, true} {
		d := device()
		d.Scattered = scattered
		m := model(t, d)
		s := m.NewSession(1, 0)
		for n := range 200 {
			if err := runs(s, 1000+n%50); err != nil {
				t.Fatal(err)
			}
		}
		if bytes, _ := d.Held(); bytes > 8*4*8192 {
			t.Errorf("scattered %t: %d bytes held", scattered, bytes)
		}
		for i := range 2 { // two sessions hold twice as much, until they end
			s2 := m.NewSession(1, 1<<14)
			if err := runs(s2, 1000); err != nil {
				t.Error(err)
			}
			if err := runs(s2, 4000); diag.KindOf(err) != diag.Limit {
				t.Errorf("%d: %v, want a Limit", i, err)
			}
			if err := runs(s2, 1000); err != nil {
				t.Error(err)
			}
			s2.Close()
		}
		s.Close()
		m.Close()
		if bytes, open := d.Held(); bytes > 0 || open > 0 {
			t.Errorf("scattered %t: %d bytes, %d open", scattered, bytes, open)
		}
	}
	// The new arena is not beside the old one.
	d := device()
	d.Memory = 30 << 10
	s := model(t, d).NewSession(1, 0)
	for _, n := range []int{1500, 2000, 3000, 4000, 1500} {
		err := runs(s, n)
		if wantErr := n == 4000; (err != nil) != wantErr {
			t.Errorf("%d elements: %v", n, err)
		}
	}
}

// TestDeviceFault: what a kernel counts as wrong fails the run, by the node, and
// not the next.
func TestDeviceFault(t *testing.T) {
	m := model(t, device())
	defer m.Close()
	s := m.NewSession(1, 0)
	defer s.Close()
	bad := []tensor.Value{tensor.V(tensor.New(dtype.F32, 3)), tensor.V(tensor.New(dtype.F32, 3))}
	bad[0].Tensor.SetFloat(1, -1)
	out := make([]tensor.Value, 1)
	for range 2 {
		if err := runs(s, 3); err != nil {
			t.Error(err)
		}
		err := s.Run(context.Background(), bad, out)
		if diag.KindOf(err) != diag.BadData || !strings.Contains(err.Error(), "sum") {
			t.Errorf("%v, want an error of node sum", err)
		}
	}
}

// TestDeviceAllocs: a run allocates nothing once it is warm.
func TestDeviceAllocs(t *testing.T) {
	m := model(t, &exectest.Device{})
	defer m.Close()
	s := m.NewSession(1, 0)
	defer s.Close()
	ctx, out := context.Background(), make([]tensor.Value, 1)
	in := [][]tensor.Value{{tensor.V(tensor.New(dtype.F32, 7)), tensor.V(tensor.New(dtype.F32, 7))}, {tensor.V(tensor.New(dtype.F32, 9)), tensor.V(tensor.New(dtype.F32, 7))}}
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		i++
		if err := s.Run(ctx, in[i%2], out); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per run", n)
	}
}

// TestDeviceSessions: sessions of one model run at the same time.
func TestDeviceSessions(t *testing.T) {
	for _, scattered := range []bool{false, true} {
		d := device()
		d.Scattered = scattered
		m := model(t, d)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				s := m.NewSession(1, 0)
				defer s.Close()
				for i := range 50 {
					if err := runs(s, 1+(g*7+i*i)%40); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if err := m.Close(); err != nil || d.Fault() != nil {
			t.Error(err, d.Fault())
		}
	}
}

// TestDeviceProfile: an instruction is charged with what it takes, not with what
// it takes to be asked for.
func TestDeviceProfile(t *testing.T) {
	d := device()
	m := model(t, d)
	defer m.Close()
	s := m.NewSession(1, 0)
	defer s.Close()
	if err := runs(s, 3); err != nil {
		t.Fatal(err)
	}
	n, before := 0, d.Waits()
	s.OnProfile(func(fn, i int, took time.Duration) {
		if n++; d.Waits()-before != n {
			t.Errorf("%d waits after %d instructions", d.Waits()-before, n)
		}
	})
	if err := runs(s, 3); err != nil {
		t.Fatal(err)
	}
	if n != 5 || m.KernelOf(0, 1) != "add" {
		t.Errorf("%d instructions; the second runs %q", n, m.KernelOf(0, 1))
	}
}
