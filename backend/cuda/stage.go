package cuda

import "github.com/mlc-go/mlc/codegen/ptx"

// stage moves tiles of a side through shared memory.
//
// A tile of floats is [k][stride]. One of halves holds pairs along K, of which
// an instruction takes whole ones: [w][stride] pairs where the side lies along
// K, else [k/2][stride]; in both, what a warp loads is in 32 banks.
type stage struct {
	side
	k      *kern
	t      tiling
	width  int // extent of the tile along M or N
	mem    ptx.Shared
	stride int // in floats or pairs
	size   int // bytes of one of the two tiles
	pieces []piece
}

// piece is one load of a thread, or two of a pair of steps.
type piece struct {
	load func(kk ptx.U32, in ptx.Pred) []ptx.F32
	in   ptx.Pred // there is something to load
	kt   ptx.U32  // step within the tile
	to   ptx.Shared
}

func (k *kern) stage(name string, t tiling, s side, first ptx.U32, width int) *stage {
	g := &stage{side: s, k: k, t: t, width: width}
	depth := t.k // places along K of the tile's pieces
	switch {
	case t.half && s.alongK:
		g.stride = t.k/2 + 4
		g.size = 4 * width * g.stride
	case t.half:
		depth = t.k / 2
		g.stride = width + 8
		g.size = 4 * depth * g.stride
	default:
		g.stride = width
		if s.alongK {
			g.stride += 4
		}
		g.size = 4 * depth * g.stride
	}
	g.mem = k.Shared(name, 2*g.size, 16)
	per := t.threads() * s.vec
	fast := width
	if s.alongK {
		fast = depth
	}
	slow, quick := k.TidX().Mul(ptx.I(s.vec)).DivRem(ptx.I(fast))
	for e := 0; e < width*depth; e += per {
		kt, w := slow.Add(ptx.I(e/fast)), quick.Add(ptx.I(e%fast))
		if s.alongK {
			kt, w = quick.Add(ptx.I(e%fast)), slow.Add(ptx.I(e/fast))
		}
		p := piece{kt: kt, in: ptx.Bool(true)}
		switch {
		case t.half && s.alongK:
			p.to = g.pair(w, kt.Shr(ptx.I(1)))
			if s.vec == 1 {
				p.to = p.to.At(kt.And(ptx.I(1)), 2)
			}
		case t.half:
			p.to, p.kt = g.pair(w, kt), kt.Mul(ptx.I(2))
		default:
			p.to = g.mem.At(kt.MulAdd(ptx.I(g.stride), w), 4)
		}
		if width*depth < per {
			mine := k.TidX().Lt(ptx.I(width * depth / s.vec))
			p.to, p.in = p.to.If(mine), mine
		}
		if w = first.Add(w); !multiple(s.extent, width) {
			p.in = p.in.And(w.Lt(s.extent))
		}
		p.load = s.at(w)
		g.pieces = append(g.pieces, p)
	}
	return g
}

// pair is where the pair of steps kk, of halves, is at place w.
func (g *stage) pair(w, kk ptx.U32) ptx.Shared {
	if g.alongK {
		return g.mem.At(w.MulAdd(ptx.I(g.stride), kk), 4)
	}
	return g.mem.At(kk.MulAdd(ptx.I(g.stride), w), 4)
}

// pairOff is how many bytes further the pair is that is so much further.
func (g *stage) pairOff(w, kk int) int {
	if g.alongK {
		return 4 * (w*g.stride + kk)
	}
	return 4 * (kk*g.stride + w)
}

// fetch loads the thread's part of the tile from step k0 on; more says whether
// there is one.
func (g *stage) fetch(k0, end ptx.U32, more ptx.Pred) [][]ptx.F32 {
	out := make([][]ptx.F32, len(g.pieces))
	for i, p := range g.pieces {
		kk := k0.Add(p.kt)
		in := func(kk ptx.U32) ptx.Pred {
			if multiple(end, g.t.k) {
				return p.in.And(more)
			}
			return p.in.And(kk.Lt(end))
		}
		out[i] = p.load(kk, in(kk))
		if g.t.half && !g.alongK {
			kk = kk.Add(ptx.I(1))
			out[i] = append(out[i], p.load(kk, in(kk))...)
		}
	}
	return out
}

// put stores what fetch loaded in one of the tiles.
func (g *stage) put(vals [][]ptx.F32, tile ptx.U32) {
	for i, p := range g.pieces {
		at, v := p.to.At(tile.Mul(ptx.I(g.size)), 1), vals[i]
		switch {
		case g.t.half && g.alongK && g.vec == 1:
			at.StF16(v[0])
		case g.t.half && g.alongK:
			at.StH2x2([2]ptx.H2{g.k.Pack(v[0], v[1]), g.k.Pack(v[2], v[3])})
		case g.t.half && g.vec == 1:
			at.StH2(g.k.Pack(v[0], v[1]))
		case g.t.half:
			at.StH2x4([4]ptx.H2{g.k.Pack(v[0], v[4]), g.k.Pack(v[1], v[5]), g.k.Pack(v[2], v[6]), g.k.Pack(v[3], v[7])})
		case g.vec == 1:
			at.StF32(v[0])
		case g.alongK:
			for x, f := range v {
				at.Off(4 * x * g.stride).StF32(f)
			}
		default:
			at.StF32x4([4]ptx.F32(v))
		}
	}
}
