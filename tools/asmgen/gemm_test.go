package main

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// Every amd64 tile, executed by the emulator, has the bits of the generic twin.
func TestGemmTilesInEmulation(t *testing.T) {
	files := gemmFiles()
	for _, c := range []struct {
		file   *Asm
		isa    string
		mr, np int
	}{
		{files[0], "avx2", 6, 1}, {files[0], "avx2", 3, 2}, {files[0], "avx2", 1, 4},
		{files[1], "avx512", 14, 1}, {files[1], "avx512", 14, 2}, {files[1], "avx512", 3, 4},
	} {
		text := string(c.file.Text())
		for mr := 1; mr <= c.mr; mr++ {
			if c.isa == "avx2" && c.np == 2 && mr == 1 {
				continue // no such tile
			}
			name := fmt.Sprintf("f32_%dx%d_%s", mr, c.np*16, c.isa)
			t.Run(name, func(t *testing.T) {
				for _, kc := range []int{1, 3, 4, 9} {
					emulateTile(t, text, name, mr, c.np, kc)
				}
			})
		}
	}
}

func emulateTile(t *testing.T, text, name string, mr, np, kc int) {
	t.Helper()
	const tiles = 2
	r := rand.New(rand.NewSource(int64(kc)))
	m, n := tiles*mr, np*16
	lda, ldb, ldc := kc+1, kc*16, n+3
	fill := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = math.Float32frombits(r.Uint32()) // all kinds, NaN included
		}
		return x
	}
	a, b, c := fill((m-1)*lda+kc), fill(np*kc*16), fill((m-1)*ldc+n)
	for acc := range 2 {
		// The twin: one product, whose bits for a single block of k are the
		// tile's; what acc adds is added here.
		want := append([]float32(nil), c...)
		job := gemm.Generic.Prepare(gemm.Params{M: m, N: n, K: kc, A: a, LdA: lda, B: b, C: want, LdC: ldc}, 1)
		job.Run(nil, make([]float32, job.Scratch()))
		if acc == 1 {
			for i := range m {
				for j := range n {
					want[i*ldc+j] += c[i*ldc+j]
				}
			}
		}
		have := append([]float32(nil), c...)
		e, err := newEmu(text, name)
		if err != nil {
			t.Fatal(err)
		}
		err = e.call(tiles, int64(kc), e.region("a", a), int64(lda), e.region("b", b), int64(ldb), e.region("c", have), int64(ldc), int64(acc))
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if math.Float32bits(have[i]) != math.Float32bits(want[i]) && (have[i] == have[i] || want[i] == want[i]) {
				t.Fatalf("kc %d acc %d: element %d = %x, want %x", kc, acc, i, have[i], want[i])
			}
		}
	}
}

// A read outside of a matrix does not go unnoticed.
func TestEmulatorChecksBounds(t *testing.T) {
	text := string(gemmFiles()[0].Text())
	a, b, c := make([]float32, 2*5), make([]float32, 5*16), make([]float32, 2*16)
	for _, short := range []string{"", "a", "b", "c"} {
		e, err := newEmu(text, "f32_2x16_avx2")
		if err != nil {
			t.Fatal(err)
		}
		region := func(name string, x []float32) int64 {
			if name == short {
				x = x[:len(x)-1]
			}
			return e.region(name, x)
		}
		err = e.call(1, 5, region("a", a), 5, region("b", b), 0, region("c", c), 16, 1)
		if (err == nil) != (short == "") {
			t.Errorf("short %q: have error %v", short, err)
		}
	}
}
