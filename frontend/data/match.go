package data

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// Match gives the field that feeds each of a model's inputs: the one of its
// name or, where there is one input and one recorded field that is no target,
// that one. Fields named in taken feed something else. Errors: BadData where no
// field does, or one is the target or of another type.
func Match(inputs []*ir.Value, d Dataset, taken ...string) ([]int, error) {
	fields := d.Fields()
	var free []int
	names := []string{}
	for i, f := range recorded(d).Fields() { // derived ones, which come last, go by name alone
		if !f.Target && !slices.Contains(taken, f.Name) {
			free = append(free, i)
		}
	}
	for _, f := range fields {
		if !f.Target {
			names = append(names, f.Name)
		}
	}
	var out []int
	for _, p := range inputs {
		at := Index(d, p.Name)
		if at < 0 && len(inputs) == 1 && len(free) == 1 {
			at = free[0]
		}
		if at < 0 {
			return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("data for input %q", p.Name), Have: fmt.Sprintf("fields %q", names), Want: "one of that name"}
		}
		if fields[at].Target {
			return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("input %q", p.Name), Have: "the target of the data",
				Want: "a field that is none (?target=NAME says which the target is, none that there is none)"}
		}
		if err := Fits(p, fields[at]); err != nil {
			return nil, err
		}
		out = append(out, at)
	}
	return out, nil
}

// Fits says whether samples of a field, with a batch axis in front, are what a
// parameter takes. Error: BadData with both types.
func Fits(p *ir.Value, f Field) error {
	ok := p.Type.IsTensor() && p.Type.DType == f.DType && (!p.Type.Ranked() || len(p.Type.Dims) == len(f.Dims)+1)
	for i := 0; ok && p.Type.Ranked() && i < len(f.Dims); i++ {
		n, known := p.Type.Dims[i+1].Const()
		ok = !known || n == int64(f.Dims[i])
	}
	if !ok {
		return &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("field %q for input %q", f.Name, p.Name), Have: sampleText(f), Want: p.Type.String()}
	}
	return nil
}
