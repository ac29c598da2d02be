package ref

import (
	"fmt"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// MatMul is numpy's matmul: the matrices in the last two axes are multiplied,
// the axes before broadcast; a vector A is a row, a vector B a column, and the
// axis that it lacks is missing in Y too. Integers wrap.
func MatMul(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	a, b := &in[0].Tensor, &in[1].Tensor
	ra, rb := a.Rank(), b.Rank()
	if ra < 1 || rb < 1 || ra > maxRank || rb > maxRank {
		return badShape("ranks of A and B", fmt.Sprint(ra, " and ", rb), "1 or more")
	}
	m, k, n := 1, a.Dim(ra-1), 1
	if ra > 1 {
		m = a.Dim(ra - 2)
	}
	kb := b.Dim(max(0, rb-2))
	if rb > 1 {
		n = b.Dim(rb - 1)
	}
	if k != kb {
		return badExtent("B rows", kb, k)
	}
	var buf [maxRank]int
	ba, bb := a.Dims()[:max(0, ra-2)], b.Dims()[:max(0, rb-2)]
	batch, ok := bcastDims(&buf, ba, bb)
	if !ok {
		return diag.New(diag.Shape, "cannot broadcast the batches %v and %v", ba, bb)
	}
	var full [maxRank + 2]int
	dims := append(full[:0], batch...)
	if ra > 1 {
		dims = append(dims, m)
	}
	if rb > 1 {
		dims = append(dims, n)
	}
	y := output(c, out, 0, a.DType(), dims...)
	w := newWalker(batch, ba, bb)
	count := 1
	for _, d := range batch {
		count *= d
	}
	for i := range count {
		p := matrices{y: y, yo: i * m * n, m: m, n: n, k: k, alpha: 1,
			a: a, ao: w.off[0] * m * k, am: k, ak: 1,
			b: b, bo: w.off[1] * k * n, bk: n, bn: 1}
		p.run()
		w.next()
	}
	return nil
}

// MatMulDesc describes MatMul.
var MatMulDesc = kernel.Desc{ID: "ref.MatMul", Op: "ref.MatMul", Ref: MatMul}

// Gemm is Y = alpha*A'*B' + beta*C, where ' transposes if asked and C
// broadcasts to Y. Integers wrap (alpha and beta are whole there).
func Gemm(c kernel.Ctx, in, out []tensor.Value, at attr.Map) error {
	a, b := &in[0].Tensor, &in[1].Tensor
	if a.Rank() != 2 || b.Rank() != 2 {
		return badShape("ranks of A and B", fmt.Sprint(a.Rank(), " and ", b.Rank()), "2 and 2")
	}
	p := matrices{a: a, b: b, alpha: float64(at.Float("alpha")), beta: float64(at.Float("beta"))}
	p.m, p.k, p.am, p.ak = a.Dim(0), a.Dim(1), a.Dim(1), 1
	if at.Bool("transA") {
		p.m, p.k, p.am, p.ak = a.Dim(1), a.Dim(0), 1, a.Dim(1)
	}
	kb := b.Dim(0)
	p.n, p.bk, p.bn = b.Dim(1), b.Dim(1), 1
	if at.Bool("transB") {
		kb = b.Dim(1)
		p.n, p.bk, p.bn = b.Dim(0), 1, b.Dim(1)
	}
	if kb != p.k {
		return badExtent("B rows", kb, p.k)
	}
	if present(in, 2) {
		p.c = &in[2].Tensor
		d := p.c.Dims()
		r := len(d)
		if r > 2 || r > 0 && d[r-1] != 1 && d[r-1] != p.n || r > 1 && d[0] != 1 && d[0] != p.m {
			return badShape("C", fmt.Sprint(d), fmt.Sprintf("broadcastable to [%d %d]", p.m, p.n))
		}
		if r > 0 && d[r-1] != 1 {
			p.cn = 1
		}
		if r > 1 && d[0] != 1 {
			p.cm = d[1]
		}
	}
	p.y = output(c, out, 0, a.DType(), p.m, p.n)
	p.run()
	return nil
}

// GemmDesc describes Gemm.
var GemmDesc = kernel.Desc{ID: "ref.Gemm", Op: "ref.Gemm", Ref: Gemm}

// matrices holds Y = alpha*A*B + beta*C for one pair of strided matrices; Y is
// dense.
type matrices struct {
	y, a, b, c  *tensor.Tensor // c may be nil
	yo, ao, bo  int            // offsets of the matrices
	m, n, k     int
	am, ak      int // steps of A along m and k
	bk, bn      int
	cm, cn      int
	alpha, beta float64
}

func (p *matrices) run() {
	if !p.y.DType().IsFloat() {
		p.integers()
		return
	}
	var s sums
	for i := 0; i < p.m; i += rows {
		for j := 0; j < p.n; j += cols {
			p.block(&s, i, j, min(rows, p.m-i), min(cols, p.n-j))
		}
	}
}

// block computes the outputs at (i, j) on; each is one ascending sum over k.
func (p *matrices) block(s *sums, i, j, ni, nj int) {
	for r := range ni {
		clear(s.acc[r][:nj])
	}
	for k := range p.k {
		load(s.x[:], p.b, p.bo+k*p.bk+j*p.bn, p.bn, nj)
		for r := range ni {
			axpy(s.acc[r][:nj], p.a.Float(p.ao+(i+r)*p.am+k*p.ak), s.x[:nj])
		}
	}
	for r := range ni {
		acc := s.acc[r][:nj]
		if p.alpha != 1 {
			for t := range acc {
				acc[t] = float64(p.alpha * acc[t])
			}
		}
		if p.c != nil {
			for t := range acc {
				acc[t] += float64(p.beta * p.c.Float((i+r)*p.cm+(j+t)*p.cn))
			}
		}
		store(p.y, p.yo+(i+r)*p.n+j, acc)
	}
}

// integers is run for integer types: sums modulo 2^64, low bits kept.
func (p *matrices) integers() {
	alpha, beta := int64(p.alpha), int64(p.beta)
	for i := range p.m {
		for j := range p.n {
			var acc int64
			for k := range p.k {
				acc += p.a.Int(p.ao+i*p.am+k*p.ak) * p.b.Int(p.bo+k*p.bk+j*p.bn)
			}
			acc *= alpha
			if p.c != nil {
				acc += beta * p.c.Int(i*p.cm+j*p.cn)
			}
			p.y.SetInt(p.yo+i*p.n+j, acc)
		}
	}
}
