package onnx

import (
	"strconv"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
)

// binding is what a name of the file stands for. The zero binding is an
// optional input of a function that the call left out.
type binding struct {
	v   *ir.Value
	bad bool // its node failed, so that readers are not to blame
}

// scope is the names of one graph or function body.
type scope struct {
	outer  *scope // nil for main and for function bodies, which see nothing outside
	f      *ir.Func
	vals   map[string]binding
	names  map[string]string // value names reserved for those of the graph
	opsets map[string]int

	// Of a function body and the graphs in it: what goes before value names,
	// the labels of the calls, and the attributes of the call.
	prefix string
	calls  []string
	attrs  map[string]*onnxpb.AttributeProto

	path string // of a graph: what goes before the labels of unnamed nodes
}

// inner is a scope for a graph within s.
func (s *scope) inner(f *ir.Func, path string) *scope {
	return &scope{outer: s, f: f, vals: map[string]binding{}, names: map[string]string{}, opsets: s.opsets, prefix: s.prefix, calls: s.calls, attrs: s.attrs, path: path}
}

// find looks a name up, innermost first.
func (s *scope) find(name string) (binding, bool) {
	for ; s != nil; s = s.outer {
		if b, ok := s.vals[name]; ok {
			return b, true
		}
	}
	return binding{}, false
}

// source is the provenance of a node: the calls around it, then its label.
func (s *scope) source(label string) []string {
	return append(s.calls[:len(s.calls):len(s.calls)], label)
}

// label names a node for provenance and messages.
func (s *scope) label(n *onnxpb.NodeProto, index int) string {
	if n.GetName() != "" {
		return n.GetName()
	}
	return s.path + n.GetOpType() + "_" + strconv.Itoa(index)
}

// where is the label as messages show it, with the calls around it.
func (s *scope) where(label string) string {
	out := ""
	for _, c := range s.calls {
		out += c + "/"
	}
	return out + label
}

// reserve gives the names that a graph defines their value names before any
// graph inside it takes one, so that outer names stay as they are. Values of
// sibling graphs often share names (both branches of an If end in "Y"): the
// later ones get a number.
func (im *importer) reserve(s *scope, names ...string) {
	for _, n := range names {
		if _, ok := s.names[n]; n != "" && !ok {
			s.names[n] = im.unique(s.prefix + n)
		}
	}
}

// unique gives a name near to the one wanted that no value of the module has.
func (im *importer) unique(name string) string {
	if ir.IsUnnamed(name) || name == "" { // these belong to ir.Module.FreshName
		name = "_" + name
	}
	out, last := name, im.next[name]
	for im.used[out] {
		im.next[name]++
		out = name + "_" + strconv.Itoa(im.next[name])
	}
	im.used[out] = true
	im.journal = append(im.journal, given{out, name, last})
	return out
}

// given is one entry of the journal of names.
type given struct {
	name, base string
	last       int // number of base before
}

// forget gives back the names taken since the journal had length mark.
func (im *importer) forget(mark int) {
	for i := len(im.journal) - 1; i >= mark; i-- {
		g := im.journal[i]
		delete(im.used, g.name)
		im.next[g.base] = g.last
	}
	im.journal = im.journal[:mark]
}

// bind gives name its value in s. A value that we named takes the name.
func (im *importer) bind(s *scope, name string, v *ir.Value) {
	s.vals[name] = binding{v: v}
	if v.Func != s.f || !ir.IsUnnamed(v.Name) && !im.anon[v] {
		return
	}
	im.reserve(s, name)
	v.Name = s.names[name]
	if s.prefix == "" {
		delete(im.anon, v)
	} else {
		im.anon[v] = true
	}
}
