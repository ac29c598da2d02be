package passes

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/ir/verify"
	"github.com/mlc-go/mlc/passes/bindshape"
	"github.com/mlc-go/mlc/passes/pass"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// Options say what Run does. Ops must be set.
type Options struct {
	rewrite.Options
	Ops    *ir.OpSet
	Target string
	Data   rewrite.Data
	Exec   ir.Executor
	Log    *slog.Logger
	// OnRemark is told each remark as it is made.
	OnRemark func(rewrite.Remark)

	Spec  string            // --passes: replaces the pipeline of the level; Level is then not asked
	To    string            // stage after which to stop, "" for the last
	Extra []pass.Pass       // passes that Spec may name beside those of the pipeline
	Bind  bindshape.Binding // runs first

	Check      bool      // --check=exec: compare the meaning before and after each pass
	NoVerify   bool      // trust passes that changed something; the input is still verified
	Shuffle    uint64    // not 0: seed with which nodes are shuffled before each pass
	DumpDir    string    // 00-import.mir, 01-fold.mir, ...: one for each pass that changed something
	PrintAfter []string  // names of passes, or "all"
	PrintTo    io.Writer // where PrintAfter prints
	CrashDir   string    // folder under which a reproducer is written when a pass fails; "" for none
	Flags      string    // flags that the reproducer names
}

// maxRounds bounds the rounds of a repeated list.
const maxRounds = 64

// Run runs the pipeline of o.Level, or o.Spec, on m, in place. Before the
// first pass m is verified (its faults are returned as they are). Faults of a
// pass have kind Internal and name it; a panic in a pass is one. After an
// error m is in an undefined state, and the report covers what ran.
func Run(ctx context.Context, m *ir.Module, o Options) (*pass.Report, error) {
	r := newRunner(ctx, m, o)
	if err := verify.Module(m); err != nil {
		return r.report(), err
	}
	steps, err := r.steps()
	if err != nil {
		return r.report(), err
	}
	if err := r.dump("import"); err != nil {
		return r.report(), err
	}
	_, err = r.list(steps)
	return r.report(), err
}

type runner struct {
	o    Options
	m    *ir.Module
	c    *rewrite.Ctx
	hash *hasher
	last uint64 // fingerprint of m
	rep  pass.Report
	done bool // stage o.To was reached
	seq  int  // of dumps
	runs uint64
}

func newRunner(ctx context.Context, m *ir.Module, o Options) *runner {
	c := rewrite.NewCtx(ctx, o.Ops)
	c.Options, c.Target, c.Data, c.Exec, c.OnRemark = o.Options, o.Target, o.Data, o.Exec, o.OnRemark
	if o.Log != nil {
		c.Log = o.Log
	}
	return &runner{o: o, m: m, c: c, hash: newHasher()}
}

func (r *runner) report() *pass.Report {
	r.rep.Remarks, r.rep.Fired, r.rep.Last = r.c.Remarks(), r.c.Fired(), r.c.Last()
	return &r.rep
}

// steps is what is to run: the binding, then the level's pipeline or the spec.
func (r *runner) steps() ([]Step, error) {
	var out []Step
	if len(r.o.Bind.Dims)+len(r.o.Bind.Shapes) > 0 {
		out = append(out, Step{Pass: bindshape.Pass(r.o.Bind)})
	}
	if r.o.Spec == "" {
		out = append(out, levelSteps(r.o.Level)...)
	} else {
		spec, err := Parse(r.o.Spec, r.lookup)
		if err != nil {
			return nil, err
		}
		out = append(out, spec...)
	}
	if err := r.known(); err != nil {
		return nil, err
	}
	return out, nil
}

func (r *runner) lookup(name string) (pass.Pass, bool) {
	for _, p := range slices.Concat(r.o.Extra, All()) {
		if p.Name == name {
			return p, true
		}
	}
	return pass.Pass{}, false
}

// known checks the names given to -d, PrintAfter and To.
func (r *runner) known() error {
	for _, n := range slices.Concat(r.o.Off, r.o.Only) {
		p, isPass := r.lookup(n)
		if isPass && p.Required && slices.Contains(r.o.Off, n) {
			return diag.New(diag.Usage, "pass %s cannot be switched off: lowering is wrong without it", n)
		}
		if !isPass && !r.isRule(n) {
			return diag.New(diag.Usage, "%q is neither a pass nor a rule", n)
		}
	}
	for _, n := range r.o.PrintAfter {
		if _, ok := r.lookup(n); !ok && n != "all" {
			return unknownPass(n)
		}
	}
	if r.o.To != "" && !slices.ContainsFunc(Pipeline(), func(s Stage) bool { return s.Name == r.o.To }) {
		return diag.New(diag.Usage, "stage %q is unknown", r.o.To)
	}
	return nil
}

