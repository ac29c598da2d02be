package ref

import (
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// LSTMGrad is the gradient of LSTM, back through time: in are the inputs of
// LSTM, then dY, dY_h, dY_c; out are the gradients of X, W, R, B, initial_h,
// initial_c and P. The forward pass is repeated and its states kept.
func LSTMGrad(c kernel.Ctx, in, out []tensor.Value, a attr.Map) error {
	var g lstmGrad
	if err := g.set(in[:min(8, len(in))], a); err != nil {
		return err
	}
	state := g.stateDims(g.dirs)
	for i, dst := range [...]**tensor.Tensor{&g.dy, &g.dyh, &g.dyc} {
		if !present(in, 8+i) {
			continue
		}
		*dst = &in[8+i].Tensor
		want := state[:]
		if i == 0 {
			want = []int{g.steps, g.dirs, g.batch, g.hidden}
			if g.batchFirst {
				want = []int{g.batch, g.steps, g.dirs, g.hidden}
			}
		}
		if err := sameDims([...]string{"dY", "dY_h", "dY_c"}[i], (*dst).Dims(), want); err != nil {
			return err
		}
	}
	g.alloc()
	for d := range g.dirs {
		for b := range g.batch {
			g.forward(d, b)
			g.backward(d, b)
		}
	}
	sources := [...]*tensor.Tensor{g.x, g.w, g.r, g.b, g.h0, g.c0, g.p}
	for i, sum := range [...][]float64{g.dx, g.dw, g.dr, g.db, g.dh0, g.dc0, g.dp} {
		if wanted(out, i) && sources[i] != nil {
			store(output(c, out, i, g.x.DType(), sources[i].Dims()...), 0, sum)
		} else if wanted(out, i) {
			output(c, out, i, g.x.DType(), 0)
		}
	}
	return nil
}

// LSTMGradDesc describes LSTMGrad.
var LSTMGradDesc = kernel.Desc{ID: "ref.mlc.LSTMGrad", Op: "ref.mlc.LSTMGrad", Ref: LSTMGrad}

// lstmGrad is an LSTM with the sums of its gradients.
type lstmGrad struct {
	lstm
	dy, dyh, dyc                 *tensor.Tensor // nil where absent
	dx, dw, dr, db, dh0, dc0, dp []float64
	in                           []float64    // one step of X
	h, c                         []float64    // states before each step and after the last
	units                        [][]unitStep // by step
	dh, dc, dhPrev, pre          []float64
}

func (g *lstmGrad) alloc() {
	h, h4 := g.hidden, gates*g.hidden
	g.dx = make([]float64, g.x.Len())
	g.dw, g.dr, g.db, g.dp = make([]float64, g.w.Len()), make([]float64, g.r.Len()), make([]float64, 2*g.dirs*h4), make([]float64, 3*g.dirs*h)
	g.dh0, g.dc0 = make([]float64, g.dirs*g.batch*h), make([]float64, g.dirs*g.batch*h)
	g.in = make([]float64, g.width)
	g.h, g.c = make([]float64, (g.steps+1)*h), make([]float64, (g.steps+1)*h)
	g.dh, g.dc, g.dhPrev, g.pre = make([]float64, h), make([]float64, h), make([]float64, h), make([]float64, h4)
	g.units = make([][]unitStep, g.steps)
	for t := range g.units {
		g.units[t] = make([]unitStep, h)
	}
}

// forward repeats the steps of sequence b in direction d.
func (g *lstmGrad) forward(d, b int) {
	h := g.hidden
	g.start(d, b, g.h[:h], g.c[:h])
	steps := g.length(b)
	for s := range steps {
		load(g.in, g.x, g.xAt(g.time(d, s, steps), b), 1, g.width)
		for j := range h {
			u := g.unit(d, j, g.in, g.h[s*h:(s+1)*h], g.c[s*h+j])
			g.units[s][j] = u
			g.h[(s+1)*h+j], g.c[(s+1)*h+j] = u.h, u.c
		}
	}
}

// backward hands the gradients of the outputs back, last step first.
func (g *lstmGrad) backward(d, b int) {
	h := g.hidden
	clear(g.dh)
	clear(g.dc)
	if g.dyh != nil {
		load(g.dh, g.dyh, g.hAt(d, b), 1, h)
	}
	if g.dyc != nil {
		load(g.dc, g.dyc, g.hAt(d, b), 1, h)
	}
	steps := g.length(b)
	for s := steps - 1; s >= 0; s-- {
		t := g.time(d, s, steps)
		if g.dy != nil {
			for j := range h {
				g.dh[j] += g.dy.Float(g.yAt(t, d, b) + j)
			}
		}
		for j := range h {
			g.gatesBack(d, s, j)
		}
		g.weightsBack(d, s, g.xAt(t, b))
	}
	copy(g.dh0[g.hAt(d, b):], g.dh)
	copy(g.dc0[g.hAt(d, b):], g.dc)
}

// gatesBack turns the gradients of unit j's states after step s into those of
// what entered its gates, and of its cell before.
func (g *lstmGrad) gatesBack(d, s, j int) {
	u := &g.units[s][j]
	before := g.c[s*g.hidden+j]
	act := g.act[3*d:]
	hc := act[2].apply(u.c)
	dc := g.dc[j] + float64(g.dh[j]*u.gate[gateO]*act[2].slope(u.c, hc))
	var dp [gates]float64
	dp[gateO] = float64(g.dh[j] * hc * g.slopeAt(&act[0], u, gateO))
	dc += g.peepBack(d, gateO, j, dp[gateO], u.c)
	di, df := float64(dc*u.gate[gateC]), float64(dc*before)
	if g.coupled {
		di, df = di-df, 0
	}
	dp[gateI] = float64(di * g.slopeAt(&act[0], u, gateI))
	if !g.coupled {
		dp[gateF] = float64(df * g.slopeAt(&act[0], u, gateF))
	}
	dp[gateC] = float64(dc * u.gate[gateI] * g.slopeAt(&act[1], u, gateC))
	prev := float64(dc * u.gate[gateF])
	prev += g.peepBack(d, gateI, j, dp[gateI], before)
	prev += g.peepBack(d, gateF, j, dp[gateF], before)
	g.dc[j] = prev
	for q, v := range dp {
		g.pre[q*g.hidden+j] = v
	}
}

// slopeAt is the derivative of a gate in what entered it: 0 where it was
// clipped.
func (g *lstmGrad) slopeAt(f *rnnAct, u *unitStep, gate int) float64 {
	x := g.bound(u.pre[gate])
	if x != u.pre[gate] {
		return 0
	}
	return f.slope(x, u.gate[gate])
}

// peepBack adds to dP and gives the share of the cell.
func (g *lstmGrad) peepBack(d, gate, j int, dpre, c float64) float64 {
	if g.p == nil {
		return 0
	}
	i := (3*d+gate)*g.hidden + j
	g.dp[i] += float64(dpre * c)
	return float64(dpre * g.p.Float(i))
}

// weightsBack adds to dX, dW, dR and dB what the gates of step s say, and
// leaves in dh the gradient of the state before.
func (g *lstmGrad) weightsBack(d, s, xo int) {
	h, h4 := g.hidden, gates*g.hidden
	clear(g.dhPrev)
	load(g.in, g.x, xo, 1, g.width)
	for q, v := range g.pre {
		row := d*h4 + q
		for i, x := range g.in {
			g.dw[row*g.width+i] += float64(v * x)
			g.dx[xo+i] += float64(v * g.w.Float(row*g.width+i))
		}
		for i, x := range g.h[s*h : (s+1)*h] {
			g.dr[row*h+i] += float64(v * x)
			g.dhPrev[i] += float64(v * g.r.Float(row*h+i))
		}
		g.db[2*d*h4+q] += v
		g.db[(2*d+1)*h4+q] += v
	}
	g.dh, g.dhPrev = g.dhPrev, g.dh
}
