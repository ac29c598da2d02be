package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/mlc-go/mlc/runtime/plan"
)

// opTime is what one instruction took, on average.
type opTime struct {
	Node   string  `json:"node"`
	Kernel string  `json:"kernel"`
	Ms     float64 `json:"mean_ms"`
	Share  float64 `json:"share"`
}

// profile runs a little longer with a clock around every instruction.
func (x *benchSubject) profile(ctx context.Context) error {
	prog := x.b.model.Artifact().Program
	kernels := x.b.model.Kernels()
	took := map[[2]int]time.Duration{}
	total := time.Duration(0)
	s := x.sessions[0]
	s.OnProfile(func(fn, i int, d time.Duration) {
		took[[2]int{fn, i}] += d
		total += d
	})
	defer s.OnProfile(nil)
	n := 0
	for t0 := time.Now(); n < 5 || time.Since(t0) < time.Second && n < 1000; n++ {
		if err := s.Run(ctx); err != nil {
			return err
		}
	}
	for k, d := range took {
		in := &prog.Funcs[k[0]].Body[k[1]]
		node, kernel := "", kernels[k[0]][k[1]]
		if in.Op == plan.Copy {
			kernel = "copy"
		}
		if kernel == "" {
			continue
		}
		if len(in.Source) > 0 {
			node = in.Source[0]
		}
		x.Ops = append(x.Ops, opTime{node, kernel, ms(d) / float64(n), float64(d) / float64(total)})
	}
	slices.SortFunc(x.Ops, func(a, b opTime) int {
		switch {
		case a.Ms > b.Ms:
			return -1
		case a.Ms < b.Ms:
			return 1
		case a.Node < b.Node:
			return -1
		case a.Node > b.Node:
			return 1
		}
		return strings.Compare(a.Kernel, b.Kernel)
	})
	return nil
}
