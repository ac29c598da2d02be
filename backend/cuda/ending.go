package cuda

import (
	"github.com/mlc-go/mlc/codegen/ptx"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/runtime/kernel/eltwise"
)

// ending is the epilogue of a call: a program whose value 0 is an element of
// the result and whose others are operands that broadcast to the result, which
// is seen as batches of a matrix.
type ending struct {
	prog *eltwise.Prog // nil: the elements stay as they are
	ops  []spread
}

// spread is an operand of an epilogue: its steps in elements from a batch, a
// row and a column to the next. col is 0 or 1.
type spread struct {
	from            func(k *kern) ptx.Ptr
	dtype           dtype.DType
	batch, row, col shape.Dim
}

// ending reads the epilogue, whose operands are those of the call from first
// on. The result's first batchAxes axes count batches, the next rowAxes rows.
// nil where an operand broadcasts as no kernel takes it.
func (o *op) ending(first, batchAxes, rowAxes int) (*ending, error) {
	e := &ending{}
	lines := o.attrs().Strs(eltwise.AttrProg)
	if len(lines) == 0 {
		return e, nil
	}
	var err error
	if e.prog, err = eltwise.Decode(1+max(0, len(o.in.In)-first), lines); err != nil {
		return nil, err
	}
	out := o.output(0).Dims
	ends := [4]int{0, batchAxes, batchAxes + rowAxes, len(out)}
	for i := first; i < len(o.in.In); i++ {
		if !o.given(i) || !floats(o.input(i).DType) {
			return nil, nil
		}
		d := o.input(i).Dims
		lead := len(out) - len(d)
		if lead < 0 {
			return nil, nil
		}
		s, step := spread{from: func(k *kern) ptx.Ptr { return k.share(i) }, dtype: o.input(i).DType}, shape.Int(1)
		for g := 2; g >= 0; g-- {
			to := [3]*shape.Dim{&s.batch, &s.row, &s.col}[g]
			own := d[min(len(d), max(0, ends[g]-lead)):max(0, ends[g+1]-lead)]
			switch whole := out[ends[g]:ends[g+1]]; {
			case shape.Prod(own).Is(1):
				*to = shape.Int(0)
			case shape.Prod(own).Equal(shape.Prod(whole)):
				*to = step
				step = step.Mul(shape.Prod(own))
			default:
				return nil, nil
			}
		}
		e.ops = append(e.ops, s)
	}
	return e, nil
}

// cells are the elements of a result that a thread finishes: for each row and
// each run of vec columns. Where known is true, all of a row or run is there.
type cells struct {
	batch  ptx.U32
	rows   []ptx.U32
	rowIn  []ptx.Pred
	cols   []ptx.U32 // the first of each run
	colIn  []ptx.Pred
	vec    int
	out    array // of the batch
	width  ptx.U32
	values func(row, col, i int) ptx.F32 // element i of run col in row
}

// array is the first element of a matrix in memory, and what it holds.
type array struct {
	at    ptx.Ptr
	dtype dtype.DType
}

// finish applies the epilogue to cells and stores them.
func (k *kern) finish(e *ending, c cells) {
	base := make([]ptx.Ptr, len(e.ops))      // of the batch
	whole := make([]ptx.F32, len(e.ops))     // the same for all
	byCol := make([][][]ptx.F32, len(e.ops)) // the same for all rows
	for i, s := range e.ops {
		base[i] = s.from(k)
		if !s.batch.Is(0) {
			base[i] = base[i].AtMul(c.batch, k.extent(s.batch), s.dtype.Bits()/8)
		}
		switch {
		case s.row.Is(0) && s.col.Is(0):
			whole[i] = loadFloat(base[i], ptx.I(0), s.dtype)
		case s.row.Is(0):
			for j, col := range c.cols {
				byCol[i] = append(byCol[i], loadRun(base[i], col, c.vec, s.dtype, c.colIn[j]))
			}
		}
	}
	for r, row := range c.rows {
		k.If(c.rowIn[r], func() {
			byRow := make([]ptx.F32, len(e.ops))
			for i, s := range e.ops {
				if !s.row.Is(0) && s.col.Is(0) {
					byRow[i] = loadFloat(base[i], row.Mul(k.extent(s.row)), s.dtype)
				}
			}
			for j, col := range c.cols {
				more := make([][]ptx.F32, len(e.ops))
				for i, s := range e.ops {
					switch {
					case s.row.Is(0) && !s.col.Is(0):
						more[i] = byCol[i][j]
					case !s.col.Is(0):
						more[i] = loadRun(base[i], row.MulAdd(k.extent(s.row), col), c.vec, s.dtype, c.colIn[j])
					}
				}
				run := make([]ptx.F32, c.vec)
				for x := range run {
					vals := []ptx.F32{c.values(r, j, x)}
					for i, s := range e.ops {
						switch {
						case !s.col.Is(0):
							vals = append(vals, more[i][x])
						case !s.row.Is(0):
							vals = append(vals, byRow[i])
						default:
							vals = append(vals, whole[i])
						}
					}
					run[x] = vals[0]
					if e.prog != nil {
						run[x] = program(e.prog, vals)
					}
				}
				storeRun(c.out.at, row.MulAdd(c.width, col), run, c.out.dtype, c.colIn[j])
			}
		})
	}
}

// loadRun loads n elements that lie one behind the other, 1, 2 or 4, of which i
// is a multiple; where in does not hold they are zero.
func loadRun(p ptx.Ptr, i ptx.U32, n int, d dtype.DType, in ptx.Pred) []ptx.F32 {
	at := p.At(i, d.Bits()/8).If(in)
	var pairs []ptx.H2
	switch {
	case d == dtype.F32:
		switch n {
		case 4:
			v := at.LdF32x4()
			return v[:]
		case 2:
			v := at.LdF32x2()
			return v[:]
		}
		return []ptx.F32{at.LdF32()}
	case n == 4:
		v := at.LdH2x2()
		pairs = v[:]
	case n == 2:
		pairs = []ptx.H2{at.LdH2()}
	default:
		return []ptx.F32{at.LdF16()}
	}
	var out []ptx.F32
	for _, h := range pairs {
		lo, hi := h.Unpack()
		out = append(out, lo, hi)
	}
	return out
}

// storeRun stores what loadRun loads.
func storeRun(p ptx.Ptr, i ptx.U32, v []ptx.F32, d dtype.DType, in ptx.Pred) {
	at := p.At(i, d.Bits()/8).If(in)
	switch {
	case d == dtype.F16:
		for x, f := range v {
			at.Off(2 * x).StF16(f)
		}
	case len(v) == 4:
		at.StF32x4([4]ptx.F32(v))
	case len(v) == 2:
		at.StF32x2([2]ptx.F32(v))
	default:
		at.StF32(v[0])
	}
}
