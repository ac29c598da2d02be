package ptxsim_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
	"github.com/mlc-go/mlc/ir/dtype"
)

func TestReduce(t *testing.T) {
	mod := load(t, "reduce.ptx")
	for _, threads := range []int{32, 96, 256, 1024} {
		for _, n := range []int{1, 31, 1000} {
			mem := ptxsim.NewMemory()
			x := ramp(3*n, 13)
			in, out := putF32(mem, x), mem.AllocUninit(12)
			if err := mem.Protect(in); err != nil {
				t.Fatal(err)
			}
			err := mod.Run(context.Background(), mem, "reduce", ptxsim.Launch{Grid: [3]int{3, 1, 1},
				Block: [3]int{threads, 1, 1}, Args: []uint64{in, out, uint64(n)}}, ptxsim.Checks{})
			if err != nil {
				t.Fatal(err)
			}
			for b, got := range getF32(t, mem, out, 3) {
				want := 0.0 // exact: eighths
				for _, v := range x[b*n : (b+1)*n] {
					want += float64(v)
				}
				if float64(got) != want {
					t.Errorf("%d threads, n=%d, block %d: have %v, want %v", threads, n, b, got, want)
				}
			}
		}
	}
}

func TestReduceMutations(t *testing.T) {
	text := read(t, "reduce.ptx")
	for _, m := range []struct {
		from, to string
		class    ptxsim.Class
	}{
		{"bar.sync 0;", "", ptxsim.UninitMemory},
		{"@%p1 ld.shared", "ld.shared", ptxsim.UninitMemory},
		{"@%p0 st.shared", "st.shared", ptxsim.SharedRace},
		{"@%p0 st.global", "st.global", ptxsim.GlobalRace},
		{"%f0, 8, 31, 0xffffffff", "%f0, 8, 31, 0xffff", ptxsim.BadOperand},
		{"setp.ge.u32 %p0, %r5, %r0", "setp.gt.u32 %p0, %r5, %r0", ptxsim.OutOfBounds},
		{"@%p0 bra DONE;", "", ptxsim.GlobalRace},
	} {
		changed := strings.Replace(text, m.from, m.to, 1)
		if changed == text {
			t.Fatalf("no %q", m.from)
		}
		mem := ptxsim.NewMemory()
		err := parse(t, changed).Run(context.Background(), mem, "reduce", ptxsim.Launch{Grid: [3]int{2, 1, 1},
			Block: [3]int{128, 1, 1}, Args: []uint64{putF32(mem, ramp(400, 3)), mem.AllocUninit(8), 200}}, ptxsim.Checks{})
		var f *ptxsim.Fault
		if !errors.As(err, &f) || f.Class != m.class {
			t.Errorf("%q for %q: have %v, want %v", m.to, m.from, err, m.class)
		}
	}
}

// TestEveryInstruction deletes each instruction of the tiled product and of the
// reduction: what then runs without a fault must not give the right result.
func TestEveryInstruction(t *testing.T) {
	few := ptxsim.Checks{Budget: 50000}
	for file, run := range map[string]func(*ptxsim.Module) error{
		"tiled.ptx": func(m *ptxsim.Module) error { return product(t, m, 32, few, nil) },
		"reduce.ptx": func(m *ptxsim.Module) error {
			mem := ptxsim.NewMemory()
			out := mem.AllocUninit(8)
			err := m.Run(context.Background(), mem, "reduce", ptxsim.Launch{Grid: [3]int{2, 1, 1}, Block: [3]int{96, 1, 1},
				Args: []uint64{putF32(mem, ramp(400, 3)), out, 200}}, few)
			if err != nil {
				return err
			}
			for b, got := range getF32(t, mem, out, 2) {
				want := float32(0) // exact: eighths
				for _, v := range ramp(400, 3)[200*b:][:200] {
					want += v
				}
				if got != want {
					return fmt.Errorf("block %d: have %v, want %v", b, got, want)
				}
			}
			return nil
		},
	} {
		lines := strings.Split(read(t, file), "\n")
		deleted := 0
		for i, l := range lines {
			ins := strings.TrimSpace(l)
			if !strings.Contains(ins, ";") || ins[0] == '.' || ins == "ret;" {
				continue
			}
			lines[i] = ""
			if err := run(parse(t, strings.Join(lines, "\n"))); err == nil {
				t.Errorf("%s without line %d (%s) goes unnoticed", file, i+1, ins)
			}
			lines[i] = l
			deleted++
		}
		if deleted < 40 {
			t.Errorf("%s: %d instructions", file, deleted)
		}
	}
}

