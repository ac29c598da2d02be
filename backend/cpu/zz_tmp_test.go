package cpu_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"testing"
	"time"

	"github.com/mlc-go/mlc/ir/tensor"
	rcpu "github.com/mlc-go/mlc/runtime/cpu"
	"github.com/mlc-go/mlc/runtime/exec"
	"github.com/mlc-go/mlc/runtime/kernel/all"
	"github.com/mlc-go/mlc/runtime/plan"
)

func TestTmp(t *testing.T) {
	ms, _ := filepath.Glob("/tmp/w/onnx/*/model.onnx")
	for _, f := range ms {
		name := filepath.Base(filepath.Dir(f))
		if g := os.Getenv("ONLY"); g != "" && g != name {
			continue
		}
		p, err := lowerTmp(f)
		if err != nil {
			fmt.Println(name, "ERR", err)
			continue
		}
		model, err := exec.New(p, all.Set(), rcpu.Host())
		if err != nil {
			fmt.Println(name, "ERR", err)
			continue
		}
		s := model.NewSession(1, 0)
		took := map[string]time.Duration{}
		cnt := map[string]int{}
		per := map[int]time.Duration{}
		s.OnProfile(func(fn, i int, d time.Duration) {
			if o, ok := per[i]; !ok || d < o {
				per[i] = d
			}
			in := p.Funcs[fn].Body[i]
			if in.Op == plan.Call {
				took[in.Name] += d
				cnt[in.Name]++
			}
		})
		var in []tensor.Value
		ok := true
		for _, sl := range p.Main().Params {
			ty := p.Main().Slots[sl].Type
			var dims []int
			for _, d := range ty.Dims {
				n := int64(1)
				if c, k := d.Const(); k {
					n = c
				} else if len(ty.Dims) == 4 && len(dims) >= 2 {
					n = 320
				}
				dims = append(dims, int(n))
			}
			x, err := tensor.Random(ty.DType, 1, dims...)
			if err != nil {
				ok = false
			}
			in = append(in, tensor.V(x))
		}
		if !ok {
			continue
		}
		out := make([]tensor.Value, len(p.Main().Results))
		best := time.Hour
		for r := 0; r < 4; r++ {
			if r == 1 {
				clear(took)
				clear(cnt)
			}
			t0 := time.Now()
			if err = s.Run(context.Background(), in, out); err != nil {
				break
			}
			best = min(best, time.Since(t0))
		}
		if err != nil {
			fmt.Println(name, "RUN", err)
		}
		var keys []string
		var total time.Duration
		for k := range took {
			keys = append(keys, k)
			total += took[k]
		}
		sort.Slice(keys, func(a, b int) bool { return took[keys[a]] > took[keys[b]] })
		fmt.Printf("%-24s %8.2f ms:", name, best.Seconds()*1000)
		for _, k := range keys[:min(7, len(keys))] {
			fmt.Printf(" %s x%d %.0f%%", k, cnt[k]/3, 100*float64(took[k])/float64(total))
		}
		fmt.Println()
		if os.Getenv("ONLY") != "" {
			for i, in := range p.Main().Body {
				if in.MACs > 0 {
					out := p.Main().Slots[in.Out[0]].Type
					fmt.Printf("   %8.3f ms %6.2f GMAC/s %s %v %v k=%v s=%v g=%d\n", per[i].Seconds()*1000, float64(in.MACs)/per[i].Seconds()/1e9, in.Name, p.Main().Slots[in.In[0]].Type, out, in.Attrs.Ints("kernel_shape"), in.Attrs.Ints("strides"), in.Attrs.Int("group"))
				}
			}
		}
	}
}
