package layout

import (
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/shape"
)

// Class is how a node treats the order of its data operands.
type Class uint8

// The classes. Plain reads and writes ONNX's order. Last reads and writes
// channels last. Any runs in whatever order, the same for its data inputs and
// outputs; Whole is Any that also bears shuffled axes. Move is Transpose,
// View changes extents only, Drop takes axes away from a value in any order,
// and Take reads ONNX's order, its last axis shuffled or not, and writes ONNX's.
const (
	ClassPlain Class = iota
	ClassLast
	ClassAny
	ClassWhole
	ClassMove
	ClassView
	ClassDrop
	ClassTake
)

// Rule is what a backend says of one node.
type Rule struct {
	Class Class
	Data  []int // inputs that the class speaks of; others are read plain, or are constants
	Perm  []int // of Move
	Axes  []int // of Drop
}

// Costs are the backend's part of the problem.
type Costs struct {
	Rule func(n *ir.Node) Rule
	// Entry and Exit say how parameters and results of the function are stored;
	// false leaves the choice free, with channels last where it does not matter.
	Entry func(i int, p *ir.Value) (Order, bool)
	Exit  func(i int, r *ir.Value) (Order, bool)
}

// Assignment is the order of each value, where it is written and where it is
// read.
type Assignment struct {
	out  map[*ir.Value]Order
	in   map[read]Order
	exit []Order
}

type read struct {
	n *ir.Node
	i int
}

// Out is the order in which v is written; constants are in ONNX's order.
func (a *Assignment) Out(v *ir.Value) Order { return a.out[v] }

// In is the order in which n reads its input i.
func (a *Assignment) In(n *ir.Node, i int) Order { return a.in[read{n, i}] }

// Exit is the order in which result i leaves the function.
func (a *Assignment) Exit(i int) Order { return a.exit[i] }

// Solve finds the orders with the fewest elements moved. Shapes must be fixed;
// values without fixed extents are stored plainly. Equal functions get equal
// assignments.
func Solve(f *ir.Func, c Costs) *Assignment {
	s := &solver{c: c, g: newNetwork(), write: map[*ir.Value]choice{}, reads: map[*ir.Value][]reader{}}
	for i, p := range f.Params {
		s.param(i, p)
	}
	for _, n := range f.Nodes {
		s.visit(n)
	}
	exits := make([]choice, len(f.Results))
	for i, r := range f.Results {
		exits[i] = s.result(i, r.Value)
	}
	for _, v := range s.order {
		s.cost(v)
	}
	label := s.g.cut()
	pick := func(ch choice) Order {
		if label[ch.v] {
			return ch.order[1]
		}
		return ch.order[0]
	}
	a := &Assignment{out: map[*ir.Value]Order{}, in: map[read]Order{}}
	for _, v := range s.order {
		a.out[v] = pick(s.write[v])
		for _, r := range s.reads[v] {
			if r.at.n != nil {
				a.in[r.at] = pick(r.choice)
			}
		}
	}
	for _, e := range exits {
		a.exit = append(a.exit, pick(e))
	}
	return a
}

// choice is one of two orders, by the label of network node v.
type choice struct {
	v     int
	order [2]Order
	pin   int // 1 + the label that it has, 0: free
}

type reader struct {
	at read
	choice
}

type solver struct {
	c     Costs
	g     *network
	write map[*ir.Value]choice
	reads map[*ir.Value][]reader
	order []*ir.Value // written, in order
}

// fixed is a choice that is none.
func (s *solver) fixed(o Order) choice { return choice{order: [2]Order{o, o}} }

func (s *solver) free(o [2]Order) choice { return choice{v: s.g.node(), order: o} }

