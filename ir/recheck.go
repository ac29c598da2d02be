package ir

import (
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// IsUnnamed says whether a value's name is one of FreshName's.
func IsUnnamed(name string) bool {
	digits, ok := strings.CutPrefix(name, Unnamed)
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// pending prefixes the symbols that Recheck's inference invents; no declared
// symbol has a colon.
const pending = "?:"

// Recheck infers n again, without changing it or its module, and compares the
// types that its outputs carry: each must equal the inferred one or refine it
// (a run-time dim or an unknown rank may be stated more exactly). The facts
// are returned even where types differ. The error is a *diag.Error or a
// diag.List with the node's label and operator.
func Recheck(m *Module, n *Node) ([]Fact, error) {
	var fs []Fact
	if n.Const != nil {
		c, err := InferNode(m, n)
		if err != nil {
			return nil, err
		}
		fs = c
	} else {
		q := NewQuery(m, n)
		fresh := 0
		q.Fresh = func() shape.Dim {
			fresh++
			return shape.Sym(pending + strconv.Itoa(fresh))
		}
		c, err := Infer(q)
		if err != nil {
			return nil, diag.At(n.Label(), n.Def.VersionedName(), diag.Shape, err)
		}
		fs = c
	}
	var faults diag.List
	for i, v := range n.Out {
		if v != nil && i < len(fs) && !refines(v.Type, fs[i].Type) {
			faults = append(faults, &diag.Error{Kind: diag.Shape, Node: n.Label(), Op: n.Def.VersionedName(),
				Port: "result type", Have: v.Type.String(), Want: printable(fs[i].Type)})
		}
	}
	return fs, faults.Err()
}

// printable is t's text with invented dims as question marks.
func printable(t Type) string {
	s := t.String()
	for {
		i := strings.Index(s, pending)
		if i < 0 {
			return s
		}
		j := i + len(pending)
		for j < len(s) && s[j] >= '0' && s[j] <= '9' {
			j++
		}
		s = s[:i] + "?" + s[j:]
	}
}

// refines says whether have says at least what want says.
func refines(have, want Type) bool {
	if have.Kind != want.Kind || have.DType != want.DType {
		return false
	}
	if want.Elem != nil {
		return have.Elem != nil && refines(*have.Elem, *want.Elem)
	}
	if want.Kind != tensor.KindTensor || want.Unranked {
		return have.Elem == nil
	}
	if have.Unranked || len(have.Dims) != len(want.Dims) {
		return false
	}
	for i, w := range want.Dims {
		if !have.Dims[i].Equal(w) && !strings.Contains(w.String(), pending) {
			return false
		}
	}
	return true
}
