package passes

import (
	"math/rand/v2"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/passes/rewrite"
)

// shuffle puts the nodes of every function and region into a random legal
// order. Stateful and Random nodes keep theirs.
func shuffle(m *ir.Module, seed, run uint64) {
	r := rand.New(rand.NewPCG(seed, run))
	var fn func(f *ir.Func)
	fn = func(f *ir.Func) {
		for _, n := range f.Nodes {
			for _, g := range n.Regions {
				fn(g)
			}
		}
		shuffleFunc(f, r)
	}
	for _, f := range m.Funcs {
		fn(f)
	}
}

func shuffleFunc(f *ir.Func, r *rand.Rand) {
	waits := map[*ir.Node]int{}
	readers := map[*ir.Node][]*ir.Node{}
	var prev *ir.Node
	for _, n := range f.Nodes {
		after := func(d *ir.Node) {
			if d != nil && d.Func == f {
				waits[n]++
				readers[d] = append(readers[d], n)
			}
		}
		for _, v := range n.In {
			if v != nil {
				after(v.Node)
			}
		}
		for _, v := range rewrite.Captured(n) {
			after(v.Node)
		}
		if !n.Def.Has(ir.Pure) {
			after(prev)
			prev = n
		}
	}
	var ready []*ir.Node
	for _, n := range f.Nodes {
		if waits[n] == 0 {
			ready = append(ready, n)
		}
	}
	out := make([]*ir.Node, 0, len(f.Nodes))
	for len(ready) > 0 {
		i := r.IntN(len(ready))
		n := ready[i]
		ready[i] = ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		out = append(out, n)
		for _, k := range readers[n] {
			if waits[k]--; waits[k] == 0 {
				ready = append(ready, k)
			}
		}
	}
	copy(f.Nodes, out)
}