// pinned is a free choice with the outcome o, so that who reads the value may
// choose.
func (s *solver) pinned(v *ir.Value, o Order) choice {
	if o.Equal(Plain(), rankOf(v)) {
		c := s.free([2]Order{Plain(), ChannelsLast(rankOf(v))})
		s.g.arc(c.v, 1, infinite)
		c.pin = 1
		return c
	}
	c := s.free([2]Order{Plain(), o})
	s.g.arc(0, c.v, infinite)
	c.pin = 2
	return c
}

// among is the choice between the orders that v may be written in, ONNX's for
// those that are not fit.
func (s *solver) among(v *ir.Value, fit func(Order) bool) choice {
	frame := s.write[v].order
	for k, o := range frame {
		if !fit(o) {
			frame[k] = Plain()
		}
	}
	if frame[0].Equal(frame[1], rankOf(v)) {
		return s.fixed(frame[0])
	}
	return s.free(frame)
}

func (s *solver) define(v *ir.Value, c choice) {
	if v == nil {
		return
	}
	if c.v == 0 {
		c = s.pinned(v, c.order[0])
	}
	s.write[v] = c
	s.order = append(s.order, v)
}

func (s *solver) read(n *ir.Node, i int, c choice) {
	v := n.In[i]
	if v == nil || v.Const() != nil {
		return
	}
	s.reads[v] = append(s.reads[v], reader{read{n, i}, c})
}

func rankOf(v *ir.Value) int {
	if v == nil || !v.Type.Ranked() {
		return -1
	}
	return len(v.Type.Dims)
}

// Extents are the fixed extents of v.
func Extents(v *ir.Value) ([]int, bool) {
	if v == nil || !v.Type.Ranked() {
		return nil, false
	}
	return shape.Consts(v.Type.Dims)
}

func (s *solver) param(i int, p *ir.Value) {
	if o, ok := s.c.Entry(i, p); ok {
		s.define(p, s.fixed(o))
		return
	}
	c := s.free([2]Order{Plain(), ChannelsLast(rankOf(p))})
	s.g.arc(0, c.v, 1)
	s.define(p, c)
}

func (s *solver) result(i int, v *ir.Value) choice {
	o, ok := s.c.Exit(i, v)
	if v.Const() != nil {
		return s.fixed(o)
	}
	c := s.fixed(o)
	if !ok {
		// Who takes it is told axes, so that none may be shuffled.
		if c = s.among(v, func(o Order) bool { return len(o.Inner) == 0 }); c.v != 0 {
			s.g.arc(0, c.v, 1)
		}
	}
	s.reads[v] = append(s.reads[v], reader{choice: c})
	return c
}

// visit gives a node its choices.
func (s *solver) visit(n *ir.Node) {
	if n.Const != nil {
		return
	}
	r := s.c.Rule(n)
	ok := false
	switch r.Class {
	case ClassLast:
		ok = s.last(n, r)
	case ClassAny, ClassWhole:
		ok = s.any(n, r)
	case ClassMove, ClassView, ClassDrop:
		ok = s.move(n, r)
	case ClassTake:
		ok = s.take(n, r)
	}
	if !ok {
		for i := range n.In {
			s.read(n, i, s.fixed(Plain()))
		}
		for _, v := range n.Out {
			s.define(v, s.fixed(Plain()))
		}
	}
}

func (s *solver) others(n *ir.Node, r Rule) {
	for i := range n.In {
		if !slices.Contains(r.Data, i) {
			s.read(n, i, s.fixed(Plain()))
		}
	}
}

func (s *solver) last(n *ir.Node, r Rule) bool {
	s.others(n, r)
	for _, i := range r.Data {
		s.read(n, i, s.fixed(ChannelsLast(rankOf(n.In[i]))))
	}
	for _, v := range n.Out {
		s.define(v, s.fixed(ChannelsLast(rankOf(v))))
	}
	return true
}

