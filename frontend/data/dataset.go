package data

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Field describes one named tensor that every sample has.
type Field struct {
	Name   string      `json:"name"`
	DType  dtype.DType `json:"-"`
	Dims   []int       `json:"dims"`             // of one sample, the batch axis left off
	Target bool        `json:"target,omitempty"` // what a model shall predict

	// Classes names the codes of an integer target, or lists the distinct
	// values of a string column in order; nil where unknown.
	Classes []string `json:"classes,omitempty"`
}

// Type is the field's type with a batch axis in front.
func (f Field) Type(batch shape.Dim) tensor.Type {
	return tensor.T(f.DType, append([]shape.Dim{batch}, shape.Ints(f.Dims...)...)...)
}

// IsLabel says whether the field holds the number of a class.
func (f Field) IsLabel() bool { return f.Target && f.DType == dtype.I64 && len(f.Dims) == 0 }

// Dataset is a finite list of samples with random access. It is immutable and
// safe for concurrent use.
type Dataset interface {
	// Len is the number of samples.
	Len() int
	// Fields are the tensors of every sample, in order; the caller must not
	// change them.
	Fields() []Field
	// Gather copies samples into a batch: dst[f] has the type of field f with
	// len(rows) in front, and element k becomes that of sample rows[k].
	Gather(rows []int, dst []tensor.Tensor) error
	// Where names a sample in messages: "iris.csv: row 3 (line 5)".
	Where(row int) string
}

// NewBatch allocates tensors that hold n samples of d.
func NewBatch(d Dataset, n int) []tensor.Tensor {
	fs := d.Fields()
	out := make([]tensor.Tensor, len(fs))
	for i, f := range fs {
		out[i] = tensor.New(f.DType, append([]int{n}, f.Dims...)...)
	}
	return out
}

// Read gives samples as a new batch.
func Read(d Dataset, rows ...int) ([]tensor.Tensor, error) {
	b := NewBatch(d, len(rows))
	return b, d.Gather(rows, b)
}

// Index finds a field by name, -1 if there is none.
func Index(d Dataset, name string) int {
	return slices.IndexFunc(d.Fields(), func(f Field) bool { return f.Name == name })
}

// Target is the index of the one target field. Error: there is none, or there
// are several.
func Target(d Dataset) (int, error) {
	at := -1
	for i, f := range d.Fields() {
		if f.Target {
			if at >= 0 {
				return -1, diag.New(diag.BadData, "targets %q and %q: want one target", d.Fields()[at].Name, f.Name)
			}
			at = i
		}
	}
	if at < 0 {
		return -1, diag.New(diag.BadData, "the data set has no target")
	}
	return at, nil
}

// Table is a data set in memory: one tensor per field with the samples along
// its first axis.
type Table struct {
	fields []Field
	cols   []tensor.Tensor
	n      int
	where  func(row int) string
}

// NewTable makes a data set of tensors whose first axis counts samples; the
// caller must not change them afterwards. where may be nil. Errors: a field
// does not fit its tensor, the tensors have unequal counts, there is nothing.
func NewTable(fields []Field, cols []tensor.Tensor, where func(row int) string) (*Table, error) {
	if len(fields) == 0 || len(fields) != len(cols) {
		return nil, diag.New(diag.BadData, "a data set of %d fields and %d tensors", len(fields), len(cols))
	}
	t := &Table{fields: fields, cols: cols, n: -1, where: where}
	seen := map[string]bool{}
	for i, f := range fields {
		c := cols[i]
		if c.Rank() == 0 || c.DType() != f.DType || !slices.Equal(c.Dims()[1:], f.Dims) {
			return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("field %q", f.Name),
				Have: c.DType().String() + fmt.Sprint(c.Dims()), Want: sampleText(f)}
		}
		if seen[f.Name] {
			return nil, diag.New(diag.BadData, "two fields are named %q", f.Name)
		}
		seen[f.Name] = true
		if t.n < 0 {
			t.n = c.Dim(0)
		}
		if c.Dim(0) != t.n {
			return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("samples of field %q", f.Name),
				Have: fmt.Sprint(c.Dim(0)), Want: fmt.Sprintf("%d as in %q", t.n, fields[0].Name)}
		}
	}
	if t.n == 0 {
		return nil, diag.New(diag.BadData, "the data set is empty")
	}
	if t.where == nil {
		t.where = func(row int) string { return fmt.Sprintf("sample %d", row) }
	}
	return t, nil
}

// Len implements Dataset.
func (t *Table) Len() int { return t.n }

