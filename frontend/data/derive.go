package data

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Fill makes one field of a batch from the others: to has the field's type
// with len(rows) in front, batch the fields of the samples rows, in order.
type Fill func(rows []int, batch []tensor.Tensor, to *tensor.Tensor) error

// derived is a data set with one more field.
type derived struct {
	Dataset
	fields []Field
	fill   Fill
}

// Derive is d with one more field, the last, that follows from the others. A
// Loader that augments calls fill on augmented samples, so Derive comes after
// whatever else wraps a data set. fill must be safe for concurrent use.
// Error: d has a field of that name.
func Derive(d Dataset, f Field, fill Fill) (Dataset, error) {
	if Index(d, f.Name) >= 0 {
		return nil, diag.New(diag.BadData, "two fields are named %q", f.Name)
	}
	fs := d.Fields()
	return &derived{d, append(fs[:len(fs):len(fs)], f), fill}, nil
}

func (d *derived) Fields() []Field { return d.fields }

func (d *derived) Gather(rows []int, dst []tensor.Tensor) error { return d.gather(rows, dst, nil) }

// gather reads the fields under the derived ones, lets change work on them,
// and derives the rest.
func (d *derived) gather(rows []int, dst []tensor.Tensor, change func([]Field, []tensor.Tensor)) error {
	if len(dst) != len(d.fields) {
		return diag.New(diag.Internal, "a batch of %d tensors for %d fields", len(dst), len(d.fields))
	}
	k := len(dst) - 1
	if err := gather(d.Dataset, rows, dst[:k], change); err != nil {
		return err
	}
	return d.fill(rows, dst[:k], &dst[k])
}

func gather(d Dataset, rows []int, dst []tensor.Tensor, change func([]Field, []tensor.Tensor)) error {
	if x, ok := d.(*derived); ok {
		return x.gather(rows, dst, change)
	}
	if err := d.Gather(rows, dst); err != nil {
		return err
	}
	if change != nil {
		change(d.Fields(), dst)
	}
	return nil
}

// recorded is d without its derived fields.
func recorded(d Dataset) Dataset {
	for {
		x, ok := d.(*derived)
		if !ok {
			return d
		}
		d = x.Dataset
	}
}

// sampleText is what messages say of a field's samples.
func sampleText(f Field) string { return f.DType.String() + fmt.Sprint(f.Dims) + " a sample" }