func TestDivergentLoop(t *testing.T) {
	mod := load(t, "collatz.ptx")
	mem := ptxsim.NewMemory()
	const n = 6 * 80
	out := mem.AllocUninit(4 * n)
	var s ptxsim.Stats
	err := mod.Run(context.Background(), mem, "collatz", ptxsim.Launch{Grid: [3]int{6, 1, 1}, Block: [3]int{80, 1, 1},
		Args: []uint64{out}, Stats: &s}, ptxsim.Checks{})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := mem.Bytes(out, 4*n)
	for i := range n {
		steps := uint32(0)
		for x := i + 1; x != 1; steps++ {
			if x%2 == 0 {
				x /= 2
			} else {
				x = 3*x + 1
			}
		}
		if g := binary.LittleEndian.Uint32(got[4*i:]); g != steps {
			t.Fatalf("%d: have %d, want %d", i+1, g, steps)
		}
	}
	if s.Blocks != 6 || s.Lanes <= s.Instructions || s.Lanes > 32*s.Instructions {
		t.Errorf("stats %+v", s)
	}
}

// TestMMA lays matrices out by the formulas of the PTX ISA, element by element,
// and multiplies them in exact arithmetic.
func TestMMA(t *testing.T) {
	mod := load(t, "mma.ptx")
	for _, k := range []int{8, 16} {
		A := func(r, c int) float64 { return float64((r*5+c*3)%17-8) / 4 }
		B := func(r, c int) float64 { return float64((r*7+c*11)%13-6) / 2 }
		C := func(r, c int) float64 { return float64(r - 3*c) }
		mem := ptxsim.NewMemory()
		p := mem.Alloc(32 * 64)
		buf, _ := mem.Bytes(p, 32*64)
		rowC := func(group, i int) int { // row of c_i
			if i < 2 {
				return group
			}
			return group + 8
		}
		for lane := range 32 {
			group, in := lane>>2, lane%4
			at := buf[64*lane:]
			for i := range k / 2 { // a0...
				row := group + 8
				if k == 8 && i < 2 || k == 16 && (i < 2 || 4 <= i && i < 6) {
					row = group
				}
				col := in*2 + i&1
				if i >= 4 {
					col += 8
				}
				binary.LittleEndian.PutUint16(at[2*i:], dtype.F32ToF16(float32(A(row, col))))
			}
			for i := range k / 4 { // b0...
				row := in*2 + i&1
				if i >= 2 {
					row += 8
				}
				binary.LittleEndian.PutUint16(at[16+2*i:], dtype.F32ToF16(float32(B(row, group))))
			}
			for i := range 4 {
				binary.LittleEndian.PutUint32(at[32+4*i:], math.Float32bits(float32(C(rowC(group, i), in*2+i&1))))
			}
		}
		name := map[int]string{8: "k8", 16: "k16"}[k]
		if err := mod.Run(context.Background(), mem, name, ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Args: []uint64{p}}, ptxsim.Checks{}); err != nil {
			t.Fatal(err)
		}
		for lane := range 32 {
			for i := range 4 {
				r, c := rowC(lane>>2, i), lane%4*2+i&1
				want := C(r, c)
				for j := range k {
					want += A(r, j) * B(j, c)
				}
				if got := math.Float32frombits(binary.LittleEndian.Uint32(buf[64*lane+48+4*i:])); float64(got) != want {
					t.Fatalf("k=%d, element (%d,%d): have %v, want %v", k, r, c, got, want)
				}
			}
		}
	}
}

