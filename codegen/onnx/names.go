package onnx

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
)

// names gives names that are unique in the whole file: readers disagree about
// what graphs inside each other may share.
type names struct {
	used map[string]bool
	next map[string]int
	of   map[*ir.Value]string
}

func newNames() *names {
	return &names{used: map[string]bool{}, next: map[string]int{}, of: map[*ir.Value]string{}}
}

// unique gives a name near to the one wanted.
func (s *names) unique(name string) string {
	out := name
	for s.used[out] || out == "" {
		s.next[name]++
		out = name + "_" + strconv.Itoa(s.next[name])
	}
	s.used[out] = true
	return out
}

// give fixes the name of v if it has none yet.
func (s *names) give(v *ir.Value, name string) {
	if _, ok := s.of[v]; !ok {
		s.of[v] = s.unique(name)
	}
}

// value is v's name, "" for nil. Values that text prints as numbers are v_1,
// v_2, ... in the order in which they are written.
func (s *names) value(v *ir.Value) string {
	if v == nil {
		return ""
	}
	if n, ok := s.of[v]; ok {
		return n
	}
	name := v.Name
	if ir.IsUnnamed(name) || name == "" {
		name = "v"
		s.used[name] = true // so that all of them are numbered
	}
	s.give(v, name)
	return s.of[v]
}

// label is a unique name for n, "" if it has no source.
func (s *names) label(n *ir.Node) string {
	if len(n.Source) == 0 {
		return ""
	}
	return s.unique(strings.Join(n.Source, "/"))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
