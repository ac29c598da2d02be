package tflite

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
)

// What the runtime computes right was measured by tools/peers/probe.py. That
// table is the one place that says which element types and numbers of axes a
// builtin takes and which version of it does that: what has no row in it is
// not written.

//go:embed builtins.tsv
var builtinsTSV string

// ability is one row: a builtin in a form, for element types.
type ability struct {
	code    code
	version int
	form    string // "": the only one
	types   string // see typesOf
	axes    uint32 // bit r: of r axes
}

// abilities is the table.
type abilities struct {
	runtime string // that it was measured with
	rows    []ability
	at      map[code][]int // rows of a builtin, lower versions first
}

var measured = sync.OnceValues(func() (*abilities, error) { return parseAbilities(builtinsTSV) })

func parseAbilities(text string) (*abilities, error) {
	named := map[string]code{}
	for c, s := range codeNames {
		named[s] = c
	}
	a := &abilities{at: map[code][]int{}}
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			if a.runtime == "" {
				a.runtime, _, _ = strings.Cut(rest, ",")
			}
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 5 {
			return nil, fmt.Errorf("builtins.tsv:%d: %d columns, want 5", i+1, len(f))
		}
		c, ok := named[f[0]]
		version, err := strconv.Atoi(f[1])
		if !ok || err != nil || version < 1 {
			return nil, fmt.Errorf("builtins.tsv:%d: builtin %s, version %s", i+1, f[0], f[1])
		}
		row := ability{code: c, version: version, form: f[2], types: f[3]}
		for _, s := range strings.Split(f[4], ",") {
			from, to, ok := strings.Cut(s, "-")
			if !ok {
				to = from
			}
			lo, err1 := strconv.ParseUint(from, 10, 5)
			hi, err2 := strconv.ParseUint(to, 10, 5)
			if err1 != nil || err2 != nil || lo > hi {
				return nil, fmt.Errorf("builtins.tsv:%d: axes %q", i+1, f[4])
			}
			for r := lo; r <= hi; r++ {
				row.axes |= 1 << r
			}
		}
		a.rows = append(a.rows, row)
	}
	if a.runtime == "" {
		return nil, fmt.Errorf("builtins.tsv says no runtime")
	}
	slices.SortStableFunc(a.rows, func(x, y ability) int { return x.version - y.version })
	for i, r := range a.rows {
		a.at[r.code] = append(a.at[r.code], i)
	}
	return a, nil
}

// version is the lowest version of a builtin that does the job, 0 if none does.
func (a *abilities) version(c code, form, types string, rank int) int {
	for _, i := range a.at[c] {
		if r := &a.rows[i]; r.form == form && r.types == types && rank < 32 && r.axes>>rank&1 == 1 {
			return r.version
		}
	}
	return 0
}

// refusal says what the table has instead.
func (a *abilities) refusal(c code, form, types string, rank int) error {
	var axes uint32
	var others []string
	for _, i := range a.at[c] {
		r := &a.rows[i]
		if r.form != form {
			continue
		}
		if r.types == types {
			axes |= r.axes
		} else if !slices.Contains(others, r.types) {
			others = append(others, r.types)
		}
	}
	name := c.String()
	if form != "" {
		name += " (" + form + ")"
	}
	if axes != 0 {
		return fmt.Errorf("%s of %s with %d axes (supported by %s: %s)", name, types, rank, a.runtime, spans(axes))
	}
	slices.Sort(others)
	if others == nil {
		others = []string{"none"}
	}
	return fmt.Errorf("%s of %s (supported by %s: %s)", name, types, a.runtime, strings.Join(others, ", "))
}

