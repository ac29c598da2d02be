package ref

import (
	"math"
	"slices"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// If runs region 0 where cond is true and region 1 where it is false; the
// results of the one are the outputs.
func If(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	cond := &in[0].Tensor
	if cond.Len() != 1 {
		return diag.New(diag.Shape, "condition of shape %v, want one element", cond.Dims())
	}
	if cond.Int(0) != 0 {
		return c.Region(0, nil, out)
	}
	return c.Region(1, nil, out)
}

// IfDesc describes If.
var IfDesc = kernel.Desc{ID: "ref.If", Op: "ref.If", Ref: If}

// Loop runs its region up to M times while cond holds. The region maps
// (iteration, cond, carried...) to (cond, carried..., scanned...); the outputs
// are the last carried values and the scanned ones, stacked. The context is
// asked before every iteration.
func Loop(c kernel.Ctx, in, out []tensor.Value, _ attr.Map) error {
	carried := max(len(in)-2, 0)
	if len(out) < carried {
		return diag.New(diag.Internal, "loop of %d carried values has %d outputs", carried, len(out))
	}
	trips, cond, err := loopBounds(in)
	if err != nil {
		return err
	}
	l := loopRun{args: make([]tensor.Value, 2+carried), res: make([]tensor.Value, 1+len(out)), scans: make([][]tensor.Tensor, len(out)-carried)}
	l.keep[0], l.keep[1] = make([]tensor.Value, carried), make([]tensor.Value, carried)
	iter, going := tensor.Int64s(0), tensor.MustOf([]bool{true})
	iter, _ = iter.View()
	going, _ = going.View()
	copy(l.args[2:], in[min(2, len(in)):])
	h, _ := c.(kernel.Holder)
	defer func() {
		if h != nil {
			h.Hold(-l.held)
		}
	}()
	for i := int64(0); i < trips && cond; i++ {
		if err := c.Err(); err != nil {
			return err
		}
		iter.SetInt(0, i)
		going.SetInt(0, 1)
		l.args[0], l.args[1] = tensor.V(iter), tensor.V(going)
		clear(l.res)
		if err := c.Region(0, l.args, l.res); err != nil {
			return err
		}
		if cond, err = l.after(h, int(i&1), present(in, 1)); err != nil {
			return err
		}
	}
	for i := range carried {
		copyValue(c, out, i, &l.args[2+i])
	}
	for i, s := range l.scans {
		if err := stackScan(c, out, carried+i, s, 1+carried+i); err != nil {
			return err
		}
	}
	return nil
}

// LoopDesc describes Loop.
var LoopDesc = kernel.Desc{ID: "ref.Loop", Op: "ref.Loop", Ref: Loop}

// loopBounds reads M and cond; both may be absent.
func loopBounds(in []tensor.Value) (trips int64, cond bool, err error) {
	trips, cond = math.MaxInt64, true
	if present(in, 0) {
		if in[0].Tensor.Len() != 1 {
			return 0, false, diag.New(diag.Shape, "trip count of shape %v, want one element", in[0].Tensor.Dims())
		}
		trips = in[0].Tensor.Int(0)
	}
	if present(in, 1) {
		if in[1].Tensor.Len() != 1 {
			return 0, false, diag.New(diag.Shape, "condition of shape %v, want one element", in[1].Tensor.Dims())
		}
		cond = in[1].Tensor.Int(0) != 0
	}
	return trips, cond, nil
}

// loopRun is the state between iterations. Values of a region live until its
// next call and may be its own arguments, so what is carried on is copied into
// the one of two sets that the call did not read.
type loopRun struct {
	args, res []tensor.Value
	keep      [2][]tensor.Value
	scans     [][]tensor.Tensor
	held      int64 // bytes of scans
}

// scanCost is about what a kept value takes beside its elements.
const scanCost = 128

// after takes over the results of an iteration; set is which kept values it
// may overwrite. It says whether the region wants to go on; heed is false
// where the operator has no condition and only the trip count decides.
func (l *loopRun) after(h kernel.Holder, set int, heed bool) (cond bool, err error) {
	if l.res[0].Kind != tensor.KindTensor || l.res[0].Tensor.Len() != 1 {
		return false, diag.New(diag.Shape, "condition of the body is %v, want one bool", l.res[0].Type())
	}
	cond = !heed || l.res[0].Tensor.Int(0) != 0
	keep := l.keep[set]
	for i := range keep {
		keepValue(&keep[i], &l.res[1+i])
	}
	for i := range l.scans {
		r := &l.res[1+len(keep)+i]
		if r.Kind != tensor.KindTensor {
			return false, diag.New(diag.Unsupported, "scan output %d is %v (supported: tensors)", i, r.Type())
		}
		if s := l.scans[i]; len(s) > 0 && (s[0].DType() != r.Tensor.DType() || !slices.Equal(s[0].Dims(), r.Tensor.Dims())) {
			return false, diag.New(diag.Shape, "scan output %d has shape %v in iteration %d, %v before", i, r.Tensor.Dims(), len(s), s[0].Dims())
		}
		if h != nil {
			n := scanCost + int64(r.Tensor.DType().Bytes(r.Tensor.Len()))
			if err := h.Hold(n); err != nil {
				return false, err
			}
			l.held += n
		}
		l.scans[i] = append(l.scans[i], r.Tensor.Clone())
	}
	copy(l.args[2:], keep)
	return cond, nil
}

// keepValue copies v into k, reusing k's buffer where it fits.
func keepValue(k, v *tensor.Value) {
	if k.Kind == tensor.KindTensor && v.Kind == tensor.KindTensor &&
		k.Tensor.DType() == v.Tensor.DType() && slices.Equal(k.Tensor.Dims(), v.Tensor.Dims()) {
		moveAll(&k.Tensor, &v.Tensor)
		return
	}
	*k = v.Clone()
}

// stackScan joins the values of all iterations along a new first axis. Where
// none ran, the region's result type (result number res) tells the rest.
func stackScan(c kernel.Ctx, out []tensor.Value, i int, s []tensor.Tensor, res int) error {
	if len(s) == 0 {
		rt, ok := c.(kernel.RegionTyper)
		if !ok {
			return diag.New(diag.Internal, "a loop without iterations needs the types of its region")
		}
		ts := rt.RegionTypes(0)
		if res >= len(ts) || !ts[res].IsTensor() {
			return diag.New(diag.Internal, "result %d of the loop's region has no tensor type", res)
		}
		dims := []int{0}
		for _, d := range ts[res].Dims {
			n, _ := d.Const() // unknown extents of nothing: 0
			dims = append(dims, satInt(n))
		}
		output(c, out, i, ts[res].DType, dims...)
		return nil
	}
	dims := append([]int{len(s)}, s[0].Dims()...)
	y, err := outputOf(c, out, i, s[0].DType(), dims...)
	if err != nil {
		return err
	}
	n := s[0].Len()
	for j := range s {
		moveRun(y, j*n, &s[j], 0, n)
	}
	return nil
}
