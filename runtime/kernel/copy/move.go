package copy

import (
	"math"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

const (
	maxRank = 8
	grain   = 1 << 16 // bytes that are worth a task
	tile    = 16      // elements on a side of a transposed tile
)

// move copies a box of elements between two strided arrays. It is the pool's
// Task: units of work are the positions of the outer axes.
type move struct {
	size           int // bytes of what is copied at once: an element, or a run dense on both sides
	word           int // bytes an element where that is what is copied and a machine word, else 0
	rank           int
	dims           [maxRank]int
	dst, src       [maxRank]int // strides in bytes; of src possibly negative
	dstOff, srcOff int
	total          int // elements

	outer, group int // positions over the axes before the last two; those a task takes
	to, from     []byte
}

// axis is one axis of a box, strides in elements.
type axis struct{ n, dst, src int }

// newMove lays out a copy of elements of the given size: axes of one element
// vanish, neighbours that continue each other on both sides merge, and a dense
// last axis becomes part of the element.
func newMove(size int, axes []axis, dstOff, srcOff int) (*move, error) {
	m := &move{size: size, dstOff: dstOff * size, srcOff: srcOff * size, total: 1}
	var list []axis
	for _, a := range axes {
		m.total *= a.n
		if a.n == 1 {
			continue
		}
		if k := len(list); k > 0 && list[k-1].dst == a.n*a.dst && list[k-1].src == a.n*a.src {
			list[k-1] = axis{list[k-1].n * a.n, a.dst, a.src}
			continue
		}
		list = append(list, a)
	}
	if k := len(list); k > 0 && list[k-1].dst == 1 && list[k-1].src == 1 {
		m.size *= list[k-1].n
		list = list[:k-1]
	}
	if len(list) > maxRank {
		return nil, diag.New(diag.Unsupported, "copy over %d separate axes (supported: %d)", len(list), maxRank)
	}
	m.rank = len(list)
	for i, a := range list {
		m.dims[i], m.dst[i], m.src[i] = a.n, a.dst*size, a.src*size
	}
	if m.size == size && size <= 8 && size&(size-1) == 0 {
		m.word = size
	}
	for m.rank < 2 { // the inner loops want two axes
		copy(m.dims[1:], m.dims[:m.rank])
		copy(m.dst[1:], m.dst[:m.rank])
		copy(m.src[1:], m.src[:m.rank])
		m.dims[0], m.dst[0], m.src[0] = 1, 0, 0
		m.rank++
	}
	m.outer = 1
	for _, n := range m.dims[:m.rank-2] {
		m.outer *= n
	}
	if m.total == 0 {
		m.outer = 0
	}
	m.split()
	return m, nil
}

// split makes one long inner box into more units, so that threads can share
// it: its rows become an outer axis of blocks where they divide.
func (m *move) split() {
	rows := m.dims[m.rank-2]
	bytes := rows * m.dims[m.rank-1] * m.size
	if m.outer*4 < 64 && bytes > 4*grain && m.rank < maxRank {
		for _, parts := range []int{16, 8, 4, 2, 7, 5, 3} {
			if rows%parts != 0 {
				continue
			}
			k := m.rank - 2
			copy(m.dims[k+1:], m.dims[k:m.rank])
			copy(m.dst[k+1:], m.dst[k:m.rank])
			copy(m.src[k+1:], m.src[k:m.rank])
			m.rank++
			m.dims[k], m.dims[k+1] = parts, rows/parts
			m.dst[k], m.src[k] = m.dst[k+1]*(rows/parts), m.src[k+1]*(rows/parts)
			m.outer *= parts
			bytes /= parts
			break
		}
	}
	m.group = max(1, grain/max(1, bytes))
}

func (m *move) tasks() int { return (m.outer + m.group - 1) / m.group }

// run copies from one buffer to another.
func (m *move) run(c *kernel.Call, to, from []byte) {
	m.to, m.from = to, from
	c.Pool.Run(m.tasks(), m)
}

// Do runs one task; it is for the pool.
func (m *move) Do(i, _ int) {
	for u := i * m.group; u < min((i+1)*m.group, m.outer); u++ {
		d, s, r := m.dstOff, m.srcOff, u
		for a := m.rank - 3; a >= 0; a-- {
			k := r % m.dims[a]
			r /= m.dims[a]
			d += k * m.dst[a]
			s += k * m.src[a]
		}
		m.box(d, s)
	}
}

// box copies the last two axes from offsets d and s.
func (m *move) box(d, s int) {
	switch m.word {
	case 1:
		boxOf[uint8](m, d, s)
	case 2:
		boxOf[uint16](m, d, s)
	case 4:
		boxOf[uint32](m, d, s)
	case 8:
		boxOf[uint64](m, d, s)
	default:
		k := m.rank - 1
		for range m.dims[k-1] {
			dd, ss := d, s
			for range m.dims[k] {
				copy(m.to[dd:dd+m.size], m.from[ss:])
				dd += m.dst[k]
				ss += m.src[k]
			}
			d += m.dst[k-1]
			s += m.src[k-1]
		}
	}
}

// boxOf copies machine words, in tiles so that neither side's cache lines are
// left before they are used up.
func boxOf[T uint8 | uint16 | uint32 | uint64](m *move, d, s int) {
	k, z := m.rank-1, m.size
	rows, cols := m.dims[k-1], m.dims[k]
	to, from := words[T](m.to), words[T](m.from)
	dr, dc, sr, sc := m.dst[k-1]/z, m.dst[k]/z, m.src[k-1]/z, m.src[k]/z
	d, s = d/z, s/z
	for r0 := 0; r0 < rows; r0 += tile {
		r1 := min(r0+tile, rows)
		for c0 := 0; c0 < cols; c0 += tile {
			c1 := min(c0+tile, cols)
			for r := r0; r < r1; r++ {
				i, j := d+r*dr+c0*dc, s+r*sr+c0*sc
				if c1-c0 == tile && dc == 1 && sc > 0 {
					gather(to[i:], from[j:], sc)
					continue
				}
				for range c1 - c0 {
					to[i] = from[j]
					i += dc
					j += sc
				}
			}
		}
	}
}

// gather copies a tile's row of elements that lie step apart: the common case,
// with one bounds check for four elements.
func gather[T uint8 | uint16 | uint32 | uint64](to, from []T, step int) {
	to = to[:tile]
	for k := 0; k < tile; k += 4 {
		f := from[k*step:]
		_ = f[3*step]
		t := to[k : k+4 : k+4]
		t[0], t[1], t[2], t[3] = f[0], f[step], f[2*step], f[3*step]
	}
}

// strides gives the row-major strides of dims, in elements.
func strides(dims []int) []int {
	out := make([]int, len(dims))
	n := 1
	for i := len(dims) - 1; i >= 0; i-- {
		out[i] = n
		n *= dims[i]
	}
	return out
}

// sized checks a call with so many inputs and one output, all of one element
// type with whole bytes, and gives its size. Only the first data inputs have
// that type.
func sized(c *kernel.Call, op string, data int) (int, error) {
	if len(c.In) < data || len(c.Out) != 1 {
		return 0, diag.New(diag.Internal, "%s: have %d inputs, %d outputs", op, len(c.In), len(c.Out))
	}
	d := c.Out[0].Tensor.DType()
	for i := range data {
		if c.In[i].Tensor.DType() != d {
			return 0, &diag.Error{Kind: diag.Internal, Port: op, Have: c.In[i].Tensor.DType().String(), Want: d.String()}
		}
	}
	if d.Size() == 0 {
		return 0, diag.New(diag.Unsupported, "%s of %v (supported: types of whole bytes)", op, d)
	}
	return d.Size(), nil
}

// operand gives the values of a shape operand of i32 or i64; ok is false where
// it is absent.
func operand(c *kernel.Call, i int) (v []int, ok bool, err error) {
	if i >= len(c.In) || !c.In[i].Present() {
		return nil, false, nil
	}
	t := &c.In[i].Tensor
	if !t.DType().IsInt() || len(t.Bytes()) != t.DType().Bytes(t.Len()) {
		return nil, false, diag.New(diag.Internal, "operand %d must be integers that are known when the call is prepared", i)
	}
	for k := range t.Len() {
		v = append(v, clamp(t.Int(k)))
	}
	return v, true, nil
}

// clamp keeps positions within what an int can add up.
func clamp(v int64) int { return int(min(max(v, -math.MaxInt>>3), math.MaxInt>>3)) }

func wrongOut(op string, have, want []int) error {
	return diag.New(diag.Shape, "%s: output is %v, want %v", op, have, want)
}

func bytesOf(v *tensor.Value) []byte { return v.Tensor.Bytes() }
