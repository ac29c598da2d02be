package gemm

// BlockK is the length of a block of k, part of both constant formats.
const BlockK = 256

// Panel is the number of columns of a panel of B.
const Panel = 16

// Names of the constant formats.
const (
	FormatB = "gemm.f32.panel16.kc256"
	FormatA = "gemm.f32.row.kc256"
)

// panels returns the number of panels of n columns.
func panels(n int) int { return (n + Panel - 1) / Panel }

// PackedB returns the number of elements of B[k,n] in FormatB.
func PackedB(k, n int) int { return k * panels(n) * Panel }

// PackB writes B[k,n], row-major with stride ld, to dst in FormatB; with trans
// the source holds B transposed, [n,k] with stride ld. len(dst) is PackedB.
func PackB(dst, b []float32, k, n, ld int, trans bool) {
	src := Source{B: b, K: k, N: n, Ld: ld, Trans: trans}
	for k0 := 0; k0 < k; k0 += BlockK {
		kc := min(BlockK, k-k0)
		src.Pack(dst[:kc*panels(n)*Panel], k0, kc, 0, n, 0)
		dst = dst[kc*panels(n)*Panel:]
	}
}

// PackRows writes A[m,k], row-major with stride ld, to dst in FormatA; with
// trans the source holds A transposed, [k,m] with stride ld. len(dst) is m*k.
func PackRows(dst, a []float32, m, k, ld int, trans bool) {
	for k0 := 0; k0 < k; k0 += BlockK {
		kc := min(BlockK, k-k0)
		for i := range m {
			row := dst[:kc]
			dst = dst[kc:]
			if !trans {
				copy(row, a[i*ld+k0:])
				continue
			}
			for x := range row {
				row[x] = a[(k0+x)*ld+i]
			}
		}
	}
}

// A Packer produces panels of B on demand: from a matrix (Source), or from an
// image for a convolution.
type Packer interface {
	// Pack writes rows [k0, k0+kc) of columns [n0, n0+n) of B to dst: for every
	// 16 columns a panel [kc][16], the columns beyond n0+n zero. n0 is a
	// multiple of 16, kc <= BlockK and len(dst) = kc*16*ceil(n/16). Calls run at
	// the same time with different workers.
	Pack(dst []float32, k0, kc, n0, n, worker int)
}

// Source is the Packer of a matrix in memory. The zero Micro packs in Go.
type Source struct {
	B     []float32
	K, N  int
	Ld    int    // stride of the rows of B, in elements
	Trans bool   // B holds [N,K] instead of [K,N]
	Micro *Micro // whose packers to use, or nil
}

// Pack implements Packer.
func (s *Source) Pack(dst []float32, k0, kc, n0, n, _ int) {
	if !s.Trans {
		for ; n >= group*Panel; n, n0 = n-group*Panel, n0+group*Panel {
			s.packGroup(dst[:kc*group*Panel], s.B[k0*s.Ld+n0:], kc)
			dst = dst[kc*group*Panel:]
		}
	}
	for ; n > 0; n, n0 = n-Panel, n0+Panel {
		panel := dst[:kc*Panel]
		dst = dst[kc*Panel:]
		switch {
		case !s.Trans:
			s.packPanel(panel, s.B[k0*s.Ld+n0:], kc, min(n, Panel))
		case n >= Panel:
			s.packTrans(panel, s.B[n0*s.Ld+k0:], kc)
		default:
			packTransEdge(panel, s.B[n0*s.Ld+k0:], kc, n, s.Ld)
		}
	}
}

// group is the number of panels copied side by side: long enough stretches of
// a row to make a visit to its page worth while.
const group = 4

// packGroup copies group panels of kc rows.
func (s *Source) packGroup(dst, b []float32, kc int) {
	ld := s.Ld
	if s.Micro != nil && s.Micro.pack4 != nil {
		b = b[:(kc-1)*ld+group*Panel]
		s.Micro.pack4(kc, &b[0], ld, &dst[0])
		return
	}
	p0, p1, p2, p3 := dst[:kc*Panel], dst[kc*Panel:], dst[2*kc*Panel:], dst[3*kc*Panel:]
	for x := range kc {
		row := b[x*ld:][:group*Panel]
		at := x * Panel
		copy(p0[at:at+Panel], row[:Panel])
		copy(p1[at:at+Panel], row[Panel:])
		copy(p2[at:at+Panel], row[2*Panel:])
		copy(p3[at:at+Panel], row[3*Panel:])
	}
}

// packPanel copies n <= 16 columns of kc rows.
func (s *Source) packPanel(panel, b []float32, kc, n int) {
	ld := s.Ld
	if n == Panel && s.Micro != nil && s.Micro.pack1 != nil {
		b = b[:(kc-1)*ld+Panel]
		s.Micro.pack1(kc, &b[0], ld, &panel[0])
		return
	}
	if n == Panel {
		for x := range kc {
			copy(panel[x*Panel:x*Panel+Panel], b[x*ld:x*ld+Panel])
		}
		return
	}
	for x := range kc {
		row := panel[x*Panel : x*Panel+Panel]
		copy(row, b[x*ld:x*ld+n])
		clear(row[n:])
	}
}

// packTrans transposes 16 rows of kc elements.
func (s *Source) packTrans(panel, b []float32, kc int) {
	b = b[:(Panel-1)*s.Ld+kc]
	x := 0
	if s.Micro != nil && s.Micro.packT != nil && kc >= 8 {
		x = kc &^ 7
		s.Micro.packT(x, &b[0], s.Ld, &panel[0])
	}
	for ; x < kc; x++ {
		row := (*[Panel]float32)(panel[x*Panel:])
		for j := range row {
			row[j] = b[j*s.Ld+x]
		}
	}
}

// packTransEdge transposes n < 16 rows and fills the other columns with zeros.
func packTransEdge(panel, b []float32, kc, n, ld int) {
	clear(panel)
	for j := range n {
		for x, v := range b[j*ld : j*ld+kc] {
			panel[x*Panel+j] = v
		}
	}
}
