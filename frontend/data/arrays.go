package data

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// targetNames are the names of arrays that are taken as the target where none
// is named.
var targetNames = []string{"y", "label", "labels", "target", "targets"}

// openNPZ makes one field of each array; the first axes agree.
func openNPZ(file string, q url.Values) (Dataset, error) {
	if err := unknownKey(q, "target"); err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, diag.In(file, diag.BadData, cause(err))
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, diag.In(file, diag.BadData, cause(err))
	}
	ts, err := tensor.ReadNPZ(f, st.Size(), maxBytes)
	if err != nil {
		return nil, diag.In(file, diag.BadData, err)
	}
	if len(ts) == 0 {
		return nil, diag.In(file, diag.BadData, fmt.Errorf("holds no arrays"))
	}
	want, named := q.Get("target"), q.Has("target")
	found := false
	var fields []Field
	var cols []tensor.Tensor
	for _, t := range ts {
		if t.Tensor.Rank() == 0 {
			return nil, &diag.Error{Kind: diag.BadData, File: file, Port: fmt.Sprintf("array %q", t.Name), Have: "a scalar", Want: "samples along the first axis"}
		}
		isTarget := named && t.Name == want || !named && slices.Contains(targetNames, t.Name)
		found = found || isTarget
		c := t.Tensor
		if isTarget {
			c = labelColumn(c)
		}
		fields = append(fields, Field{Name: t.Name, DType: c.DType(), Dims: c.Dims()[1:], Target: isTarget})
		cols = append(cols, c)
	}
	if named && !found {
		return nil, diag.New(diag.Usage, "data option target=%s: %s has no such array (have %s)", want, file, strings.Join(fieldNames(fields), ", "))
	}
	base := filepath.Base(file)
	t, err := NewTable(fields, cols, func(row int) string { return fmt.Sprintf("%s: row %d", base, row) })
	if err != nil {
		return nil, diag.In(file, diag.BadData, err)
	}
	return t, nil
}

// labelColumn widens integer targets of one element a sample to i64 labels.
func labelColumn(t tensor.Tensor) tensor.Tensor {
	if !t.DType().IsInt() || t.Len() != t.Dim(0) || t.DType() == dtype.U64 {
		return t
	}
	l := tensor.New(dtype.I64, t.Dim(0))
	for i := range t.Dim(0) {
		l.SetInt(i, t.Int(i))
	}
	return l
}

func fieldNames(fs []Field) []string {
	out := make([]string, len(fs))
	for i, f := range fs {
		out[i] = f.Name
	}
	return out
}

// openSets reads test_data_set_N/{input,output}_M.pb: every tensor of a set
// has the same number of samples along its first axis; outputs are targets.
func openSets(dir string) (Dataset, error) {
	es, err := os.ReadDir(dir)
	if err != nil {
		return nil, diag.In(dir, diag.BadData, cause(err))
	}
	var sets []int
	for _, e := range es {
		if s, ok := strings.CutPrefix(e.Name(), "test_data_set_"); ok && e.IsDir() {
			if n, err := strconv.Atoi(s); err == nil && n >= 0 && strconv.Itoa(n) == s {
				sets = append(sets, n)
			}
		}
	}
	if len(sets) == 0 {
		return nil, diag.In(dir, diag.BadData, fmt.Errorf("holds no test_data_set_N folder"))
	}
	slices.Sort(sets)
	var fields []Field
	parts := [][]tensor.Tensor{}
	var first []int // of each set: its first row
	n := 0
	for k, s := range sets {
		p := filepath.Join(dir, "test_data_set_"+strconv.Itoa(s))
		fs, ts, err := readSet(p)
		if err != nil {
			return nil, err
		}
		if k == 0 {
			fields = fs
			parts = make([][]tensor.Tensor, len(fs))
		}
		if len(fs) != len(fields) {
			return nil, &diag.Error{Kind: diag.BadData, File: p, Port: "tensors", Have: fmt.Sprint(len(fs)), Want: fmt.Sprintf("%d as in the first set", len(fields))}
		}
		for i := range fs {
			if fs[i].Name != fields[i].Name || fs[i].DType != fields[i].DType || !slices.Equal(fs[i].Dims, fields[i].Dims) {
				return nil, &diag.Error{Kind: diag.BadData, File: p, Port: fmt.Sprintf("tensor %q", fs[i].Name), Have: fs[i].DType.String() + fmt.Sprint(fs[i].Dims),
					Want: fmt.Sprintf("%q %v%v as in the first set", fields[i].Name, fields[i].DType, fields[i].Dims)}
			}
			parts[i] = append(parts[i], ts[i])
		}
		first = append(first, n)
		n += ts[0].Dim(0)
	}
	cols := make([]tensor.Tensor, len(fields))
	for i := range parts {
		cols[i] = stack(parts[i], n)
	}
	return NewTable(fields, cols, func(row int) string {
		k, _ := slices.BinarySearch(first, row+1)
		return fmt.Sprintf("%s/test_data_set_%d: row %d", filepath.ToSlash(dir), sets[k-1], row-first[k-1])
	})
}

