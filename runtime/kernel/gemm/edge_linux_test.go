package gemm

import (
	"math/rand"
	"syscall"
	"testing"
	"unsafe"

	"github.com/mlc-go/mlc/runtime/kernel/kerneltest"
)

// beforeHole returns n elements that end where unmapped memory begins, so that
// reading one too many is a fault.
func beforeHole(t *testing.T, n int) []float32 {
	page := syscall.Getpagesize()
	size := (n*4 + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal("mmap: ", err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(m) })
	if err := syscall.Mprotect(m[size:], syscall.PROT_NONE); err != nil {
		t.Fatal("mprotect: ", err)
	}
	all := unsafe.Slice((*float32)(unsafe.Pointer(&m[0])), size/4)
	return all[size/4-n:]
}

func TestNothingIsReadBeyondSlices(t *testing.T) {
	eachMicro(t, func(t *testing.T, micro *Micro) {
		r := rand.New(rand.NewSource(13))
		for _, m := range []int{1, 2, 3, micro.MR, micro.MR + 1} {
			for _, n := range []int{1, 16, 64, 79} {
				for _, k := range []int{1, 6, 8, 257} {
					for _, trans := range []bool{false, true} {
						a, b, c := beforeHole(t, m*k), beforeHole(t, k*n), beforeHole(t, m*n)
						fill(r, a, false)
						fill(r, b, false)
						job := micro.Prepare(Params{M: m, N: n, K: k, A: a, LdA: k, C: c, LdC: n}, 1)
						job.B = beforeHole(t, PackedB(k, n))
						ld := n
						if trans {
							ld = k
						}
						PackB(job.B, b, k, n, ld, trans)
						job.Run(nil, beforeHole(t, job.Scratch()))
						job = micro.Prepare(Params{M: m, N: n, K: k, A: a, C: c, LdC: n,
							Pack: &Source{B: b, K: k, N: n, Ld: ld, Trans: trans, Micro: micro}}, 1)
						job.Run(nil, beforeHole(t, job.Scratch()))
					}
				}
			}
		}
	})
}

// Weights, scratch and panels of an 8-bit product end where memory ends.
func TestNothingIsReadBeyondSlices8(t *testing.T) {
	bytes := func(n int) []byte {
		f := beforeHole(t, (n+3)/4)
		return unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), 4*len(f))
	}
	for _, m := range append([]*Micro8{&Generic8}, micros8...) {
		if !kerneltest.Has(t, m.Needs) {
			continue
		}
		for _, rows := range []int{1, 2, m.MR, m.MR + 1} {
			for _, n := range []int{1, 5, 16, 17, 70} {
				for _, k := range []int{1, 8, 15, 61} {
					n16, k4 := panels(n)*16, 4*Groups(k)
					a := bytes(rows * k4)
					c := &cols8{x: bytes(k4 * n16)}
					for i := range k4 {
						c.rows = append(c.rows, int32(i*n16))
					}
					j := m.Prepare(Params8{M: rows, N: n, K: k, A: unsafe.Slice((*int8)(unsafe.Pointer(&a[0])), len(a)), Pack: c, End: &keep8{make([]int32, rows*n), n}}, 1)
					j.Run(nil, bytes(j.Scratch()))
				}
			}
		}
	}
}
