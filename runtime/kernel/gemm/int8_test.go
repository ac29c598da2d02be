package gemm

import (
	"bytes"
	"math/rand"
	"testing"
	"unsafe"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
	"github.com/mlc-go/mlc/runtime/pool"
)

type cols8 struct {
	x    []uint8 // [k4][n16]
	rows []int32
	xor  uint32
}

func (c *cols8) Pack8(m *Micro8, panel []uint8, col, _ int) {
	m.Pack(panel, c.rows, &c.x[col], c.xor)
}

type keep8 struct {
	c []int32
	n int
}

func (k *keep8) End8(c []int32, ld, row, rows, col, cols int, _ []int32, _ int) {
	for i := range rows {
		for j := range cols {
			if col+j < k.n {
				k.c[(row+i)*k.n+col+j] = c[i*ld+j]
			}
		}
	}
}

// TestProducts8: every Micro8 that runs here gives the exact sums, those of
// extreme weights and activations too, for signed and unsigned activations and
// any number of threads.
func TestProducts8(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, m := range append([]*Micro8{&Generic8}, micros8...) {
		if !kerneltest.Has(t, m.Needs) {
			continue
		}
		for _, s := range [][3]int{{1, 1, 1}, {1, 17, 5}, {3, 16, 4}, {5, 33, 7}, {8, 22, 19}, {8, 23, 16}, {6, 48, 64}, {13, 40, 27}, {15, 100, 130}, {64, 49, 576}, {29, 600, 33}, {1, 17, MaxI8}} {
			for kind := range 4 {
				testProduct8(t, m, r, s[0], s[1], s[2], kind)
			}
		}
	}
}

func testProduct8(t *testing.T, m *Micro8, r *rand.Rand, rows, n, k, kind int) {
	t.Helper()
	n16, k4 := panels(n)*16, 4*Groups(k)
	x := make([]uint8, k4*n16)
	w := make([]int8, rows*k)
	for i := range x {
		x[i] = uint8(r.Intn(256))
		if kind == 1 {
			x[i] = 255
		}
	}
	for i := range w {
		w[i] = int8(r.Intn(256))
		switch kind {
		case 1:
			w[i] = -128
		case 2:
			w[i] = []int8{-128, 127}[r.Intn(2)]
		}
	}
	signed := kind == 3
	c := &cols8{x: x}
	for i := range k4 {
		c.rows = append(c.rows, int32(min(i, k-1)*n16))
	}
	zero := int32(0)
	if signed {
		c.xor, zero = 0x80808080, 128
	}
	a := make([]int8, rows*k4)
	PackI8(a, w, rows, k, k, false)
	for _, threads := range []int{1, 3} {
		p := pool.New(threads)
		out := &keep8{make([]int32, rows*n), n}
		j := m.Prepare(Params8{M: rows, N: n, K: k, A: a, Pack: c, End: out}, threads)
		words := make([]uint64, (j.Scratch()+7)/8)
		j.Run(p, unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), j.Scratch()))
		p.Close()
		for i := range rows {
			sum := int32(0)
			for _, v := range w[i*k : (i+1)*k] {
				sum += int32(v)
			}
			for q := range n {
				want := int32(0)
				for y := range k {
					v := int32(x[y*n16+q])
					if signed {
						v = int32(int8(x[y*n16+q]))
					}
					want += v * int32(w[i*k+y])
				}
				if have := out.c[i*n+q] + m.Correction(0, zero, sum); have != want {
					t.Fatalf("%s %dx%dx%d kind %d, %d threads: row %d column %d: have %d, want %d", m.Name, rows, n, k, kind, threads, i, q, have, want)
				}
			}
		}
	}
}

// TestPackQuads: panels of groups of four bytes, which no tile of a smaller CPU
// reads, are written by instructions that it has.
func TestPackQuads(t *testing.T) {
	r := rand.New(rand.NewSource(4))
	for _, m := range micros8 {
		if m.Group != 64 || !kerneltest.Has(t, m.Needs&(cpu.AVX2|cpu.NEON)) {
			continue
		}
		for _, kq := range []int{1, 2, 7, 30} {
			src, rows := make([]uint8, 2000), make([]int32, 4*kq)
			r.Read(src)
			for i := range rows {
				rows[i] = int32(r.Intn(len(src) - 15))
			}
			rows[kq] = int32(len(src) - 16)
			for _, xor := range []uint32{0, 0x80808080} {
				have, want := make([]uint8, 64*kq), make([]uint8, 64*kq)
				m.pack(kq, &rows[0], &src[0], xor, &have[0])
				packQuadsGo(kq, &rows[0], &src[0], xor, &want[0])
				if !bytes.Equal(have, want) {
					t.Fatalf("%s, %d groups: have %v, want %v", m.Name, kq, have, want)
				}
			}
		}
	}
}
