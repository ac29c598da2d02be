package cuda

import (
	"slices"

	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/shape"
)

// units are what kernels move: elements of a size, or as many of them together
// as all runs of neighbours are made of and one instruction moves.
type units struct {
	bytes int
	per   int // elements in one
}

// together makes units of elements of size bytes; each of runs is a number of
// elements that are moved together.
func together(size int, runs ...shape.Dim) units {
	per := 1
	for per*size < 16 && !slices.ContainsFunc(runs, func(d shape.Dim) bool {
		two := shape.Int(int64(2 * per))
		return !d.Div(two).Mul(two).Equal(d)
	}) {
		per *= 2
	}
	return units{size * per, per}
}

// of is d elements as a number of units.
func (u units) of(d shape.Dim) shape.Dim { return d.Div(shape.Int(int64(u.per))) }

// memory is a place in global or shared memory.
type memory interface {
	LdU8() ptx.U32
	LdU16() ptx.U32
	LdU32() ptx.U32
	LdU64() ptx.U64
	LdH2x4() [4]ptx.H2
	StU8(ptx.U32)
	StU16(ptx.U32)
	StU32(ptx.U32)
	StU64(ptx.U64)
	StH2x4([4]ptx.H2)
}

// move copies one unit.
func (u units) move(to, from memory) {
	switch u.bytes {
	case 1:
		to.StU8(from.LdU8())
	case 2:
		to.StU16(from.LdU16())
	case 4:
		to.StU32(from.LdU32())
	case 8:
		to.StU64(from.LdU64())
	case 16:
		to.StH2x4(from.LdH2x4())
	}
}

// moves says whether x and y are tensors of one type whose elements can be
// moved.
func (o *op) moves(x, y int) bool {
	d := o.output(y).DType
	return o.given(x) && o.input(x).DType == d && o.elem(y) > 0
}

// elem is how many bytes an element of result i has, 0 where that is no unit.
func (o *op) elem(i int) int {
	switch n := o.output(i).DType.Bits() / 8; n {
	case 1, 2, 4, 8, 16:
		return n
	}
	return 0
}

// transpose moves axes; neighbours that stay so are one.
func transpose(o *op) (bool, error) {
	x, y := o.input(0).Dims, o.output(0).Dims
	perm := make([]int, len(x))
	for i := range perm {
		perm[i] = len(x) - 1 - i
	}
	if o.attrs().Has("perm") {
		p := o.attrs().Ints("perm")
		if len(p) != len(x) {
			return false, nil
		}
		for i, v := range p {
			perm[i] = int(v)
		}
	}
	seen := make([]bool, len(x))
	for i, p := range perm {
		if len(x) != len(y) || p < 0 || p >= len(x) || seen[p] || !y[i].Equal(x[p]) {
			return false, nil
		}
		seen[p] = true
	}
	if !o.moves(0, 0) || o.empty() {
		return false, nil
	}
	dims, perm := mergeAxes(x, perm)
	last := len(dims) - 1
	if last < 0 {
		dims, perm, last = []shape.Dim{shape.Int(1)}, []int{0}, 0
	}
	if far := perm[last]; far != last && o.elem(0) <= 8 && wide(dims[last]) && wide(dims[far]) {
		o.transposeTiles(dims, perm)
		return true, nil
	}
	u := units{o.elem(0), 1}
	if perm[last] == last {
		u = together(o.elem(0), dims[last])
		dims[last] = u.of(dims[last])
	}
	k := o.kernel("transpose")
	to := make([]shape.Dim, len(dims))
	for i, p := range perm {
		to[i] = dims[p]
	}
	k.each(to, func(i ptx.U32, at []ptx.U32) {
		strides, steps := ptx.Strides(k.extents(dims)...), make([]ptx.U32, len(at))
		for j, p := range perm {
			steps[j] = strides[p]
		}
		u.move(k.store(0).At(i, u.bytes), k.load(0).At(ptx.Linear(at, steps), u.bytes))
	})
	return true, nil
}

// wide says whether tiles of an axis of extent d are worth their while.
func wide(d shape.Dim) bool {
	n, known := d.Const()
	return !known || n >= tile/2
}

// mergeAxes leaves out axes of extent 1 and joins those that the result has in
// the same order side by side.
func mergeAxes(x []shape.Dim, perm []int) (dims []shape.Dim, merged []int) {
	var runs [][]int // of axes of the operand, in the order of the result
	for _, p := range perm {
		if x[p].Is(1) {
			continue
		}
		if n := len(runs) - 1; n >= 0 && nextAxis(x, runs[n][len(runs[n])-1]) == p {
			runs[n] = append(runs[n], p)
			continue
		}
		runs = append(runs, []int{p})
	}
	merged = make([]int, len(runs))
	for a := range x { // a run begins where its first axis does
		for i, r := range runs {
			if r[0] == a {
				d := shape.Int(1)
				for _, p := range r {
					d = d.Mul(x[p])
				}
				merged[i] = len(dims)
				dims = append(dims, d)
			}
		}
	}
	return dims, merged
}

