package passes

import (
	"encoding/binary"
	"hash"
	"hash/fnv"
	"io"
	"math"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// hasher fingerprints modules within one run. It does not read constants: they
// never change, so their identity is enough.
type hasher struct {
	consts map[*ir.Const]uint64
}

func newHasher() *hasher { return &hasher{consts: map[*ir.Const]uint64{}} }

type sum struct {
	hash.Hash64
	h   *hasher
	ids map[*ir.Value]uint64
}

// module is the same for modules that differ in the order of independent
// nodes and in names only.
func (h *hasher) module(m *ir.Module) uint64 {
	s := &sum{fnv.New64a(), h, map[*ir.Value]uint64{}}
	for _, d := range m.Dims {
		s.str(d.Name)
		s.num(uint64(d.Lo))
		s.num(uint64(d.Hi))
	}
	for _, f := range m.Funcs {
		s.fn(f)
	}
	return s.Sum64() | 1 // 0 means: not computed
}

func (s *sum) num(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	s.Write(b[:])
}

func (s *sum) str(t string) { s.num(uint64(len(t))); io.WriteString(s, t) }

func (s *sum) define(v *ir.Value) {
	if v == nil {
		s.num(0)
		return
	}
	s.ids[v] = uint64(len(s.ids) + 1)
	s.str(v.Type.String())
	s.num(uint64(len(v.Ints)))
}

func (s *sum) fn(f *ir.Func) {
	s.str(f.Name)
	for _, p := range f.Params {
		s.define(p)
	}
	for _, n := range rewrite.Order(f) {
		s.node(n)
	}
	for _, r := range f.Results {
		if f.Owner == nil {
			s.str(r.Name)
		}
		s.num(s.ids[r.Value])
	}
}

func (s *sum) node(n *ir.Node) {
	s.str(n.Def.FullName())
	if n.Const != nil {
		id, ok := s.h.consts[n.Const]
		if !ok {
			id = uint64(len(s.h.consts) + 1)
			s.h.consts[n.Const] = id
		}
		s.num(id)
	}
	for _, name := range n.Attrs.Names() {
		s.str(name)
		s.attr(n.Attrs[name])
	}
	for _, v := range n.In {
		s.num(s.ids[v])
	}
	for _, r := range n.Regions {
		s.fn(r)
	}
	for _, v := range n.Out {
		s.define(v)
	}
	for _, src := range n.Source {
		s.str(src)
	}
}

func (s *sum) attr(v attr.Value) {
	s.num(uint64(v.Kind))
	s.num(uint64(v.Int))
	s.num(uint64(math.Float32bits(v.Float)))
	s.str(v.Str)
	s.num(uint64(len(v.Ints)))
	for _, i := range v.Ints {
		s.num(uint64(i))
	}
	s.num(uint64(len(v.Floats)))
	for _, f := range v.Floats {
		s.num(uint64(math.Float32bits(f)))
	}
	s.num(uint64(len(v.Strs)))
	for _, t := range v.Strs {
		s.str(t)
	}
	if v.Tensor != nil {
		s.Write(v.Tensor.Bytes())
		for _, t := range v.Tensor.Strings() {
			s.str(t)
		}
	}
	if v.TypeVal != nil {
		s.str(v.TypeVal.String())
	}
}
