package data

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// maxClasses bounds the classes of a text target.
const maxClasses = 10000

// table types the columns and makes the data set.
func (s *sheet) table(o CSVOptions) (Dataset, error) {
	role := make([]struct{ drop, text bool }, len(s.names))
	for _, n := range o.Drop {
		i, err := s.column("drop", n)
		if err != nil {
			return nil, err
		}
		role[i].drop = true
	}
	for _, n := range o.Categorical {
		i, err := s.column("categorical", n)
		if err != nil {
			return nil, err
		}
		role[i].text = true
	}
	target := -1
	switch o.Target {
	case "none":
	case "":
		for i := range s.names {
			if !role[i].drop {
				target = i
			}
		}
	default:
		i, err := s.column("target", o.Target)
		if err != nil {
			return nil, err
		}
		if role[i].drop {
			return nil, diag.New(diag.Usage, "column %q is both the target and dropped", s.names[i])
		}
		target = i
	}
	missing := o.Missing
	if missing == nil {
		missing = defaultMissing
	}
	var fields []Field
	var cols []tensor.Tensor
	var faults diag.List
	for i := range s.names {
		if role[i].drop {
			continue
		}
		c := &column{s: s, i: i, missing: missing, text: role[i].text}
		f, t, err := c.read(i == target)
		if e, ok := err.(*diag.Error); ok {
			faults = append(faults, e)
			continue
		} else if err != nil {
			return nil, err
		}
		fields, cols = append(fields, f), append(cols, t)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, diag.In(s.file, diag.BadData, fmt.Errorf("no column is left"))
	}
	return NewTable(fields, cols, s.where)
}

// column is one column on its way from text to a tensor.
type column struct {
	s       *sheet
	i       int
	missing []string
	text    bool // asked for
}

func (c *column) absent(v string) bool { return v == "" || slices.Contains(c.missing, v) }

func (c *column) fault(row int, format string, a ...any) error {
	return &diag.Error{Kind: diag.BadData, File: c.s.where(row), Port: fmt.Sprintf("column %q", c.s.names[c.i]), Err: fmt.Errorf(format, a...)}
}

// number reads a finite f32 written in decimal.
func number(v string) (float64, bool) {
	for _, r := range v {
		if !(r >= '0' && r <= '9' || r == '+' || r == '-' || r == '.' || r == 'e' || r == 'E') {
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(v, 64)
	return x, err == nil && math.Abs(x) <= math.MaxFloat32
}

// numeric says whether at least half of the cells that are there are numbers.
func (c *column) numeric() bool {
	there, nums := 0, 0
	for _, v := range c.s.cells[c.i] {
		if c.absent(v) {
			continue
		}
		there++
		if _, ok := number(v); ok {
			nums++
		}
	}
	return !c.text && nums*2 >= there
}

func (c *column) read(target bool) (Field, tensor.Tensor, error) {
	cells := c.s.cells[c.i]
	f := Field{Name: c.s.names[c.i], Target: target, DType: dtype.F32, Dims: []int{1}}
	if target {
		for r, v := range cells {
			if c.absent(v) {
				return f, tensor.Tensor{}, c.fault(r, "the target is missing")
			}
		}
	}
	if !c.numeric() {
		return c.strings(f)
	}
	t := tensor.New(dtype.F32, len(cells), 1)
	x := tensor.Slice[float32](&t)
	whole := true
	for r, v := range cells {
		if c.absent(v) {
			x[r] = float32(math.NaN())
			continue
		}
		n, ok := number(v)
		if !ok {
			return f, t, c.fault(r, "%q is no number (categorical=%s makes the column text, missing=%s a missing value)", clip(v), f.Name, clip(v))
		}
		whole = whole && n == math.Trunc(n) && math.Abs(n) < 1<<53
		x[r] = float32(n)
	}
	if target && whole {
		f.DType, f.Dims = dtype.I64, []int{}
		t = tensor.New(dtype.I64, len(cells))
		for r, v := range cells {
			n, _ := number(v)
			t.SetInt(r, int64(n))
		}
	}
	return f, t, nil
}

// strings makes a text column; a target becomes the numbers of its classes.
func (c *column) strings(f Field) (Field, tensor.Tensor, error) {
	cells := slices.Clone(c.s.cells[c.i])
	for r, v := range cells {
		if c.absent(v) {
			cells[r] = ""
		}
	}
	f.Classes = distinct(cells)
	if !f.Target {
		f.DType = dtype.String
		t, err := tensor.OfStrings(cells, len(cells), 1)
		return f, t, err
	}
	if len(f.Classes) > maxClasses {
		return f, tensor.Tensor{}, &diag.Error{Kind: diag.BadData, File: c.s.file, Port: fmt.Sprintf("column %q", f.Name),
			Have: fmt.Sprintf("%d classes", len(f.Classes)), Want: fmt.Sprintf("at most %d", maxClasses)}
	}
	code := make(map[string]int64, len(f.Classes))
	for i, v := range f.Classes {
		code[v] = int64(i)
	}
	f.DType, f.Dims = dtype.I64, []int{}
	t := tensor.New(dtype.I64, len(cells))
	for r, v := range cells {
		t.SetInt(r, code[v])
	}
	return f, t, nil
}

// distinct lists the values that are there: numbers by size where all are
// numbers, else by bytes.
func distinct(cells []string) []string {
	seen := map[string]bool{}
	nums := true
	out := []string{}
	for _, v := range cells {
		if v == "" || seen[v] {
			continue
		}
		seen[v] = true
		out = append(out, v)
		_, ok := number(v)
		nums = nums && ok
	}
	slices.SortFunc(out, func(a, b string) int {
		if nums {
			x, _ := number(a)
			y, _ := number(b)
			if x != y {
				if x < y {
					return -1
				}
				return 1
			}
		}
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return out
}

// clip shortens a cell for a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 24 {
		return string(r[:24]) + "..."
	}
	return s
}
