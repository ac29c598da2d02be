package cli

import (
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// stats are the sums of a program that reports give.
type stats struct {
	calls    int
	macs     int64 // of Conv, ConvTranspose, MatMul, Gemm and RNN, symbols at their lower bounds
	fastMACs int64 // of those, in kernels that are neither reference functions nor generic twins
	consts   int64 // bytes
}

// share is the part of the multiply-adds in fast kernels; 1 where there are
// none.
func (s stats) share() float64 {
	if s.macs == 0 {
		return 1
	}
	return float64(s.fastMACs) / float64(s.macs)
}

// programStats counts for a machine that has every feature the program's
// target names: the first alternative runs.
func programStats(p *plan.Program, set *kernel.Set) stats {
	var s stats
	for _, f := range p.Funcs {
		for i := range f.Body {
			in := &f.Body[i]
			if len(in.Alts) == 0 {
				continue
			}
			s.calls++
			s.macs += in.MACs
			if d := set.Get(in.Alts[0].Kernel); d != nil && d.Fast {
				s.fastMACs += in.MACs
			}
		}
	}
	for i := range p.Consts {
		n := int64(1)
		for _, d := range p.Consts[i].Dims {
			n *= int64(d)
		}
		s.consts += int64(p.Consts[i].DType.Bytes(int(n)))
	}
	return s
}
