package conv

import (
	"slices"
	"unsafe"

	"github.com/mlc-go/mlc/runtime/kernel/gemm"
)

// patches is the gemm.Packer of a convolution: column j is output position j,
// row k is (channel, ky, kx). It reads one group of one image in the form of
// planes.
type patches struct {
	src []float32 // the group's planes
	*offsets
}

// offsets say where the patches lie; jobs of one convolution share them.
type offsets struct {
	rows  []int32 // per k: offset of its tap from that of output (0, 0)
	runs  []run   // columns that lie side by side, panel by panel
	first []int32 // per panel: its first run; one more at the end
	top   []int32 // per panel: its largest column offset
}

// run is n columns of a panel from column at on; off is the offset of the
// first tap of the first of them.
type run struct {
	off   int32
	at, n int32
}

func newOffsets(g *geometry, p *planes) *offsets {
	o := &offsets{}
	for c := range g.c / g.group {
		for y := range g.kh {
			for x := range g.kw {
				o.rows = append(o.rows, int32(c*p.size()+p.tap(g, y, x)))
			}
		}
	}
	n := g.oh * g.ow
	for j := 0; j < n; j += gemm.Panel {
		o.first = append(o.first, int32(len(o.runs)))
		top := int32(0)
		for i := j; i < min(j+gemm.Panel, n); {
			y, x := i/g.ow, i%g.ow
			k := min(j+gemm.Panel-i, g.ow-x)
			off := int32(y*g.sh*p.ld() + x)
			o.runs = append(o.runs, run{off, int32(i - j), int32(k)})
			top = max(top, off+int32(k)-1)
			i += k
		}
		o.top = append(o.top, top)
	}
	o.first = append(o.first, int32(len(o.runs)))
	return o
}

// Pack implements gemm.Packer.
func (p *patches) Pack(dst []float32, k0, kc, n0, n, _ int) {
	rows := p.rows[k0 : k0+kc]
	top := int(slices.Max(rows)) + gemm.Panel
	for j := n0 / gemm.Panel; n > 0; j, n = j+1, n-gemm.Panel {
		d := dst[:kc*gemm.Panel]
		dst = dst[kc*gemm.Panel:]
		runs := p.runs[p.first[j]:p.first[j+1]]
		switch {
		case top+int(p.top[j]) > len(p.src):
			p.exact(d, rows, runs)
		case len(runs) == 1 && runs[0].n == gemm.Panel:
			p.whole(d, rows, int(runs[0].off))
		default:
			last := len(rows) - 1
			p.loose(d, rows[:last], runs)
			p.exact(d[last*gemm.Panel:], rows[last:], runs)
		}
	}
}

// panelRow is one row of a panel.
type panelRow = [gemm.Panel]float32

// move copies a row in steps that the compiler makes single loads and stores
// of; it calls memmove for more than that.
func move(d, s *panelRow) {
	*(*[4]float32)(d[0:]) = *(*[4]float32)(s[0:])
	*(*[4]float32)(d[4:]) = *(*[4]float32)(s[4:])
	*(*[4]float32)(d[8:]) = *(*[4]float32)(s[8:])
	*(*[4]float32)(d[12:]) = *(*[4]float32)(s[12:])
}

// whole packs a panel of 16 columns that lie side by side from off on. Like
// loose, it is called where off plus any of rows leaves 16 elements in src.
func (p *patches) whole(d []float32, rows []int32, off int) {
	from, to := unsafe.Pointer(&p.src[off]), unsafe.Pointer(unsafe.SliceData(d[:len(rows)*gemm.Panel]))
	for i, r := range rows {
		move((*panelRow)(unsafe.Add(to, i*4*gemm.Panel)), (*panelRow)(unsafe.Add(from, uintptr(r)*4)))
	}
}

// loose packs a panel by stores of whole rows that run over into what comes
// next and is written later; there is one more row of d than of rows. As much
// is read beyond each run.
func (p *patches) loose(d []float32, rows []int32, runs []run) {
	end := runs[len(runs)-1]
	used := int(end.at + end.n)
	from, to := unsafe.Pointer(unsafe.SliceData(p.src)), unsafe.Pointer(unsafe.SliceData(d[:(len(rows)+1)*gemm.Panel]))
	for _, r := range rows {
		for _, u := range runs {
			move((*panelRow)(unsafe.Add(to, int(u.at)*4)), (*panelRow)(unsafe.Add(from, int(u.off+r)*4)))
		}
		if used < gemm.Panel {
			*(*panelRow)(unsafe.Add(to, used*4)) = panelRow{}
		}
		to = unsafe.Add(to, 4*gemm.Panel)
	}
}

// exact packs a panel without touching anything else.
func (p *patches) exact(d []float32, rows []int32, runs []run) {
	for i, r := range rows {
		e := d[i*gemm.Panel : (i+1)*gemm.Panel]
		n := int32(0)
		for _, u := range runs {
			copy(e[u.at:u.at+u.n], p.src[u.off+r:])
			n = u.at + u.n
		}
		clear(e[n:])
	}
}