// spans is a set of numbers as text.
func spans(set uint32) string {
	var out []string
	for r := 0; r < 32; r++ {
		if set>>r&1 == 0 {
			continue
		}
		from := r
		for r+1 < 32 && set>>(r+1)&1 == 1 {
			r++
		}
		s := strconv.Itoa(from)
		if r > from {
			s += " to " + strconv.Itoa(r)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// takes refuses a node whose operand 0 is of an element type that the builtin
// takes in no form, before anything of it is written.
func takes(n *ir.Node, c code) error { return takesType(n.In[0].Type.DType, c) }

func takesType(d dtype.DType, c code) error {
	a, err := measured()
	if err != nil {
		return diag.New(diag.Internal, "%v", err)
	}
	var ok []string
	for _, i := range a.at[c] {
		t := a.rows[i].types
		if k := strings.IndexAny(t, ">,"); k >= 0 {
			t = t[:k]
		}
		if t == d.String() {
			return nil
		}
		if t != "q8" && t != "qu8" && !slices.Contains(ok, t) {
			ok = append(ok, t)
		}
	}
	return fmt.Errorf("operands of type %s: %s takes %s (%s)", d, c, strings.Join(ok, ", "), a.runtime)
}

// obey gives every operator the version that was measured, and refuses what
// was not measured or is wrong.
func (x *exporter) obey() error {
	a, err := measured()
	if err != nil {
		return diag.New(diag.Internal, "%v", err)
	}
	for i := range x.ops {
		o := &x.ops[i]
		form, types, rank := x.jobOf(o)
		v := a.version(o.code, form, types, rank)
		if v == 0 {
			err := a.refusal(o.code, form, types, rank)
			if o.node == nil {
				return diag.At(o.port, "", diag.Unsupported, err)
			}
			x.fail(o.node, err)
			continue
		}
		k := opcode{o.code, v}
		if o.index = slices.Index(x.codes, k); o.index < 0 {
			o.index = len(x.codes)
			x.codes = append(x.codes, k)
		}
	}
	return x.faults.Err()
}

// typeName is an element type as the table names it: bytes with a meaning are
// q8, or qu8 where they are unsigned.
func (t *tens) typeName() string {
	switch {
	case t.q != nil && t.dt == dtype.I8:
		return "q8"
	case t.q != nil && t.dt == dtype.U8:
		return "qu8"
	}
	return t.dt.String()
}

// jobOf is what the table asks about an operator: its form, the element types
// of its operands, and the most axes of operands and results.
func (x *exporter) jobOf(o *oper) (form, types string, rank int) {
	data := o.in[:1]
	switch o.code {
	case opTransposeConv:
		data = o.in[2:3]
	case opSelectV2:
		data = o.in[1:3]
	case opGather:
		data = o.in[:2]
	case opConcatenation:
		data = o.in
	case opAdd, opSub, opMul, opDiv, opPow, opMaximum, opMinimum, opEqual, opLess, opLessEqual, opGreater, opGreaterEqual, opPRelu, opBatchMatMul:
		data = o.in[:2]
	}
	var names []string
	for _, id := range data {
		if s := x.tensors[id].typeName(); len(names) == 0 || o.code == opGather || !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	types = strings.Join(names, ",")
	switch o.code {
	case opCast, opQuantize, opDequantize:
		types += ">" + x.tensors[o.out[0]].typeName()
	}
	for _, id := range slices.Concat(data, o.out) {
		rank = max(rank, len(x.tensors[id].dims))
	}
	return x.formOf(o), types, rank
}

// formOf is the form in which an operator is written, where the table tells
// several apart.
func (x *exporter) formOf(o *oper) string {
	dims := func(i int) []int { return x.tensors[o.in[i]].dims }
	switch o.code {
	case opConv:
		form := ""
		if in, w := dims(0), dims(1); in[len(in)-1] != w[len(w)-1] {
			form = "groups"
		}
		return dilated(form, o.opts.t.num(4, 1) != 1 || o.opts.t.num(5, 1) != 1)
	case opDepthwiseConv:
		form := ""
		if o.opts.t.num(3, 0) != 1 {
			form = "multiplied"
		}
		return dilated(form, o.opts.t.num(5, 1) != 1 || o.opts.t.num(6, 1) != 1)
	case opFullyConnected:
		if o.in[2] < 0 {
			return "no bias"
		}
	case opBatchMatMul:
		a, b := dims(0), dims(1)
		if len(a) == len(b) && slices.Equal(a[:len(a)-2], b[:len(b)-2]) {
			return "same"
		}
		return "broadcast"
	case opSelectV2, opAdd, opSub, opMul, opDiv, opPow, opMaximum, opMinimum, opEqual, opLess, opLessEqual, opGreater, opGreaterEqual:
		for i := range o.in[1:] {
			if !slices.Equal(dims(0), dims(1+i)) {
				return "broadcast"
			}
		}
		return "same"
	}
	return ""
}

func dilated(form string, is bool) string {
	if is {
		form = strings.TrimSpace(form + " dilated")
	}
	return form
}
