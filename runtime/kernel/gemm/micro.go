package gemm

import (
	"unsafe"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel/vecmath"
)

// A Micro is a set of tiles of one instruction set. The variables of this type
// are static data; on architectures that cannot run them they don't exist.
type Micro struct {
	Name  string       // tile and feature as in kernel ids, "6x16.avx2"
	Needs cpu.Features // what the tiles execute
	MR    int          // most rows of a tile
	NP    int          // panels of a tile of MR rows

	// wide[m] is the number of panels to take at once where all of the product
	// has m < len(wide) rows; a tile of m rows and that many panels exists.
	wide [4]int

	// call runs tiles of mr rows by np panels, np being 1, NP or wide[mr]; see
	// the stubs for the loop it equals.
	call func(mr, np, tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int)

	// pack1 and pack4 copy 16 or 64 columns of kc rows into one or four panels;
	// nil where plain Go does.
	pack1, pack4 func(kc int, src *float32, ld int, dst *float32)

	// packT transposes 16 rows of kc (a multiple of 8) columns into a panel;
	// nil where plain Go does.
	packT func(kc int, src *float32, ld int, dst *float32)
}

// Generic is the twin in plain Go, for every architecture.
var Generic = Micro{Name: "4x16.generic", MR: 4, NP: 1, wide: [4]int{1, 1, 1, 1}, call: genericCall}

// genericCall is the tile in Go. It takes any mr and np.
func genericCall(mr, np, tiles, kc int, a *float32, lda int, b *float32, ldb int, c *float32, ldc int, acc int) {
	for i := range tiles * mr {
		for p := range np {
			row := unsafe.Slice(at(a, i*lda), kc)
			panel := unsafe.Slice(at(b, p*ldb), kc*16)
			genericRow(row, panel, (*[16]float32)(unsafe.Pointer(at(c, i*ldc+p*16))), acc != 0)
		}
	}
}

// genericRow computes 16 elements of one row.
func genericRow(row, panel []float32, c *[16]float32, acc bool) {
	var s [16]float32
	for k, a := range row {
		b := (*[16]float32)(panel[k*16:])
		for j := range s {
			s[j] = vecmath.FMA32(a, b[j], s[j])
		}
	}
	if acc {
		for j := range s {
			s[j] = c[j] + s[j]
		}
	}
	*c = s
}

// at returns the address i elements behind p.
func at(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), i*4))
}
