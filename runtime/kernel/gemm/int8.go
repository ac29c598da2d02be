package gemm

import (
	"unsafe"

	"github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/kernel/quant"
)

// FormatI8 is the constant format of 8-bit weights W[m,k]: rows of int8, each
// padded with zeros to a multiple of four (see PackI8).
const FormatI8 = "gemm.i8.row.k4"

// MaxI8 is the largest k for which the sum of products of an unsigned and a
// signed byte surely fits an int32.
const MaxI8 = (1<<31 - 1) / (255 * 128)

// Groups is the number of groups of four steps of k.
func Groups(k int) int { return (k + 3) / 4 }

// PackI8 writes W[m,k], row-major with stride ld, in FormatI8; with trans the
// source holds W transposed. len(dst) is m*4*Groups(k).
func PackI8(dst, w []int8, m, k, ld int, trans bool) {
	for i := range m {
		row := dst[i*4*Groups(k) : (i+1)*4*Groups(k)]
		clear(row[k:])
		if !trans {
			copy(row[:k], w[i*ld:])
			continue
		}
		for x := range row[:k] {
			row[x] = w[x*ld+i]
		}
	}
}

// A Micro8 is the integer tiles of one instruction set: rows are signed
// weights, columns are activations in panels of 16 in a form of its own. Sums
// are exact, so that every Micro8 gives the same.
type Micro8 struct {
	Name  string
	Needs cpu.Features
	MR    int  // most rows of a tile
	NP    int  // most panels
	Wide  bool // rows are int16, widened from FormatI8 before use
	// Signed says that panels hold the activations minus 128.
	Signed bool
	Group  int // bytes of a panel for four steps of k

	// call multiplies; next is where the rows begin that are read next (they are
	// widened from memory that no cache may hold).
	call  func(mr, np, tiles, kq int, a unsafe.Pointer, lda int, b *uint8, ldb int, c *int32, ldc int, next *int8)
	pack  func(kq int, rows *int32, src *uint8, xor uint32, dst *uint8)
	widen func(n int, src *int8, dst *int16)
	// column is call for one column, which lies in int16 as rows do (nil: no
	// such tiles, then a panel holds at least one column).
	column func(mr, tiles, kq int, a unsafe.Pointer, lda int, b *int16, c *int32, ldc int)
	// Quant are the loops that go with the tiles.
	Quant *quant.Funcs
}

// Generic8 is the twin in plain Go.
var Generic8 = Micro8{Name: "4x16.generic", MR: 4, NP: 1, Group: 64, call: generic8Call, pack: packQuadsGo, Quant: &quant.Generic}

// PanelBytes is the size of a panel of k steps.
func (m *Micro8) PanelBytes(k int) int { return Groups(k) * m.Group }

// fewColumns is how many columns at most are multiplied one by one where they
// would begin a panel.
const fewColumns = 6

// single is how many of n columns, the last ones, are multiplied one by one.
func (m *Micro8) single(n int) int {
	if few := n % Panel; m.column != nil && few <= fewColumns {
		return few
	}
	return 0
}

// Width is the number of columns that the multiplication of n columns costs.
func (m *Micro8) Width(n int) int {
	few := m.single(n)
	return panels(n-few)*Panel + few
}

// Pack gathers 16 columns into a panel: row k of it is src[rows[k]:], 16
// bytes, xor being what makes them unsigned. len(rows) is a multiple of four.
// It checks nothing.
func (m *Micro8) Pack(dst []uint8, rows []int32, src *uint8, xor uint32) {
	if m.Signed {
		xor ^= 0x80808080
	}
	m.pack(len(rows)/4, &rows[0], src, xor, &dst[0])
}

// Correction is what must be added to a row's sum of products to make it
// bias + sum((x-zero)*w): zero is the zero point of the unsigned activations
// and wsum the sum of the row's weights.
func (m *Micro8) Correction(bias, zero, wsum int32) int32 {
	if m.Signed {
		zero -= 128
	}
	return bias - zero*wsum
}

func generic8Call(mr, np, tiles, kq int, a unsafe.Pointer, lda int, b *uint8, ldb int, c *int32, ldc int, _ *int8) {
	for i := range tiles * mr {
		row := unsafe.Slice((*int8)(unsafe.Add(a, i*lda)), 4*kq)
		for p := range np {
			panel := unsafe.Slice((*uint8)(unsafe.Add(unsafe.Pointer(b), p*ldb)), kq*64)
			var s [16]int32
			for q := range kq {
				w0, w1, w2, w3 := int32(row[4*q]), int32(row[4*q+1]), int32(row[4*q+2]), int32(row[4*q+3])
				x := (*[64]uint8)(panel[q*64:])
				for j := range s {
					s[j] += int32(x[4*j])*w0 + int32(x[4*j+1])*w1 + int32(x[4*j+2])*w2 + int32(x[4*j+3])*w3
				}
			}
			*(*[16]int32)(unsafe.Add(unsafe.Pointer(c), 4*(i*ldc+16*p))) = s
		}
	}
}

// takeColumn takes column j out of a panel of int16 pairs.
func takeColumn(dst []int16, panel []uint8, j int) {
	from, to := unsafe.Pointer(&panel[4*j]), unsafe.Pointer(&dst[0])
	for q := range len(dst) / 2 {
		*(*[2]int16)(unsafe.Add(to, 4*q)) = *(*[2]int16)(unsafe.Add(from, 64*q))
	}
}

func packQuadsGo(kq int, rows *int32, src *uint8, xor uint32, dst *uint8) {
	x := uint8(xor)
	r, d := unsafe.Slice(rows, 4*kq), unsafe.Slice(dst, 64*kq)
	for k, off := range r {
		s := (*[16]uint8)(unsafe.Add(unsafe.Pointer(src), int(off)))
		for j, v := range s {
			d[k/4*64+4*j+k%4] = v ^ x
		}
	}
}