// any takes the orders of the operand that looks most like the result.
func (s *solver) any(n *ir.Node, r Rule) bool {
	out := n.Out[0]
	rank := rankOf(out)
	var lead *ir.Value
	for _, i := range r.Data {
		v := n.In[i]
		if v == nil || v.Const() != nil || rankOf(v) != rank {
			continue
		}
		if lead == nil || !shape.EqualAll(lead.Type.Dims, out.Type.Dims) && shape.EqualAll(v.Type.Dims, out.Type.Dims) {
			lead = v
		}
	}
	if lead == nil {
		return false
	}
	frame := s.write[lead].order
	same := shape.EqualAll(lead.Type.Dims, out.Type.Dims)
	for _, o := range frame {
		if len(o.Inner) > 0 && !(r.Class == ClassWhole && same) {
			return false
		}
	}
	c := s.free(frame)
	s.others(n, r)
	for _, i := range r.Data {
		if rankOf(n.In[i]) == rank {
			s.read(n, i, c)
		} else {
			s.read(n, i, s.fixed(Plain()))
		}
	}
	for _, v := range n.Out {
		if rankOf(v) == rank {
			s.define(v, c)
		} else {
			s.define(v, s.fixed(Plain()))
		}
	}
	return true
}

// move passes an order through a change of axes.
func (s *solver) move(n *ir.Node, r Rule) bool {
	in, out := n.In[0], n.Out[0]
	if in == nil || in.Const() != nil {
		return false
	}
	from, ok1 := Extents(in)
	to, ok2 := Extents(out)
	if !ok1 || !ok2 {
		return false
	}
	frame := s.write[in].order
	var moved [2]Order
	for k, o := range frame {
		ok := true
		switch r.Class {
		case ClassMove:
			moved[k] = o.Moved(r.Perm)
		case ClassView:
			moved[k], ok = o.Reshaped(from, to)
		case ClassDrop:
			moved[k], ok = o.Dropped(len(from), r.Axes)
		}
		if !ok {
			// Only the other order goes through.
			frame[k], moved[k] = frame[1-k], moved[1-k]
			if k == 0 {
				return s.through(n, r, frame[1], from, to)
			}
		}
	}
	c := s.free(frame)
	s.others(n, Rule{Data: []int{0}})
	if pin := s.write[in].pin; pin > 0 && r.Class == ClassMove && !moved[0].Equal(Plain(), len(to)) && !moved[1].Equal(Plain(), len(to)) {
		// The operand's order is known: the other choice is to move the
		// elements as the node says.
		c.order = [2]Order{frame[pin-1], frame[pin-1]}
		moved[2-pin] = Plain()
		if pin == 1 {
			s.g.arc(c.v, 1, weight(to))
		} else {
			s.g.arc(0, c.v, weight(to))
		}
	}
	s.read(n, 0, c)
	s.define(out, choice{v: c.v, order: moved})
	return true
}

func (s *solver) through(n *ir.Node, r Rule, o Order, from, to []int) bool {
	var m Order
	ok := true
	switch r.Class {
	case ClassView:
		m, ok = o.Reshaped(from, to)
	case ClassDrop:
		m, ok = o.Dropped(len(from), r.Axes)
	default:
		return false
	}
	if !ok {
		return false
	}
	s.others(n, Rule{Data: []int{0}})
	s.read(n, 0, s.fixed(o))
	s.define(n.Out[0], s.fixed(m))
	return true
}

// take reads the operand as it is written where only its last axis is shuffled:
// that is what the backend can follow.
func (s *solver) take(n *ir.Node, r Rule) bool {
	s.others(n, r)
	for _, i := range r.Data {
		v := n.In[i]
		if v == nil || v.Const() != nil {
			continue
		}
		rank := rankOf(v)
		s.read(n, i, s.among(v, func(o Order) bool {
			_, last := o.Inner[rank-1]
			return slices.IsSorted(o.Axes(rank)) && (len(o.Inner) == 0 || last && len(o.Inner) == 1)
		}))
	}
	for _, v := range n.Out {
		s.define(v, s.fixed(Plain()))
	}
	return true
}

