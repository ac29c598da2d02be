package onnx

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mlc-go/mlc/ir/diag"
)

// Bounds that no honest file comes near.
const (
	maxName   = 1 << 16 // bytes of a name
	maxDoc    = 1 << 16 // bytes of a doc_string; longer ones are left out
	maxRank   = 64
	maxValues = 32 // types, sequences, maps and optionals within each other
	maxFaults = 4 * diag.MaxFaults
	freeBytes = 32 << 20 // memory that any file may use, however small
	perByte   = 48       // memory that a byte of the file may turn into: a shape of small numbers needs 41
)

// Estimated cost in memory of decoded messages, for the bound.
const (
	messageCost = 192
	stringCost  = 24
)

// lifter walks one file and writes what is left of it without payloads, small
// enough for proto.Unmarshal. Each TensorProto keeps its name, type and dims
// and gets the index of its RawTensor.
type lifter struct {
	src     *sources
	tensors []*RawTensor
	faults  diag.List

	maxGraphs int
	budget    int64 // of memory, counted down

	here where
}

// where is the place of the walk.
type where struct {
	graphs, values int    // nesting
	inits          bool   // directly in a graph
	node, attr     []byte // innermost, for faults
}

func newLifter(size int, src *sources, opt DecodeOptions) *lifter {
	budget := min(freeBytes+perByte*int64(size), opt.MaxMemory)
	return &lifter{src: src, maxGraphs: opt.MaxSubgraphs, budget: budget}
}

// decode walks msg and decodes the rest of it into m.
func (l *lifter) decode(s *schema, msg []byte, m proto.Message) error {
	rest, err := l.message(nil, s, msg, 0)
	if err != nil {
		return err
	}
	// The walk has bounded nesting to less than what Unmarshal allows.
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(rest, m); err != nil {
		return diag.New(diag.BadModel, "%w", err)
	}
	return nil
}

func (l *lifter) spend(n int64) error {
	if l.budget -= n; l.budget < 0 {
		return diag.New(diag.Limit, "graph needs too much memory for a file of its size, or more than MaxMemory")
	}
	return nil
}

// message appends what is left of msg to dst. Unknown fields are dropped.
func (l *lifter) message(dst []byte, s *schema, msg []byte, off int) ([]byte, error) {
	if err := l.spend(messageCost); err != nil {
		return nil, err
	}
	back := l.here
	l.here.enter(s, msg)
	if l.here.graphs > l.maxGraphs {
		return nil, diag.New(diag.Limit, "subgraphs at byte %d are nested deeper than %d", off, l.maxGraphs)
	}
	if l.here.values > maxValues {
		return nil, diag.New(diag.Limit, "%s at byte %d is nested deeper than %d", s.name, off, maxValues)
	}
	var once uint64 // fields that hold one tensor, and have been seen
	r := reader{s: s, msg: msg, off: off}
	for {
		ok, err := r.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			l.here = back
			return dst, nil
		}
		f := r.f
		switch {
		case f.child == nil:
			dst, err = l.scalar(dst, &r)
		case f.child.role == roleTensor:
			// Protobuf would merge two of them; payloads cannot be.
			bit := uint64(1) << r.num
			if !f.list && once&bit != 0 {
				return nil, diag.New(diag.BadModel, "%s.%s at byte %d is there twice", s.name, f.name, r.at)
			}
			once |= bit
			var at int
			dst, at = openNested(dst, r.num)
			if dst, err = l.tensor(dst, r.val, r.at); err == nil {
				closeNested(dst, at)
			}
		default:
			var at int
			dst, at = openNested(dst, r.num)
			if dst, err = l.message(dst, f.child, r.val, r.at); err == nil {
				closeNested(dst, at)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// enter moves w into a message.
func (w *where) enter(s *schema, msg []byte) {
	inits := w.inits
	w.inits = s.role == roleGraph
	switch s.role {
	case roleGraph:
		w.graphs++
		w.node, w.attr = nil, nil
	case roleNode:
		w.node, w.attr = msg, nil
	case roleAttr:
		w.attr = msg
	case roleSparse:
		w.inits = inits // its values hang where it hangs
	case roleValue:
		w.values++
	}
}

// scalar copies a field that is no message.
func (l *lifter) scalar(dst []byte, r *reader) ([]byte, error) {
	f := r.f
	cost := int64(2 * len(r.whole)) // once in the rest, once decoded
	switch {
	case f.name == "doc_string" && len(r.val) > maxDoc:
		return dst, nil
	case f.list && f.packs:
		n, err := r.count()
		if err != nil {
			return nil, err
		}
		cost += int64(16 * n) // 8 bytes a number, and room to grow
	case f.list:
		cost += stringCost
	case f.kind == protoreflect.StringKind || f.kind == protoreflect.BytesKind:
		cost += stringCost
	}
	if err := l.spend(cost); err != nil {
		return nil, err
	}
	return append(dst, r.whole...), nil
}

// lengthBytes is the room left for a length that is not known yet: 35 bits in
// the long form of a varint, which protobuf allows.
const lengthBytes = 5

// openNested writes the tag of a message and room for its length.
func openNested(dst []byte, num protowire.Number) (out []byte, at int) {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	at = len(dst)
	return append(dst, make([]byte, lengthBytes)...), at
}

// closeNested fills the length in, when the message is written.
func closeNested(dst []byte, at int) {
	size := uint64(len(dst) - at - lengthBytes)
	for i := range lengthBytes {
		dst[at+i] = byte(size>>(7*i))&0x7f | 0x80
	}
	dst[at+lengthBytes-1] &^= 0x80
}

// tensor lifts a TensorProto out and leaves a stub.
func (l *lifter) tensor(dst, msg []byte, off int) ([]byte, error) {
	what := "tensor"
	if l.here.inits {
		what = "initializer"
	}
	t, err := l.lift(what, msg, off, func(whole []byte) { dst = append(dst, whole...) })
	if err != nil {
		return nil, err
	}
	l.tensors = append(l.tensors, t)
	dst = protowire.AppendTag(dst, tensorLifted, protowire.VarintType)
	return protowire.AppendVarint(dst, uint64(len(l.tensors)-1)), nil
}

// lift reads one tensor and checks it; faults of its contents are collected,
// so that a person sees all of them at once.
func (l *lifter) lift(what string, msg []byte, off int, keep func([]byte)) (*RawTensor, error) {
	t := &RawTensor{src: l.src, place: place{what: what, node: l.here.node, attr: l.here.attr}}
	r := reader{s: rootSchemas().tensor, msg: msg, off: off}
	if err := t.parse(&r, keep); err != nil {
		return nil, err
	}
	if err := l.spend(messageCost + tensorCost + int64(32*len(t.Dims)+2*len(t.Name))); err != nil {
		return nil, err
	}
	if len(l.faults) < maxFaults {
		if e := t.check(); e != nil {
			l.faults = append(l.faults, e)
		}
	}
	return t, nil
}