// Fields implements Dataset.
func (t *Table) Fields() []Field { return t.fields }

// Where implements Dataset.
func (t *Table) Where(row int) string { return t.where(row) }

// Gather implements Dataset.
func (t *Table) Gather(rows []int, dst []tensor.Tensor) error {
	if err := checkBatch(t, len(rows), dst); err != nil {
		return err
	}
	for f := range t.cols {
		src, to := &t.cols[f], &dst[f]
		if src.DType() == dtype.String {
			w := len(src.Strings()) / t.n
			for k, r := range rows {
				copy(to.Strings()[k*w:(k+1)*w], src.Strings()[r*w:(r+1)*w])
			}
			continue
		}
		b, d := src.Bytes(), to.Bytes()
		w := len(b) / t.n
		for k, r := range rows {
			copy(d[k*w:(k+1)*w], b[r*w:(r+1)*w])
		}
	}
	return nil
}

func checkBatch(d Dataset, n int, dst []tensor.Tensor) error {
	fs := d.Fields()
	if len(dst) != len(fs) {
		return diag.New(diag.Internal, "a batch of %d tensors for %d fields", len(dst), len(fs))
	}
	for i, f := range fs {
		if dst[i].DType() != f.DType || dst[i].Rank() != 1+len(f.Dims) || dst[i].Dim(0) != n || !slices.Equal(dst[i].Dims()[1:], f.Dims) {
			return diag.New(diag.Internal, "field %q: a batch of %v%v for %d samples of %v%v", f.Name, dst[i].DType(), dst[i].Dims(), n, f.DType, f.Dims)
		}
	}
	return nil
}

// subset is some samples of another data set.
type subset struct {
	Dataset
	rows []int
}

// Subset is the given samples of d, in the given order. Error: a row is not
// in d.
func Subset(d Dataset, rows []int) (Dataset, error) {
	for _, r := range rows {
		if r < 0 || r >= d.Len() {
			return nil, diag.New(diag.Usage, "sample %d: want 0..%d", r, d.Len()-1)
		}
	}
	return &subset{d, rows}, nil
}

func (s *subset) Len() int             { return len(s.rows) }
func (s *subset) Where(row int) string { return s.Dataset.Where(s.rows[row]) }

func (s *subset) Gather(rows []int, dst []tensor.Tensor) error {
	under := make([]int, len(rows))
	for k, r := range rows {
		under[k] = s.rows[r]
	}
	return s.Dataset.Gather(under, dst)
}

// chunk is how many samples scans read at a time.
const chunk = 256

// scan reads d in order, a chunk at a time.
func scan(d Dataset, visit func(first int, b []tensor.Tensor) error) error {
	n := d.Len()
	var buf []tensor.Tensor
	for at := 0; at < n; at += chunk {
		k := min(chunk, n-at)
		if at == 0 || k != chunk {
			buf = NewBatch(d, k)
		}
		rows := make([]int, k)
		for i := range rows {
			rows[i] = at + i
		}
		if err := d.Gather(rows, buf); err != nil {
			return err
		}
		if err := visit(at, buf); err != nil {
			return err
		}
	}
	return nil
}

// Labels reads the numbers of the classes of all samples. Error: d has no
// target, or one that is no class.
func Labels(d Dataset) ([]int64, error) {
	d = recorded(d)
	at, err := Target(d)
	if err != nil {
		return nil, err
	}
	if f := d.Fields()[at]; !f.IsLabel() {
		return nil, &diag.Error{Kind: diag.BadData, Port: fmt.Sprintf("target %q", f.Name),
			Have: f.DType.String() + fmt.Sprint(f.Dims), Want: "the number of a class"}
	}
	out := make([]int64, 0, d.Len())
	err = scan(d, func(_ int, b []tensor.Tensor) error {
		out = append(out, tensor.Slice[int64](&b[at])...)
		return nil
	})
	return out, err
}

// CheckLabels says whether every label is in 0..classes-1; the error names the
// first sample whose label is not.
func CheckLabels(d Dataset, classes int) error {
	ls, err := Labels(d)
	if err != nil {
		return err
	}
	at, _ := Target(d)
	for i, l := range ls {
		if l < 0 || l >= int64(classes) {
			return &diag.Error{Kind: diag.BadData, File: d.Where(i), Port: fmt.Sprintf("label %q", d.Fields()[at].Name),
				Have: fmt.Sprint(l), Want: fmt.Sprintf("0..%d", classes-1)}
		}
	}
	return nil
}
