package data

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// retarget is a data set with another target column.
type retarget struct {
	Dataset
	fields []Field
	at     int
	col    tensor.Tensor
}

func (r *retarget) Fields() []Field { return r.fields }

func (r *retarget) Gather(rows []int, dst []tensor.Tensor) error {
	if err := checkBatch(r, len(rows), dst); err != nil {
		return err
	}
	under := slices.Clone(dst)
	was := r.Dataset.Fields()[r.at]
	under[r.at] = tensor.New(was.DType, append([]int{len(rows)}, was.Dims...)...)
	if err := r.Dataset.Gather(rows, under); err != nil {
		return err
	}
	b, to := r.col.Bytes(), dst[r.at].Bytes()
	w := len(b) / r.col.Dim(0)
	for k, row := range rows {
		copy(to[k*w:(k+1)*w], b[row*w:(row+1)*w])
	}
	return nil
}

// withTarget replaces the target column of d.
func withTarget(d Dataset, at int, f Field, col tensor.Tensor) Dataset {
	fs := slices.Clone(d.Fields())
	fs[at] = f
	return &retarget{d, fs, at, col}
}

// AsNumbers is d with a target for regression: numbers of type to, those of
// classes too, with an axis where there is none ([1] for a number a sample).
// Errors: no target, or one that is text or whose classes are texts.
func AsNumbers(d Dataset, to dtype.DType) (Dataset, error) {
	at, err := Target(d)
	if err != nil {
		return nil, err
	}
	f := d.Fields()[at]
	if f.DType == to && len(f.Dims) > 0 {
		return d, nil
	}
	have := ""
	if f.Classes != nil {
		have = "classes " + strings.Join(f.Classes[:min(4, len(f.Classes))], ", ")
	} else if !f.DType.IsInt() && !f.DType.IsFloat() {
		have = sampleText(f)
	}
	if have != "" {
		return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("target %q", f.Name), Have: have, Want: "numbers"}
	}
	f.DType = to
	if len(f.Dims) == 0 {
		f.Dims = []int{1}
	}
	col := tensor.New(to, append([]int{d.Len()}, f.Dims...)...)
	k := 0
	err = scan(d, func(_ int, b []tensor.Tensor) error {
		for i := range b[at].Len() {
			col.SetFloat(k, b[at].Float(i))
			k++
		}
		return nil
	})
	return withTarget(d, at, f, col), err
}

// WithClasses is d with its labels numbered as in classes, the names of
// another data set (that a model was trained on). Labels without names stay
// as they are. Error: a label that is not among classes, with the row.
func WithClasses(d Dataset, classes []string) (Dataset, error) {
	at, err := Target(d)
	if err != nil {
		return nil, err
	}
	f := d.Fields()[at]
	if !f.IsLabel() || f.Classes == nil || slices.Equal(f.Classes, classes) {
		return d, nil
	}
	ls, err := Labels(d)
	if err != nil {
		return nil, err
	}
	col := tensor.New(dtype.I64, len(ls))
	for i, l := range ls {
		k := slices.Index(classes, f.Classes[l])
		if k < 0 {
			want := "the number of a class: the classes have no names"
			if len(classes) > 0 {
				want = "one of " + strings.Join(classes[:min(12, len(classes))], ", ")
			}
			return nil, &diag.Error{Kind: diag.BadData, File: d.Where(i), Port: fmt.Sprintf("label %q", f.Name), Have: fmt.Sprintf("%q", f.Classes[l]), Want: want}
		}
		col.SetInt(i, int64(k))
	}
	f.Classes = classes
	return withTarget(d, at, f, col), nil
}

// Classes is the number of classes of a label target: that of its names, or
// one more than the largest label. Error: a label below 0 or beyond any use,
// with the row.
func Classes(d Dataset) (int, error) {
	at, err := Target(d)
	if err != nil {
		return 0, err
	}
	if c := d.Fields()[at].Classes; c != nil {
		return len(c), nil
	}
	if err := CheckLabels(d, maxClasses); err != nil {
		return 0, err
	}
	ls, err := Labels(d)
	if err != nil {
		return 0, err
	}
	return int(slices.Max(ls)) + 1, nil
}
