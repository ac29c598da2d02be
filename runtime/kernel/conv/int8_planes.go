package conv

import (
	"unsafe"

	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// planes8 is how the input lies: for each channel, a plane for each remainder
// (of row and column, modulo the strides) that some tap needs, one after the
// other. Neighbouring outputs meet neighbours in one of them under one tap.
//
// The columns of the product are the outputs (exact), or positions of outputs
// laid over the planes, whose rows are longer, so that a panel is always 16
// neighbours; then some columns mean nothing.
type planes8 struct {
	direct      bool // the input itself has this form
	phases      [][2]int
	rows, width int
	size        int     // of a channel
	taps        []int32 // per row of the product: offset from that of output (0, 0)
	top         int32   // the largest of them

	exact bool
	cols  int   // of the product
	runs  []run // columns that lie side by side, panel by panel
	first []int32
}

func newPlanes8(g *geometry, m *gemm.Micro8) planes8 {
	p := planes8{rows: g.oh + (g.kh-1)*g.dh/g.sh, width: g.ow + (g.kw-1)*g.dw/g.sw}
	if g.pt == 0 && g.pl == 0 && g.sh == 1 && g.sw == 1 && p.rows <= g.h && p.width <= g.w {
		p = planes8{direct: true, rows: g.h, width: g.w}
	}
	at := map[[2]int]int{}
	var in []int32
	for y := range g.kh {
		for x := range g.kw {
			ph := [2]int{y * g.dh % g.sh, x * g.dw % g.sw}
			if _, ok := at[ph]; !ok {
				at[ph] = len(p.phases)
				p.phases = append(p.phases, ph)
			}
			in = append(in, int32((at[ph]*p.rows+y*g.dh/g.sh)*p.width+x*g.dw/g.sw))
		}
	}
	p.size = len(p.phases) * p.rows * p.width
	k := g.c / g.group * g.taps()
	for c := range g.c / g.group {
		for _, off := range in {
			p.taps = append(p.taps, int32(c*p.size)+off)
			p.top = max(p.top, int32(c*p.size)+off)
		}
	}
	for len(p.taps) < 4*gemm.Groups(k) { // weights of zero meet these
		p.taps = append(p.taps, p.taps[0])
	}
	p.columns(g, m)
	return p
}

// columns decides which columns the product has. For every step of k, to
// multiply 16 columns takes about half a cycle for each filter, to pack them
// four, and a run more takes two.
func (p *planes8) columns(g *geometry, m *gemm.Micro8) {
	loose, n, each := (g.oh-1)*p.width+g.ow, g.oh*g.ow, g.m/g.group/2+4
	p.cols, p.exact = n, m.Width(n)*each+32*(g.oh-1) < m.Width(loose)*each || p.width == g.ow
	ow := g.ow
	if !p.exact {
		p.cols = loose
	}
	if !p.exact || p.width == g.ow { // one run
		ow = p.cols
	}
	for j := 0; j < p.cols; j += gemm.Panel {
		p.first = append(p.first, int32(len(p.runs)))
		for i := j; i < min(j+gemm.Panel, p.cols); {
			n := min(j+gemm.Panel-i, ow-i%ow)
			p.runs = append(p.runs, run{int32(i/ow*p.width + i%ow), int32(i - j), int32(n)})
			i += n
		}
	}
	p.first = append(p.first, int32(len(p.runs)))
}

// panel gives the runs of panel i.
func (p *planes8) panel(i int) []run { return p.runs[p.first[i]:p.first[i+1]] }

// Do implements pool.Task: it arranges a channel.
func (w *worker8) Do(c, _ int) {
	g, p := &w.s.g, &w.s.planes
	src, dst := w.x[c*g.h*g.w:(c+1)*g.h*g.w], w.src[c*p.size:(c+1)*p.size]
	zero := w.s.zero
	if g.sh == 1 && g.sw == 1 && g.pl < p.width {
		w.pad(dst, src, zero)
		return
	}
	for _, ph := range p.phases {
		for y := range p.rows {
			row := dst[:p.width]
			dst = dst[p.width:]
			iy := y*g.sh + ph[0] - g.pt
			if iy < 0 || iy >= g.h {
				fill(row, zero)
				continue
			}
			w.s.quant.Arrange(row, src[iy*g.w:(iy+1)*g.w], g.sw, ph[1]-g.pl, zero)
		}
	}
}

// pad copies a channel between its padding. Rows are copied by moves that run
// over into what is written next, as long as that stays in dst and src.
func (w *worker8) pad(dst, src []uint8, zero uint8) {
	g, width := &w.s.g, w.s.planes.width
	n := min(g.w, width-g.pl)
	lead := min(len(dst), g.pt*width+g.pl)
	fill(dst[:lead], zero)
	dst = dst[lead:]
	var zeros [16]uint8
	fill(zeros[:], zero)
	for y := 0; y < g.h && len(dst) > 0; y++ {
		s, d := src[y*g.w:], dst
		if len(s) < n+16 || len(d) < width+16 {
			m := copy(d[:min(n, len(d))], s)
			end := min(width, len(d))
			fill(d[m:end], zero)
			dst = dst[end:]
			continue
		}
		from, to := unsafe.Pointer(&s[0]), unsafe.Pointer(&d[0])
		for x := 0; x < n; x += 16 {
			*(*[16]uint8)(unsafe.Add(to, x)) = *(*[16]uint8)(unsafe.Add(from, x))
		}
		for x := n; x < width; x += 16 {
			*(*[16]uint8)(unsafe.Add(to, x)) = zeros
		}
		dst = dst[width:]
	}
	fill(dst, zero)
}

func fill(b []uint8, v uint8) {
	if v == 0 {
		clear(b)
		return
	}
	for i := range b {
		b[i] = v
	}
}