// TestLdmatrix numbers the elements of four matrices by matrix, row, column.
func TestLdmatrix(t *testing.T) {
	for _, trans := range []bool{false, true} {
		mod := ".trans"
		if !trans {
			mod = ""
		}
		body := `shl.b32 %r4, %r0, 4; add.u32 %r4, %r2, %r4; cvt.u64.u32 %rd2, %r0; shl.b64 %rd2, %rd2, 4; add.u64 %rd2, %rd0, %rd2;
ld.global.v4.u32 {%r5,%r6,%r7,%r8}, [%rd2]; st.shared.v4.u32 [%r4], {%r5,%r6,%r7,%r8}; bar.warp.sync -1;
ldmatrix.sync.aligned.m8n8.x4` + mod + `.shared.b16 {%r5,%r6,%r7,%r8}, [%r4]; st.global.v4.u32 [%rd2+512], {%r5,%r6,%r7,%r8};`
		mem := ptxsim.NewMemory()
		p := mem.Alloc(1024)
		buf, _ := mem.Bytes(p, 1024)
		for i := range 256 { // row i/8, column i%8
			binary.LittleEndian.PutUint16(buf[2*i:], uint16(i))
		}
		if err := parse(t, frame(body)).Run(context.Background(), mem, "k", ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Args: []uint64{p, 0}}, ptxsim.Checks{}); err != nil {
			t.Fatal(err)
		}
		for lane := range 32 {
			for matrix := range 4 {
				for half := range 2 {
					row, col := lane/4, lane%4*2+half
					if trans {
						row, col = col, row
					}
					want := uint16(matrix*64 + row*8 + col)
					if got := binary.LittleEndian.Uint16(buf[512+16*lane+4*matrix+2*half:]); got != want {
						t.Fatalf("trans %v, lane %d, matrix %d, half %d: have %d, want %d", trans, lane, matrix, half, got, want)
					}
				}
			}
		}
	}
}

// TestAtomics counts threads, and hands out each number once.
func TestAtomics(t *testing.T) {
	body := `atom.global.add.u32 %r4, [%rd0], 1; mul.wide.u32 %rd2, %r4, 4; add.u64 %rd2, %rd0, %rd2; st.global.u32 [%rd2+16], %r4;
red.global.add.f32 [%rd0+4], 0f3F000000; mov.u64 %rd3, 3; red.global.add.u64 [%rd0+8], %rd3;`
	mem := ptxsim.NewMemory()
	p := mem.Alloc(16 + 4*120)
	if err := parse(t, frame(body)).Run(context.Background(), mem, "k", ptxsim.Launch{Grid: [3]int{3, 1, 1}, Block: [3]int{40, 1, 1}, Args: []uint64{p, 0}}, ptxsim.Checks{}); err != nil {
		t.Fatal(err)
	}
	buf, _ := mem.Bytes(p, 16+4*120)
	if n := binary.LittleEndian.Uint32(buf); n != 120 {
		t.Errorf("counted %d, want 120", n)
	}
	if n := math.Float32frombits(binary.LittleEndian.Uint32(buf[4:])); n != 60 {
		t.Errorf("sum %v, want 60", n)
	}
	if n := binary.LittleEndian.Uint64(buf[8:]); n != 360 {
		t.Errorf("sum %v, want 360", n)
	}
	for i := range uint32(120) {
		if got := binary.LittleEndian.Uint32(buf[16+4*i:]); got != i {
			t.Fatalf("number %d: have %d", i, got)
		}
	}
}

// TestUlp moves approximations, the same way each time and by no more than
// asked for.
func TestUlp(t *testing.T) {
	mod := parse(t, frame("cvt.rn.f32.u32 %f0, %r0; mul.f32 %f0, %f0, 0.37; ex2.approx.f32 %f1, %f0; st.global.f32 [%rd1], %f1;"))
	var out [3][]float32
	for i, ulp := range []int{0, 2, 2} {
		mem := ptxsim.NewMemory()
		p := mem.Alloc(4 * 96)
		if err := mod.Run(context.Background(), mem, "k", ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{96, 1, 1}, Args: []uint64{p, 0}}, ptxsim.Checks{Ulp: ulp}); err != nil {
			t.Fatal(err)
		}
		out[i] = getF32(t, mem, p, 96)
	}
	moved := 0
	for i := range out[0] {
		a, b := int(math.Float32bits(out[0][i])), int(math.Float32bits(out[1][i]))
		if a != b {
			moved++
		}
		if a-b > 2 || b-a > 2 || out[1][i] != out[2][i] {
			t.Errorf("%d: %v, %v, %v", i, out[0][i], out[1][i], out[2][i])
		}
		exact := math.Exp2(float64(float32(i) * 0.37))
		if math.Abs(float64(out[0][i])-exact) > exact*0x1p-24 {
			t.Errorf("2^(%d*0.37): have %v, want %v", i, out[0][i], exact)
		}
	}
	if moved < 30 {
		t.Errorf("%d of 96 results moved", moved)
	}
}