// weight is what moving v costs: a copy has a price of its own, so that two
// small ones are not better than one.
func weight(dims []int) int64 {
	w := int64(1)
	for _, d := range dims {
		w = min(w*int64(max(d, 1)), 1<<40)
	}
	return 16*w + 4096
}

// cost adds what reading v in other orders costs.
func (s *solver) cost(v *ir.Value) {
	dims, ok := Extents(v)
	if !ok {
		return
	}
	w := s.write[v]
	differ := func(a, b Order) bool { return !a.Equal(b, len(dims)) }
	price := func(a, b Order) int64 {
		switch {
		case !differ(a, b):
			return 0
		case SameMemory(a, b, dims):
			return 64 // new extents, nothing moves
		}
		return weight(dims)
	}
	cost := price(w.order[0], w.order[1])
	// Readers share one copy in each order of the writer's.
	need := [2]int{-1, -1}
	for _, r := range s.reads[v] {
		for k := range 2 {
			want := w.order[k]
			eq := [2]bool{!differ(r.order[0], want), !differ(r.order[1], want)}
			if !differ(w.order[1-k], want) {
				continue // no such copy is ever needed
			}
			if need[k] < 0 && (eq[0] || eq[1]) {
				need[k] = s.g.node()
				if k == 1 {
					s.g.arc(need[k], w.v, cost) // written as 0, wanted as 1
				} else {
					s.g.arc(w.v, need[k], cost)
				}
			}
			s.wants(r.choice, eq, need[k], k)
		}
		s.foreign(w, r.choice, price, differ)
	}
}

// wants ties reader r to the copy in order k of the value, node t: label k of t
// says that the copy is wanted.
func (s *solver) wants(r choice, eq [2]bool, t, k int) {
	if eq[0] && eq[1] || r.v == 0 && eq[0] {
		if k == 1 {
			s.g.arc(0, t, infinite)
		} else {
			s.g.arc(t, 1, infinite)
		}
		return
	}
	switch {
	case k == 1 && eq[1]:
		s.g.arc(r.v, t, infinite)
	case k == 0 && eq[0]:
		s.g.arc(t, r.v, infinite)
	}
}

// foreign adds the cost of a reader whose orders are not the writer's.
func (s *solver) foreign(w, r choice, price func(a, b Order) int64, differ func(a, b Order) bool) {
	in := func(o Order) bool { return !differ(o, w.order[0]) || !differ(o, w.order[1]) }
	aligned := !differ(r.order[0], w.order[0]) && !differ(r.order[1], w.order[1])
	if aligned || in(r.order[0]) && in(r.order[1]) && !differ(r.order[0], r.order[1]) {
		return // told by wants
	}
	var c [2][2]int64
	for x := range 2 {
		for y := range 2 {
			c[x][y] = price(w.order[x], r.order[y])
		}
	}
	// What wants told already is taken away.
	for x := range 2 {
		if !differ(r.order[x], w.order[x]) {
			c[1-x][x] = 0
		}
	}
	s.pair(w.v, r.v, c)
}

// pair adds c[x][y] for labels x of a and y of b, where a cut can say it.
func (s *solver) pair(a, b int, c [2][2]int64) {
	if a == 0 && b == 0 {
		return
	}
	if a == 0 { // no choice: both rows are equal
		s.unary(b, c[0][0], c[0][1])
		return
	}
	if b == 0 {
		s.unary(a, c[0][0], c[1][0])
		return
	}
	if cross := c[0][1] + c[1][0] - c[0][0] - c[1][1]; cross >= 0 {
		s.unary(a, c[0][0], c[1][0])
		s.unary(b, 0, c[1][1]-c[1][0])
		s.g.arc(b, a, cross)
	}
}

func (s *solver) unary(v int, zero, one int64) {
	if one > zero {
		s.g.arc(v, 1, one-zero)
	} else {
		s.g.arc(0, v, zero-one)
	}
}
