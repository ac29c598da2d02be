package ptxsim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/mlc-go/mlc/backend/cuda/ptxsim"
)

func load(t testing.TB, file string) *ptxsim.Module {
	t.Helper()
	return parse(t, read(t, file))
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t testing.TB, text string) *ptxsim.Module {
	t.Helper()
	m, err := ptxsim.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func putF32(m *ptxsim.Memory, x []float32) uint64 {
	p := make([]byte, 4*len(x))
	for i, v := range x {
		binary.LittleEndian.PutUint32(p[4*i:], math.Float32bits(v))
	}
	a := m.Alloc(len(p))
	if err := m.Write(a, p); err != nil {
		panic(err)
	}
	return a
}

func getF32(t testing.TB, m *ptxsim.Memory, addr uint64, n int) []float32 {
	t.Helper()
	p, err := m.Bytes(addr, 4*n)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float32, n)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(p[4*i:]))
	}
	return out
}

// ramp is n small numbers without a pattern of period 2^k.
func ramp(n, mul int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32((i*mul)%31-15) / 8
	}
	return x
}

func TestVectorAdd(t *testing.T) {
	mod := load(t, "vadd.ptx")
	const n = 1000
	mem := ptxsim.NewMemory()
	a, b := ramp(n, 7), ramp(n, 11)
	pa, pb, pc := putF32(mem, a), putF32(mem, b), mem.AllocUninit(4*n)
	err := mod.Run(context.Background(), mem, "vadd", ptxsim.Launch{
		Grid: [3]int{8, 1, 1}, Block: [3]int{128, 1, 1}, Args: []uint64{pa, pb, pc, n}}, ptxsim.Checks{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range getF32(t, mem, pc, n) {
		if v != a[i]+b[i] {
			t.Fatalf("element %d: have %v, want %v", i, v, a[i]+b[i])
		}
	}
}

// product runs tiled.ptx, or a changed text of it.
func product(t testing.TB, mod *ptxsim.Module, n int, c ptxsim.Checks, s *ptxsim.Stats) error {
	mem := ptxsim.NewMemory()
	a, b := ramp(n*n, 7), ramp(n*n, 11)
	pa, pb, pc := putF32(mem, a), putF32(mem, b), mem.AllocUninit(4*n*n)
	err := mod.Run(context.Background(), mem, "tiled", ptxsim.Launch{
		Grid: [3]int{n / 16, n / 16, 1}, Block: [3]int{16, 16, 1}, Args: []uint64{pa, pb, pc, uint64(n)}, Stats: s}, c)
	if err != nil {
		return err
	}
	for i, v := range getF32(t, mem, pc, n*n) {
		var want float64 // exact: few bits
		for k := range n {
			want += float64(a[i/n*n+k]) * float64(b[k*n+i%n])
		}
		if float64(v) != want {
			return fmt.Errorf("element %d: have %v, want %v", i, v, want)
		}
	}
	return nil
}

func TestTiledProduct(t *testing.T) {
	if err := product(t, load(t, "tiled.ptx"), 64, ptxsim.Checks{}, nil); err != nil {
		t.Fatal(err)
	}
}
