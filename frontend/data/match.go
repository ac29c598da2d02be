package data

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// Match gives the field that feeds each of a model's inputs: the one of its
// name or, where there is one input and one field that is no target, that one.
// Fields named in taken feed something else. Errors: BadData where no field
// does, or one is of another type.
func Match(inputs []*ir.Value, d Dataset, taken ...string) ([]int, error) {
	fields := d.Fields()
	var free []int
	for i, f := range fields {
		if !f.Target && !slices.Contains(taken, f.Name) {
			free = append(free, i)
		}
	}
	var out []int
	for _, p := range inputs {
		at := Index(d, p.Name)
		if at < 0 && len(inputs) == 1 && len(free) == 1 {
			at = free[0]
		}
		if at < 0 {
			var have []string
			for _, f := range fields {
				have = append(have, f.Name)
			}
			return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("data for input %q", p.Name), Have: fmt.Sprintf("fields %q", have), Want: "one of that name"}
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
	ok := p.Type.DType == f.DType && (!p.Type.Ranked() || len(p.Type.Dims) == len(f.Dims)+1)
	for i := 0; ok && p.Type.Ranked() && i < len(f.Dims); i++ {
		n, known := p.Type.Dims[i+1].Const()
		ok = !known || n == int64(f.Dims[i])
	}
	if !ok {
		return &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("field %q for input %q", f.Name, p.Name), Have: sampleText(f), Want: p.Type.String()}
	}
	return nil
}
