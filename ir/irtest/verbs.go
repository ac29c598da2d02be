package irtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/eval"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
)

// builtin are the verbs that need nothing from above; the map is not changed.
var builtin = map[string]Verb{
	"parse": verbParse, "verify": verbVerify, "infer": verbInfer,
	"exec": verbExec, "count": verbCount, "not": verbNot,
}

// verbParse reads in.mir, prints it, reads that back and prints again: both
// prints must be equal.
func verbParse(c *Case, _ []string) error {
	m, err := c.Load()
	if err != nil {
		return err
	}
	one := text.String(m)
	n, err := text.Parse([]byte(one), "printed.mir", c.Ops, text.Options{})
	if err != nil {
		return fmt.Errorf("what was printed does not read back: %w\n%s", err, one)
	}
	if two := text.String(n); two != one {
		return fmt.Errorf("printed twice (-first +second):\n%s", diff(one, two))
	}
	return nil
}

// verbVerify wants exactly the faults that // error: "text" announces on the
// lines of in.mir; without any, none.
func verbVerify(c *Case, _ []string) error {
	src, _ := c.Section("in.mir")
	want, err := announced(src)
	if err != nil {
		return err
	}
	m, err := c.Load()
	if err == nil {
		err = verify.Module(m)
	}
	for _, e := range faultsOf(err) {
		line := c.lineOf(e, m)
		msg := e.Error()
		i := slices.IndexFunc(want[line], func(s string) bool { return strings.Contains(msg, s) })
		if i < 0 {
			return fmt.Errorf("line %d: unannounced fault: %s", line, msg)
		}
		want[line] = slices.Delete(want[line], i, i+1)
	}
	for line := 0; line <= strings.Count(src, "\n")+1; line++ {
		if len(want[line]) > 0 {
			return fmt.Errorf("line %d: no fault says %q", line, want[line][0])
		}
	}
	return nil
}

// announced finds // error: "text" by line; several may stand on one line.
func announced(src string) (map[int][]string, error) {
	out := map[int][]string{}
	for i, line := range strings.Split(src, "\n") {
		_, rest, ok := strings.Cut(line, "// error:")
		for rest = strings.TrimSpace(rest); ok && rest != ""; rest = strings.TrimSpace(rest) {
			q, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, fmt.Errorf("line %d: want // error: \"text\"", i+1)
			}
			s, err := strconv.Unquote(q)
			if err != nil {
				return nil, err
			}
			out[i+1] = append(out[i+1], s)
			rest = rest[len(q):]
		}
	}
	return out, nil
}

func faultsOf(err error) diag.List {
	if err == nil {
		return nil
	}
	var l diag.List
	if errors.As(err, &l) {
		return l
	}
	var e *diag.Error
	if errors.As(err, &e) {
		return diag.List{e}
	}
	return diag.List{{Err: err}}
}

// lineOf finds the line of a fault: from its file position, or as that of the
// node it names; 0 if it has none.
func (c *Case) lineOf(e *diag.Error, m *ir.Module) int {
	if _, pos, ok := strings.Cut(e.File, ":"); ok {
		l, _, _ := strings.Cut(pos, ":")
		n, _ := strconv.Atoi(l)
		return n
	}
	line := 0
	if m != nil {
		m.Walk(func(n *ir.Node) {
			if line == 0 && (n.Label() == e.Node || e.Node == fmt.Sprintf("%s %q", n.Def.FullName(), n.Label())) {
				line = c.lines[n]
			}
		})
	}
	return line
}

// verbInfer compares what inference knows of each value, a line each, with
// section want.infer: its type, and its elements where it tracks them.
func verbInfer(c *Case, _ []string) error {
	m, err := c.Load()
	if err != nil {
		return err
	}
	var b strings.Builder
	var fault error
	m.Walk(func(n *ir.Node) {
		fs, err := ir.InferNode(m, n)
		if err != nil && fault == nil {
			fault = err
		}
		for i, v := range n.Out {
			if v == nil || i >= len(fs) {
				continue
			}
			fmt.Fprintf(&b, "%%%s: %v", v.Name, fs[i].Type)
			if fs[i].Ints != nil {
				s := make([]string, len(fs[i].Ints))
				for k, d := range fs[i].Ints {
					s[k] = d.String()
				}
				fmt.Fprintf(&b, " = [%s]", strings.Join(s, ", "))
			}
			b.WriteByte('\n')
		}
	})
	if fault != nil {
		return fault
	}
	c.Want("want.infer", b.String())
	return nil
}

