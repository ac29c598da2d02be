package ir

import (
	"fmt"
	"slices"
	"strings"
)

// OpSet is a table of operators. Nothing is global: the importer, the parser
// and every Emitter are given one, and a Node keeps its *OpDef.
type OpSet struct {
	byName map[string]*OpDef
	list   []*OpDef
}

// NewOpSet makes a table. The pseudo operator "const" is always in it. Error:
// two operators of one name.
func NewOpSet(defs ...*OpDef) (*OpSet, error) {
	s := &OpSet{byName: map[string]*OpDef{ConstDef.Name: ConstDef}}
	for _, d := range defs {
		if err := s.Add(d); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add appends an operator. Error: the name is taken.
func (s *OpSet) Add(d *OpDef) error {
	n := d.FullName()
	if s.byName[n] != nil {
		return fmt.Errorf("operator %s is declared twice", n)
	}
	s.byName[n] = d
	s.list = append(s.list, d)
	return nil
}

// Lookup finds an operator by full name ("Conv", "mlc.Fused"), nil if there is
// none. "ai.onnx.Conv" is "Conv".
func (s *OpSet) Lookup(full string) *OpDef { return s.byName[strings.TrimPrefix(full, "ai.onnx.")] }

// All lists the operators in name order, "const" left out.
func (s *OpSet) All() []*OpDef {
	out := slices.Clone(s.list)
	slices.SortFunc(out, func(a, b *OpDef) int { return strings.Compare(a.FullName(), b.FullName()) })
	return out
}