// TestWorkers runs one launch with different numbers of goroutines.
func TestWorkers(t *testing.T) {
	mod := load(t, "collatz.ptx")
	var first []byte
	for _, workers := range []int{1, 2, 3, 8} {
		mem := ptxsim.NewMemory()
		out := mem.AllocUninit(4 * 1600)
		if err := mod.Run(context.Background(), mem, "collatz", ptxsim.Launch{Grid: [3]int{50, 1, 1}, Block: [3]int{32, 1, 1}, Args: []uint64{out}},
			ptxsim.Checks{Workers: workers}); err != nil {
			t.Fatal(err)
		}
		got, _ := mem.Bytes(out, 4*1600)
		if first == nil {
			first = got
		} else if !bytes.Equal(first, got) {
			t.Errorf("%d workers: other results", workers)
		}
		// The lowest block that fails is named, whoever comes first.
		err := mod.Run(context.Background(), mem, "collatz", ptxsim.Launch{Grid: [3]int{60, 1, 1}, Block: [3]int{32, 1, 1}, Args: []uint64{out}},
			ptxsim.Checks{Workers: workers})
		var f *ptxsim.Fault
		if !errors.As(err, &f) || f.Class != ptxsim.OutOfBounds || f.Block != [3]int{50, 0, 0} || f.Thread != [3]int{} {
			t.Errorf("%d workers: have %v", workers, err)
		}
	}
}

// shflCases are source lanes by the definition of shfl.sync, for lane 5.
func TestShuffleModes(t *testing.T) {
	for _, c := range []struct {
		mode string
		b, c uint32
		from func(lane int) (int, bool)
	}{
		{"up", 3, 0, func(l int) (int, bool) { return l - 3, l >= 3 }},
		{"down", 3, 31, func(l int) (int, bool) { return l + 3, l+3 < 32 }},
		{"bfly", 5, 31, func(l int) (int, bool) { return l ^ 5, true }},
		{"idx", 7, 31, func(l int) (int, bool) { return 7, true }},
		{"idx", 3, 0x1807, func(l int) (int, bool) { return l/8*8 + 3, true }},       // segments of eight lanes
		{"up", 2, 0x1800, func(l int) (int, bool) { return l - 2, l%8 >= 2 }},        // the same
		{"down", 2, 0x1807, func(l int) (int, bool) { return l + 2, l%8+2 < 8 }},     // the same
		{"bfly", 12, 0x1807, func(l int) (int, bool) { return l ^ 12, l^12 <= l|7 }}, // out of the segment: only downward
		{"down", 16, 0x100f, func(l int) (int, bool) { return l + 16, false }},       // segments of sixteen
	} {
		body := `mov.u32 %r4, ` + hex(c.b) + `; mov.u32 %r5, ` + hex(c.c) + `; add.u32 %r6, %r0, 100;
shfl.sync.` + c.mode + `.b32 %r7|%p1, %r6, %r4, %r5, -1;
selp.u32 %r8, 1000, 0, %p1; add.u32 %r7, %r7, %r8; st.global.u32 [%rd1], %r7;`
		mod := parse(t, frame(body))
		mem := ptxsim.NewMemory()
		p := mem.Alloc(128)
		if err := mod.Run(context.Background(), mem, "k", ptxsim.Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Args: []uint64{p, 0}}, ptxsim.Checks{}); err != nil {
			t.Fatal(err)
		}
		got, _ := mem.Bytes(p, 128)
		for l := range 32 {
			j, ok := c.from(l)
			want := uint32(1100 + j)
			if !ok {
				want = uint32(100 + l)
			}
			if g := binary.LittleEndian.Uint32(got[4*l:]); g != want {
				t.Errorf("%s %d 0x%x, lane %d: have %d, want %d", c.mode, c.b, c.c, l, g, want)
			}
		}
	}
}
