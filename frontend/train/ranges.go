package train

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/dtype"
)

// follower is a range kept as two states, and what the batch has in the places
// that share it.
type follower struct {
	lo, hi      *ir.Value   // parameters that read the states
	mins, maxes []*ir.Value // one for each FakeQuantize
}

// fakeQuantize copies a FakeQuantize and asks it for the extremes of the batch.
func (s *step) fakeQuantize(cl *ir.Cloner, n *ir.Node) error {
	in := []*ir.Value{cl.Value(n.In[0]), cl.Value(n.In[1]), cl.Value(n.In[2])}
	if in[1].Type.Rank() != 0 || in[2].Type.Rank() != 0 {
		cl.Node(s.f, len(s.f.Nodes), n) // ranges along an axis follow nothing
		s.b = ir.NewBuilder(s.f, -1, s.c.Ops)
		return nil
	}
	out := s.b.OpN(fakeQuantize, 3, n.Attrs.Clone(), nil, in...)
	if err := s.b.Err(); err != nil {
		return err
	}
	cl.Values[n.Out[0]] = out[0]
	i := slices.IndexFunc(s.ranges, func(r follower) bool { return r.lo == in[1] && r.hi == in[2] })
	if i < 0 {
		i = len(s.ranges)
		s.ranges = append(s.ranges, follower{lo: in[1], hi: in[2]})
	}
	r := &s.ranges[i]
	r.mins, r.maxes = append(r.mins, out[1]), append(r.maxes, out[2])
	return nil
}

// follow writes how ranges move: each by RangeRate towards that of the batch,
// as long as the step's number is below RangeSteps. The forward pass reads
// them as they were before.
func (s *step) follow() {
	s.b.Source = []string{"ranges"}
	var moving *ir.Value
	if n := s.c.RangeSteps; n > 0 {
		moving = s.b.Op("Less", nil, s.b.Op("Squeeze", nil, s.count), s.b.Scalar(dtype.I64, float64(n)))
	}
	for _, r := range s.ranges {
		for _, b := range []struct {
			old   *ir.Value
			batch []*ir.Value
			join  string
		}{{r.lo, r.mins, "Min"}, {r.hi, r.maxes, "Max"}} {
			now := b.batch[0]
			if len(b.batch) > 1 {
				now = s.b.Op(b.join, nil, b.batch...)
			}
			next := s.b.Op("Add", nil, b.old, s.b.Op("Mul", nil, s.b.Op("Sub", nil, now, b.old), s.b.Scalar(dtype.F32, s.c.RangeRate)))
			if moving != nil {
				next = s.b.Op("Where", nil, moving, next, b.old)
			}
			s.writes = append(s.writes, write{b.old.State, next})
		}
	}
}