// nextAxis is the first axis after a that is not of extent 1.
func nextAxis(x []shape.Dim, a int) int {
	for a++; a < len(x) && x[a].Is(1); a++ {
	}
	return a
}

// tile is the side of the squares that transposeTiles moves, tileRows how many
// of its rows a block moves at once.
const (
	tile     = 32
	tileRows = threads / tile
)

// transposeTiles moves squares through shared memory, so that both sides are
// read and written in order: rows of the operand's last axis become columns.
func (o *op) transposeTiles(dims []shape.Dim, perm []int) {
	size := o.elem(0)
	u := units{size, 1}
	last := len(dims) - 1
	far := perm[last] // the operand's axis that becomes the last
	side := shape.Int(tile)
	tiles := func(d shape.Dim) shape.Dim { return d.Add(shape.Int(tile - 1)).Div(side) }
	k := o.kernel("transpose_tiles")
	k.Block(threads, 1, 1)
	count := []shape.Dim{tiles(dims[far]), tiles(dims[last])}
	var rest []int
	for a := range dims {
		if a != far && a != last {
			rest = append(rest, a)
			count = append(count, dims[a])
		}
	}
	// The tiles of one plane come after each other.
	order := append(append([]shape.Dim(nil), count[2:]...), count[:2]...)
	at := ptx.Axes(k.CtaX(), k.extents(order)...)
	coord := make([]ptx.U32, len(dims))
	for i, a := range rest {
		coord[a] = at[i]
	}
	lane, row := k.TidX().Rem(ptx.I(tile)), k.TidX().Div(ptx.I(tile))
	rows, cols := at[len(rest)].Mul(ptx.I(tile)), at[len(rest)+1].Mul(ptx.I(tile))
	square := k.Shared("tile", tile*(tile+1)*size, 16)
	strides := ptx.Strides(k.extents(dims)...)
	to := make([]shape.Dim, len(dims))
	for i, p := range perm {
		to[i] = dims[p]
	}
	toStrides := ptx.Strides(k.extents(to)...)
	width, height := k.extent(dims[last]), k.extent(dims[far])
	for s := 0; s < tile; s += tileRows {
		r := row.Add(ptx.I(s))
		coord[far], coord[last] = rows.Add(r), cols.Add(lane)
		k.If(coord[far].Lt(height).And(coord[last].Lt(width)), func() {
			u.move(square.At(r.MulAdd(ptx.I(tile+1), lane), size), k.load(0).At(ptx.Linear(coord, strides), size))
		})
	}
	k.Barrier()
	for s := 0; s < tile; s += tileRows {
		r := row.Add(ptx.I(s))
		coord[far], coord[last] = rows.Add(lane), cols.Add(r)
		k.If(coord[far].Lt(height).And(coord[last].Lt(width)), func() {
			out := make([]ptx.U32, len(dims))
			for i, p := range perm {
				out[i] = coord[p]
			}
			u.move(k.store(0).At(ptx.Linear(out, toStrides), size), square.At(lane.MulAdd(ptx.I(tile+1), r), size))
		})
	}
	k.launch([]shape.Dim{shape.Prod(order)}, []int{1}, []int{threads})
}

// maxConcat is how many operands a kernel of concat reads at most: a device takes
// parameters of 4 KiB.
const maxConcat = 256

// concat joins operands along an axis.
func concat(o *op) (bool, error) {
	y := o.output(0).Dims
	axis := o.attrs().Int("axis")
	if axis < -len(y) || axis >= len(y) || o.elem(0) == 0 || len(o.in.In) > maxConcat {
		return false, nil
	}
	axis = (axis + len(y)) % len(y)
	inner := shape.Prod(y[axis+1:])
	lens := make([]shape.Dim, len(o.in.In))
	sum := shape.Int(0)
	for i := range lens {
		if !o.moves(i, 0) || o.input(i).Rank() != len(y) {
			return false, nil
		}
		for a, d := range o.input(i).Dims {
			if a != axis && !d.Equal(y[a]) {
				return false, nil
			}
		}
		lens[i] = o.input(i).Dims[axis].Mul(inner)
		sum = sum.Add(lens[i])
	}
	total := y[axis].Mul(inner)
	if !sum.Equal(total) {
		return false, nil
	}
	u := together(o.elem(0), lens...)
	ends := []shape.Dim{shape.Int(0)}
	for i, d := range lens {
		ends = append(ends, ends[i].Add(u.of(d)))
	}
	k := o.kernel("concat")
	k.each([]shape.Dim{shape.Prod(y[:axis]), u.of(total)}, func(i ptx.U32, at []ptx.U32) {
		var from func(lo, hi int) // one of operands lo to hi-1
		from = func(lo, hi int) {
			if mid := (lo + hi) / 2; mid > lo {
				k.IfElse(at[1].Lt(k.extent(ends[mid])), func() { from(lo, mid) }, func() { from(mid, hi) })
				return
			}
			e := at[0].MulAdd(k.extent(u.of(lens[lo])), at[1].Sub(k.extent(ends[lo])))
			u.move(k.store(0).At(i, u.bytes), k.load(lo).At(e, u.bytes))
		}
		from(0, len(lens))
	})
	return true, nil
}
