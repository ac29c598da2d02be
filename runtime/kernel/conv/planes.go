package conv

// planes is how the input planes of a convolution lie while they are read:
// every position that a tap can meet exists, so nothing is out of bounds, and
// the positions that neighbouring outputs meet under one tap are neighbours:
// with a horizontal stride s, the columns are sorted by their remainder modulo
// s, each remainder that some tap needs (a phase) being a stretch of its own.
type planes struct {
	direct bool // the input itself has this form
	rows   int
	width  int    // of a stretch
	phases []int  // remainders, ascending
	used   []bool // by row: some tap meets it
}

// slack is how many elements behind the planes may be read (and ignored).
const slack = 16

func newPlanes(g *geometry) planes {
	p := planes{rows: (g.oh-1)*g.sh + (g.kh-1)*g.dh + 1, width: g.ow + (g.kw-1)*g.dw/g.sw}
	if g.pt == 0 && g.pl == 0 && g.sw == 1 && p.rows <= g.h && p.width <= g.w {
		return planes{direct: true, rows: g.h, width: g.w, phases: []int{0}}
	}
	seen := make([]bool, g.sw)
	for x := range g.kw {
		seen[x*g.dw%g.sw] = true
	}
	for i, s := range seen {
		if s {
			p.phases = append(p.phases, i)
		}
	}
	p.used = make([]bool, p.rows)
	for y := range g.oh {
		for k := range g.kh {
			p.used[y*g.sh+k*g.dh] = true
		}
	}
	return p
}

// ld is the number of elements of a row, size that of a plane.
func (p *planes) ld() int   { return len(p.phases) * p.width }
func (p *planes) size() int { return p.rows * p.ld() }

// tap is the offset, within a plane, of tap (ky, kx) from output (0, 0).
func (p *planes) tap(g *geometry, ky, kx int) int {
	at, phase := kx*g.dw, 0
	for p.phases[phase] != at%g.sw {
		phase++
	}
	return ky*g.dh*p.ld() + phase*p.width + at/g.sw
}

// arranger copies input planes into that form, one plane a chunk.
type arranger struct {
	g        *geometry
	p        *planes
	src, dst []float32
}

// Do implements pool.Task.
func (a *arranger) Do(c, _ int) {
	g, ld := a.g, a.p.ld()
	src, dst := a.src[c*g.h*g.w:(c+1)*g.h*g.w], a.dst[c*a.p.size():(c+1)*a.p.size()]
	for y, used := range a.p.used {
		if !used {
			continue
		}
		row := dst[y*ld : (y+1)*ld]
		if y -= g.pt; y < 0 || y >= g.h {
			clear(row)
			continue
		}
		a.row(row, src[y*g.w:(y+1)*g.w])
	}
}

// row arranges one row of the input.
func (a *arranger) row(dst, src []float32) {
	s := a.g.sw
	for i, phase := range a.p.phases {
		d := dst[i*a.p.width : (i+1)*a.p.width]
		// Element x of the stretch is position x*s + phase - pl.
		first := max(0, (a.g.pl-phase+s-1)/s)
		end := max(first, min(len(d), (len(src)-1+a.g.pl-phase)/s+1))
		if first >= len(d) || len(src)+a.g.pl <= phase {
			clear(d)
			continue
		}
		clear(d[:first])
		clear(d[end:])
		at := first*s + phase - a.g.pl
		if s == 1 {
			copy(d[first:end], src[at:])
			continue
		}
		for x := range d[first:end] {
			d[first+x] = src[at+x*s]
		}
	}
}
