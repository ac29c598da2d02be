package conform

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
)

// Engine loads a case's model.
type Engine interface {
	Load(ctx context.Context, c *Case) (Runner, error)
}

// Runner runs one model; the sets of a case are successive calls of one.
type Runner interface {
	Inputs() []Port  // in graph order
	Outputs() []Port // in graph order
	// Run maps inputs (absent ones are zero Values) to outputs, in order.
	Run(ctx context.Context, in []tensor.Value) ([]tensor.Value, error)
	Close() error
}

// Options say what to run and how to compare.
type Options struct {
	Engine     Engine
	Rtol, Atol float64
	Tolerances []Rule // first match wins
	Filter     *regexp.Regexp
	Timeout    time.Duration // per case, 0: none
}

// Rule gives cases whose name matches a tolerance of their own.
type Rule struct {
	Match  *regexp.Regexp
	Tol    tensor.Tol
	Reason string
}

// Status of a case.
type Status string

// The statuses. A Note is an advisory case that failed; it does not count.
const (
	Passed  Status = "passed"
	Failed  Status = "failed"
	Skipped Status = "skipped"
	Note    Status = "note"
)

// Result is the outcome of one case.
type Result struct {
	Name   string        `json:"name"`
	Status Status        `json:"status"`
	Msg    string        `json:"message,omitempty"`
	Took   time.Duration `json:"-"`
}

// Summary counts results.
type Summary struct{ Passed, Failed, Skipped, Notes int }

// Run runs every case under the paths and reports each as it ends. Error: a
// path that holds no case; a case that fails is a Result.
func Run(ctx context.Context, paths []string, o Options, report func(Result)) (Summary, error) {
	var sum Summary
	for _, p := range paths {
		fs, err := find(p)
		if err != nil {
			return sum, err
		}
		for _, f := range fs {
			if o.Filter != nil && !o.Filter.MatchString(f.name) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return sum, err
			}
			t0 := time.Now()
			r := Result{Name: f.name}
			r.Status, r.Msg = runFolder(ctx, f, &o)
			r.Took = time.Since(t0)
			switch r.Status {
			case Passed:
				sum.Passed++
			case Failed:
				sum.Failed++
			case Skipped:
				sum.Skipped++
			case Note:
				sum.Notes++
			}
			report(r)
		}
	}
	return sum, nil
}

func runFolder(ctx context.Context, f folder, o *Options) (Status, string) {
	c, err := load(f)
	if err != nil {
		return Failed, err.Error()
	}
	if o.Timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.Timeout)
		defer stop()
	}
	err = o.runCase(ctx, c)
	refuse := c.Reject != "" || c.Spec.Expects == "error"
	switch {
	case refuse && (err == nil || isMismatch(err)):
		return Failed, "was accepted, must be refused: " + c.Reject
	case refuse && diag.KindOf(err) == diag.Internal:
		return Failed, "was refused by an internal error: " + err.Error()
	case refuse || err == nil:
		return Passed, ""
	case c.Spec.Expects == "error-or-outputs" && !isMismatch(err) && diag.KindOf(err) != diag.Internal:
		return Passed, ""
	case c.Spec.Level == "advisory":
		return Note, err.Error()
	}
	return Failed, err.Error()
}

// mismatch is outputs that differ from the recorded ones.
type mismatch struct{ error }

func isMismatch(err error) bool { _, ok := err.(mismatch); return ok }

func (o *Options) runCase(ctx context.Context, c *Case) error {
	r, err := o.Engine.Load(ctx, c)
	if err != nil {
		return err
	}
	defer r.Close()
	if len(c.Sets) == 0 && c.Reject == "" && c.Spec.Expects != "error" {
		return mismatch{fmt.Errorf("has no test_data_set")}
	}
	tol := o.tol(c)
	for _, s := range c.Sets {
		in, _, err := Bind(s.Inputs, r.Inputs())
		if err != nil {
			return fmt.Errorf("%s: input %w", s.Name, err)
		}
		want, compared, err := Bind(s.Outputs, r.Outputs())
		if err != nil {
			return fmt.Errorf("%s: output %w", s.Name, err)
		}
		out, err := r.Run(ctx, in)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		for i, p := range r.Outputs() {
			if !want[i].Present() {
				continue
			}
			if err := tol.Compare(out[i], want[i]); err != nil {
				return mismatch{fmt.Errorf("%s: output %q: %w", s.Name, p.Name, err)}
			}
		}
		if compared != len(s.Outputs) {
			return mismatch{fmt.Errorf("%s: %d of %d recorded outputs found in the model", s.Name, compared, len(s.Outputs))}
		}
	}
	return nil
}

func (o *Options) tol(c *Case) tensor.Tol {
	rtol, atol := o.Rtol, o.Atol
	if c.Spec.Rtol != nil {
		rtol = *c.Spec.Rtol
	}
	if c.Spec.Atol != nil {
		atol = *c.Spec.Atol
	}
	for _, r := range o.Tolerances {
		if r.Match.MatchString(path.Base(c.Name)) {
			return r.Tol
		}
	}
	return tensor.Custom(rtol, atol)
}

// ReadTolerances reads a table of case pattern, rtol, atol and reason,
// tab-separated; # begins a comment. Error: kind Usage, with the line.
func ReadTolerances(file string) ([]Rule, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, usage("%v", err)
	}
	defer f.Close()
	var out []Rule
	line := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		line++
		t := s.Text()
		if strings.TrimSpace(t) == "" || strings.HasPrefix(t, "#") {
			continue
		}
		w := strings.Split(t, "\t")
		if len(w) < 4 || strings.TrimSpace(w[3]) == "" {
			return nil, usage("%s:%d: want pattern, rtol, atol and a reason, with tabs between", file, line)
		}
		re, err := regexp.Compile("^(?:" + w[0] + ")$")
		if err != nil {
			return nil, usage("%s:%d: %v", file, line, err)
		}
		rtol, err1 := strconv.ParseFloat(w[1], 64)
		atol, err2 := strconv.ParseFloat(w[2], 64)
		if err1 != nil || err2 != nil {
			return nil, usage("%s:%d: rtol and atol must be numbers", file, line)
		}
		out = append(out, Rule{re, tensor.Custom(rtol, atol), w[3]})
	}
	return out, nil
}
