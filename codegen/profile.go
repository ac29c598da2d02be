package codegen

import (
	"strings"
	"time"

	"github.com/mlc-go/mlc/runtime/plan"
)

// A Profiler is an ir.Exec of NewExecutor's that can say where time goes.
type Profiler interface {
	// Profile has f called after every instruction with the name of what it
	// computes and its source nodes; nil switches it off.
	Profile(f func(op, source string, took time.Duration))
}

var _ Profiler = (*session)(nil)

// Profile implements Profiler.
func (s *session) Profile(f func(op, source string, took time.Duration)) {
	if f == nil {
		s.s.OnProfile(nil)
		return
	}
	s.s.OnProfile(func(fn, i int, took time.Duration) {
		in := &s.a.program.Funcs[fn].Body[i]
		name := in.Name
		switch in.Op {
		case plan.Dim:
			name = "dim"
		case plan.Copy:
			name = "copy"
		}
		f(name, strings.Join(in.Source, ","), took)
	})
}
