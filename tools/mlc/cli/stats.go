package cli

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
	"github.com/mlc-go/mlc/runtime/plan"
)

// stats are the sums of a program that reports give.
type stats struct {
	calls    int
	macs     int64 // of Conv, ConvTranspose, MatMul, Gemm and RNN, symbols at their lower bounds
	fastMACs int64 // of those, in kernels that are neither reference functions nor generic twins
	elems    int64 // that instructions compute, symbols at their lower bounds
	launches int
	onDevice struct{ macs, elems int64 }
	consts   int64 // bytes
}

// share is the part of the multiply-adds in fast kernels; 1 where there are
// none.
func (s stats) share() float64 {
	return part(s.fastMACs, s.macs)
}

// programStats counts for a machine that has every feature the program's
// target names: the first alternative runs.
func programStats(p *plan.Program, set *kernel.Set) stats {
	var s stats
	for _, f := range p.Funcs {
		for i := range f.Body {
			in := &f.Body[i]
			if in.Op == plan.Launch {
				n := elements(p, f, in)
				s.launches++
				s.macs, s.fastMACs, s.elems = s.macs+in.MACs, s.fastMACs+in.MACs, s.elems+n
				s.onDevice.macs, s.onDevice.elems = s.onDevice.macs+in.MACs, s.onDevice.elems+n
				continue
			}
			if len(in.Alts) == 0 {
				continue
			}
			s.calls++
			s.macs += in.MACs
			s.elems += elements(p, f, in)
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

// elements is how many an instruction computes, symbols at their lower bounds;
// those whose extents the data decide do not count.
func elements(p *plan.Program, f *plan.Func, in *plan.Instr) int64 {
	total := int64(0)
	for _, s := range in.Out {
		if s == plan.None {
			continue
		}
		dims, err := plan.EvalDims(f.Slots[s].Type, lowest(p))
		if n, ok := tensor.Count(dims); err == nil && ok {
			total += int64(n)
		}
	}
	return total
}

// deviceShare is what of a program runs on a device.
type deviceShare struct {
	Launches int     `json:"launches"`
	MACs     float64 `json:"mac_share"`
	Elements float64 `json:"element_share"` // of all elements that instructions compute
	Memory   int     `json:"memory_bytes"`  // for intermediate values there
}

// device is nil for a program without launches.
func (s stats) device(p *plan.Program) *deviceShare {
	if s.launches == 0 {
		return nil
	}
	d := &deviceShare{Launches: s.launches, MACs: part(s.onDevice.macs, s.macs), Elements: part(s.onDevice.elems, s.elems)}
	for _, f := range p.Funcs {
		if fr, err := plan.Layout(f, lowest(p)); err == nil {
			d.Memory += fr.Device
		}
	}
	return d
}

// lowest gives entry symbols their lower bounds, at least 1.
func lowest(p *plan.Program) plan.Env {
	return func(name string) (int64, bool) {
		for i := range p.Syms {
			if p.Syms[i].Name == name {
				return max(1, p.Syms[i].Lo), p.Syms[i].Entry
			}
		}
		return 0, false
	}
}

func (d *deviceShare) String() string {
	return fmt.Sprintf("%d launches, %.2f %% of MACs and %.2f %% of elements on the device, %s of memory there", d.Launches, 100*d.MACs, 100*d.Elements, bytesText(int64(d.Memory)))
}

// part is x of y, 1 where y is 0.
func part(x, y int64) float64 {
	if y == 0 {
		return 1
	}
	return float64(x) / float64(y)
}
