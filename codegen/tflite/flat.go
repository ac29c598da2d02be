package tflite

import (
	"encoding/binary"
	"math"
	"slices"
)

// What FlatBuffers stores: tables of numbered fields, vectors and strings.
// Trees of these are written front to back, parents before children, so that
// equal trees give equal bytes.

// table is one table: fields by their number in the schema. A field equal to
// its default is left out by the accessors that set it.
type table struct{ fields []field }

type field struct {
	slot int
	size int    // of a scalar in bytes; 4 for a reference
	bits uint64 // of a scalar
	ref  any    // *table, []*table, string, []byte, []int32, []int64, []float32
}

func (t *table) scalar(slot, size int, bits uint64) *table {
	t.fields = append(t.fields, field{slot: slot, size: size, bits: bits})
	return t
}

// i8, i32, u32, flag and f32 set a scalar, unless it is 0.
func (t *table) i8(slot int, v int) *table {
	if v == 0 {
		return t
	}
	return t.scalar(slot, 1, uint64(uint8(v)))
}

func (t *table) i32(slot int, v int) *table { return t.i32d(slot, v, 0) }

// i32d is i32 with another default.
func (t *table) i32d(slot, v, def int) *table {
	if v == def {
		return t
	}
	return t.scalar(slot, 4, uint64(uint32(int32(v))))
}

func (t *table) flag(slot int, v bool) *table {
	if !v {
		return t
	}
	return t.scalar(slot, 1, 1)
}

func (t *table) f32(slot int, v float32) *table {
	if v == 0 {
		return t
	}
	return t.scalar(slot, 4, uint64(math.Float32bits(v)))
}

// num is a scalar that was set, else def.
func (t *table) num(slot, def int) int {
	for _, f := range t.fields {
		if f.slot == slot {
			return int(f.bits)
		}
	}
	return def
}

// put sets a reference, unless it is nil.
func (t *table) put(slot int, ref any) *table {
	if ref != nil {
		t.fields = append(t.fields, field{slot: slot, size: 4, ref: ref})
	}
	return t
}

// flat writes trees.
type flat struct{ b []byte }

// finish is the file of a root table with a four-letter identifier.
func finish(root *table, id string) []byte {
	w := &flat{}
	w.b = append(w.b, 0, 0, 0, 0)
	w.b = append(w.b, id...)
	w.patch(0, w.table(root))
	return w.b
}

func (w *flat) align(n int) {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0)
	}
}

// patch lets the reference at position at point to position to.
func (w *flat) patch(at, to int) { binary.LittleEndian.PutUint32(w.b[at:], uint32(to-at)) }

func (w *flat) u16(v int) { w.b = binary.LittleEndian.AppendUint16(w.b, uint16(v)) }
func (w *flat) u32(v int) { w.b = binary.LittleEndian.AppendUint32(w.b, uint32(v)) }

// table writes t behind the list of its fields' places, then what it refers
// to, and gives its position.
func (w *flat) table(t *table) int {
	fields := slices.Clone(t.fields)
	// Large fields first, so that none needs padding.
	slices.SortStableFunc(fields, func(a, b field) int { return b.size - a.size })
	slots, size := 0, 4
	at := map[int]int{}
	for _, f := range fields {
		at[f.slot] = size
		size += f.size
		slots = max(slots, f.slot+1)
	}
	w.align(4)
	if (len(w.b)+4+2*slots)%4 != 0 { // the table follows at a multiple of 4
		w.b = append(w.b, 0, 0)
	}
	list := len(w.b)
	w.u16(4 + 2*slots)
	w.u16(size)
	for s := range slots {
		w.u16(at[s])
	}
	pos := len(w.b)
	w.u32(pos - list)
	for _, f := range fields {
		for i := range f.size {
			w.b = append(w.b, byte(f.bits>>(8*i)))
		}
	}
	for _, f := range t.fields {
		if f.ref != nil {
			w.patch(pos+at[f.slot], w.ref(f.ref))
		}
	}
	return pos
}

func (w *flat) ref(r any) int {
	switch r := r.(type) {
	case *table:
		return w.table(r)
	case []*table:
		w.align(4)
		pos := len(w.b)
		w.u32(len(r))
		w.b = append(w.b, make([]byte, 4*len(r))...)
		for i, t := range r {
			w.patch(pos+4+4*i, w.table(t))
		}
		return pos
	case string:
		pos := w.vector(len(r), 4)
		w.b = append(append(w.b, r...), 0)
		return pos
	case []byte:
		pos := w.vector(len(r), 16)
		w.b = append(w.b, r...)
		return pos
	case []int32:
		pos := w.vector(len(r), 4)
		for _, v := range r {
			w.u32(int(v))
		}
		return pos
	case []int64:
		pos := w.vector(len(r), 8)
		for _, v := range r {
			w.b = binary.LittleEndian.AppendUint64(w.b, uint64(v))
		}
		return pos
	case []float32:
		pos := w.vector(len(r), 4)
		for _, v := range r {
			w.u32(int(math.Float32bits(v)))
		}
		return pos
	}
	panic("tflite: no such reference")
}

// vector writes a length whose elements, which follow, are aligned.
func (w *flat) vector(n, align int) int {
	w.align(4)
	for (len(w.b)+4)%align != 0 {
		w.b = append(w.b, 0, 0, 0, 0)
	}
	pos := len(w.b)
	w.u32(n)
	return pos
}
