package kerneltest

import (
	"testing"

	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// Bench prepares a call and times its runs on one thread; ns/elem counts n
// elements a run. A kernel that this CPU cannot run is left out.
func Bench(b *testing.B, name string, d *kernel.Desc, c kernel.Call, n int) {
	if d.Run == nil || !Has(b, d.Needs) {
		return
	}
	b.Run(name+"/"+d.ID, func(b *testing.B) {
		c := c
		st, err := d.Prepare(&c)
		if err != nil {
			b.Fatal(err)
		}
		c.State = st
		if d.Scratch != nil {
			c.Scratch = tensor.AlignedBytes(d.Scratch(&c, 1))
		}
		for b.Loop() {
			d.Run(&c)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/elem")
	})
}