func (r *runner) isRule(name string) bool {
	for _, p := range slices.Concat(r.o.Extra, All()) {
		if slices.Contains(p.RuleNames(), name) {
			return true
		}
	}
	return false
}

// list runs steps in order and says whether the module changed.
func (r *runner) list(steps []Step) (bool, error) {
	changed := false
	for _, s := range steps {
		if r.done {
			break
		}
		did, err := r.step(s)
		if err != nil {
			return changed, err
		}
		changed = changed || did
		if s.Stage != "" && s.Stage == r.o.To {
			r.done = true
		}
	}
	return changed, nil
}

func (r *runner) step(s Step) (bool, error) {
	switch {
	case s.Body == nil:
		return r.pass(s.Pass, s.Args)
	case !s.Loop:
		return r.list(s.Body)
	}
	changed := false
	for range maxRounds {
		did, err := r.list(s.Body)
		if err != nil || !did {
			return changed, err
		}
		changed = true
	}
	return changed, diag.New(diag.Internal, "repeated passes do not end: %s", r.c.Last())
}

// pass runs one pass with everything around it.
func (r *runner) pass(p pass.Pass, args map[string]string) (bool, error) {
	if !r.c.PassOn(p.Name, p.Required, p.RuleNames()) {
		return false, nil
	}
	if err := r.c.Context.Err(); err != nil {
		return false, err
	}
	before := r.fingerprint()
	var kept *ir.Module
	if r.o.Check || r.o.CrashDir != "" {
		kept = r.m.Clone()
	}
	if r.o.Shuffle != 0 {
		r.runs++
		shuffle(r.m, r.o.Shuffle, r.runs)
	}
	if err := r.c.Begin(p.Name, p.Required, args); err != nil {
		return false, err
	}
	stat := pass.PassStat{Name: p.Name, NodesBefore: count(r.m)}
	start := time.Now()
	err := protect(func() error { return p.Apply(r.c, r.m) })
	stat.Took = time.Since(start)
	if err == nil {
		err = r.c.End()
	}
	stat.NodesAfter, stat.Counts = count(r.m), r.c.Counts()
	r.last = 0
	if err == nil {
		err = protect(func() error { stat.Changed = r.fingerprint() != before; return nil })
	}
	if err == nil && stat.Changed && !r.o.NoVerify {
		if bad := verify.Module(r.m); bad != nil {
			err = &diag.Error{Kind: diag.Internal, Err: fmt.Errorf("left a module that is wrong: %w", bad)}
		}
	}
	if err == nil && r.o.Check && stat.Changed {
		err = r.compare(kept, p)
	}
	r.rep.Passes = append(r.rep.Passes, stat)
	if err != nil {
		return true, r.fault(p.Name, kept, err)
	}
	if stat.Changed {
		err = r.dump(p.Name)
	}
	if err == nil {
		err = r.print(p.Name)
	}
	return stat.Changed, err
}

// protect turns a panic into an error of kind Internal.
func protect(f func() error) (err error) {
	defer func() {
		if x := recover(); x != nil {
			err = &diag.Error{Kind: diag.Internal, Err: fmt.Errorf("%v\n%s", x, trim(debug.Stack()))}
		}
	}()
	return f()
}

func (r *runner) fingerprint() uint64 {
	if r.last == 0 {
		r.last = r.hash.module(r.m)
	}
	return r.last
}

// print writes the module after a pass that PrintAfter names.
func (r *runner) print(name string) error {
	if r.o.PrintTo == nil || !slices.Contains(r.o.PrintAfter, "all") && !slices.Contains(r.o.PrintAfter, name) {
		return nil
	}
	_, err := fmt.Fprintf(r.o.PrintTo, "// after %s\n%s\n", name, text.String(r.m))
	return err
}

func count(m *ir.Module) int {
	n := 0
	m.Walk(func(k *ir.Node) {
		if k.Const == nil {
			n++
		}
	})
	return n
}