// readSet reads one folder, inputs first, each kind by number.
func readSet(dir string) (fields []Field, ts []tensor.Tensor, err error) {
	for _, kind := range []string{"input", "output"} {
		for i := 0; ; i++ {
			file := filepath.Join(dir, fmt.Sprintf("%s_%d.pb", kind, i))
			b, err := os.ReadFile(file)
			if os.IsNotExist(err) {
				break
			}
			if err != nil {
				return nil, nil, diag.In(file, diag.BadData, cause(err))
			}
			name, v, err := tensor.DecodePB(b, tensor.Type{})
			if err != nil {
				return nil, nil, diag.In(file, diag.BadData, err)
			}
			if name == "" {
				name = fmt.Sprintf("%s_%d", kind, i)
			}
			t := v.Tensor
			if v.Kind != tensor.KindTensor || t.Rank() == 0 {
				return nil, nil, diag.In(file, diag.BadData, fmt.Errorf("want a tensor with samples along its first axis"))
			}
			if kind == "output" {
				t = labelColumn(t)
			}
			if len(ts) > 0 && t.Dim(0) != ts[0].Dim(0) {
				return nil, nil, &diag.Error{Kind: diag.BadData, File: file, Port: "samples along the first axis", Have: fmt.Sprint(t.Dim(0)), Want: fmt.Sprint(ts[0].Dim(0))}
			}
			fields = append(fields, Field{Name: name, DType: t.DType(), Dims: t.Dims()[1:], Target: kind == "output"})
			ts = append(ts, t)
		}
	}
	if len(ts) == 0 {
		return nil, nil, diag.In(dir, diag.BadData, fmt.Errorf("holds no input_N.pb"))
	}
	return fields, ts, nil
}

// stack joins tensors along their first axis.
func stack(parts []tensor.Tensor, n int) tensor.Tensor {
	t := tensor.New(parts[0].DType(), append([]int{n}, parts[0].Dims()[1:]...)...)
	if t.DType() == dtype.String {
		at := 0
		for _, p := range parts {
			at += copy(t.Strings()[at:], p.Strings())
		}
		return t
	}
	at := 0
	for _, p := range parts {
		at += copy(t.Bytes()[at:], p.Bytes())
	}
	return t
}

// Random makes n samples by seed: numbers as tensor.Random gives them, labels
// evenly from each field's Classes (two classes where none are given). Error:
// a field's type has no random values, or fields is empty; Limit where they
// would not fit in memory.
func Random(n int, seed uint64, fields []Field) (Dataset, error) {
	if len(fields) == 0 {
		return nil, diag.New(diag.Usage, "random data needs a model that says what it takes")
	}
	left := maxBytes
	for _, f := range fields {
		k, ok := tensor.Count(append([]int{n}, f.Dims...))
		if left -= int64(f.DType.Bytes(k)); !ok || left < 0 {
			return nil, diag.New(diag.Limit, "field %q: %d random samples take more than %d bytes", f.Name, n, maxBytes)
		}
	}
	cols := make([]tensor.Tensor, len(fields))
	for i, f := range fields {
		if f.IsLabel() {
			rng := rand.New(rand.NewPCG(seed, mix(uint64(i))))
			cols[i] = tensor.New(dtype.I64, n)
			for k := range n {
				cols[i].SetInt(k, int64(rng.Uint64N(uint64(max(2, len(f.Classes))))))
			}
			continue
		}
		t, err := tensor.Random(f.DType, seed+uint64(i), append([]int{n}, f.Dims...)...)
		if err != nil {
			return nil, diag.At(fmt.Sprintf("field %q", f.Name), "", diag.Usage, err)
		}
		cols[i] = t
	}
	return NewTable(fields, cols, func(row int) string { return fmt.Sprintf("random sample %d", row) })
}