// verbExec runs in.mir and the module as it is now on equal random inputs and
// compares. Arguments: tol=exact|close|ulp:N|quantum:N,SHARE|RTOL,ATOL, seed=N, and NAME=N for
// dims; a dim given again begins another run, in which the others keep their
// values.
func verbExec(c *Case, args []string) error {
	tol, seed := tensor.Exact, uint64(1)
	bindings := []map[string]int64{{}}
	for _, a := range args {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			return fmt.Errorf("%s: want key=value", a)
		}
		switch k {
		case "tol":
			t, err := ParseTol(v)
			if err != nil {
				return err
			}
			tol = t
		case "seed":
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				return err
			}
			seed = n
		default:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return err
			}
			bindings = bind(bindings, k, n)
		}
	}
	before, err := c.Input()
	if err != nil {
		return err
	}
	after, err := c.Load()
	if err != nil {
		return err
	}
	for _, b := range bindings {
		if err := SameOn(before, after, b, seed, tol); err != nil {
			return fmt.Errorf("dims %v: %w", b, err)
		}
	}
	return nil
}

func bind(bs []map[string]int64, k string, n int64) []map[string]int64 {
	last := bs[len(bs)-1]
	if _, again := last[k]; again {
		next := map[string]int64{}
		for name, v := range last {
			next[name] = v
		}
		next[k] = n
		return append(bs, next)
	}
	last[k] = n
	return bs
}

// ParseTol reads a tolerance of a golden test.
func ParseTol(s string) (tensor.Tol, error) {
	switch s {
	case "exact":
		return tensor.Exact, nil
	case "close":
		return tensor.Close, nil
	}
	if n, ok := strings.CutPrefix(s, "ulp:"); ok {
		k, err := strconv.Atoi(n)
		return tensor.Ulp(k), err
	}
	if q, ok := strings.CutPrefix(s, "quantum:"); ok {
		n, share, _ := strings.Cut(q, ",")
		k, e1 := strconv.ParseInt(n, 10, 64)
		f, e2 := strconv.ParseFloat(share, 64)
		if e1 != nil || e2 != nil {
			return tensor.Tol{}, fmt.Errorf("tol=%s: want quantum:N,SHARE", s)
		}
		return tensor.Quantum(k, f), nil
	}
	r, a, ok := strings.Cut(s, ",")
	rtol, e1 := strconv.ParseFloat(r, 64)
	atol, e2 := strconv.ParseFloat(a, 64)
	if !ok || e1 != nil || e2 != nil {
		return tensor.Tol{}, fmt.Errorf("tol=%s: want exact, close, ulp:N, quantum:N,SHARE or RTOL,ATOL", s)
	}
	return tensor.Custom(rtol, atol), nil
}

// SameOn evaluates two modules on equal random inputs and compares the
// results within tol. Dims that are not given take their smallest legal
// extent. States are compared after one run, where both have them.
func SameOn(a, b *ir.Module, dims map[string]int64, seed uint64, tol tensor.Tol) error {
	in, err := Inputs(a, dims, seed)
	if err != nil {
		return err
	}
	ctx := context.Background()
	want, err := eval.Run(ctx, a, in)
	if err != nil {
		return fmt.Errorf("before: %w", err)
	}
	have, err := eval.Run(ctx, b, in)
	if err != nil {
		return fmt.Errorf("after: %w", err)
	}
	if len(have) != len(want) {
		return fmt.Errorf("have %d results, want %d", len(have), len(want))
	}
	for i := range want {
		if err := tol.Compare(have[i], want[i]); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	return nil
}

// verbCount compares how often rules fired, and how many nodes of an operator
// there are: the names of operators begin with a capital letter or hold a dot.
func verbCount(c *Case, args []string) error {
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		n, err := strconv.Atoi(v)
		if err != nil {
			return fmt.Errorf("%s: want name=number", a)
		}
		have := c.Counts[k]
		if strings.Contains(k, ".") || k[:1] != strings.ToLower(k[:1]) {
			if have, err = c.countOps(k); err != nil {
				return err
			}
		}
		if have != n {
			return fmt.Errorf("%s: have %d, want %d", k, have, n)
		}
	}
	return nil
}

func (c *Case) countOps(name string) (int, error) {
	m, err := c.Load()
	if err != nil {
		return 0, err
	}
	n := 0
	m.Walk(func(x *ir.Node) {
		if x.Is(name) {
			n++
		}
	})
	return n, nil
}

// verbNot wants no node of the operators named.
func verbNot(c *Case, args []string) error {
	for _, a := range args {
		if c.Ops.Lookup(a) == nil {
			return fmt.Errorf("no operator %s", a)
		}
		n, err := c.countOps(a)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%d nodes of %s", n, a)
		}
	}
	return nil
}
