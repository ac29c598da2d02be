package artifact

import (
	"github.com/mlc-go/mlc/runtime/plan"
)

// program codes everything of p but the bytes of its constants.
func (c *codec) program(p *plan.Program) {
	c.str(&p.Name)
	c.str(&p.Arch)
	c.str(&p.Target)
	list(c, &p.Syms, func(s *plan.Sym) {
		c.str(&s.Name)
		c.int64(&s.Lo)
		c.int64(&s.Hi)
		c.bool(&s.Entry)
	})
	list(c, &p.Consts, func(k *plan.Const) {
		c.str(&k.Name)
		c.dtype(&k.DType)
		list(c, &k.Dims, c.int)
		c.str(&k.Format)
	})
	list(c, &p.States, func(s *plan.State) {
		c.str(&s.Name)
		c.typ(&s.Type)
		list(c, &s.Lo, c.int64)
		c.int(&s.Init)
		c.int(&s.GrowAxis)
	})
	list(c, &p.Meta, func(m *plan.Meta) {
		c.str(&m.Key)
		c.str(&m.Value)
	})
	c.bytes(&p.Code)
	list(c, &p.Funcs, func(f **plan.Func) {
		if c.reading {
			*f = new(plan.Func)
		}
		c.function(*f)
	})
}

func (c *codec) function(f *plan.Func) {
	c.str(&f.Name)
	list(c, &f.Params, c.slotID)
	list(c, &f.Results, c.slotID)
	list(c, &f.Names, c.str)
	list(c, &f.Writes, c.int)
	list(c, &f.Slots, func(s *plan.Slot) {
		c.u8((*uint8)(&s.Kind))
		c.u8((*uint8)(&s.Space))
		c.typ(&s.Type)
		c.int(&s.Index)
		c.str(&s.Name)
		c.slotID(&s.Alias)
		c.str(&s.Layout)
		c.int32(&s.First)
		c.int32(&s.Last)
	})
	list(c, &f.Body, c.instr)
}

func (c *codec) instr(in *plan.Instr) {
	c.u8((*uint8)(&in.Op))
	c.str(&in.Name)
	list(c, &in.Alts, func(a *plan.Alt) {
		c.str(&a.Kernel)
		list(c, &a.When, func(w *plan.DimRange) {
			c.dim(&w.Dim)
			c.int64(&w.Lo)
			c.int64(&w.Hi)
		})
	})
	c.attrs(&in.Attrs)
	list(c, &in.In, c.slotID)
	list(c, &in.Out, c.slotID)
	list(c, &in.Consts, c.int)
	list(c, &in.Bodies, c.int)
	c.int(&in.NIn)
	c.int(&in.Sym)
	c.int(&in.Axis)
	list(c, &in.Source, c.str)
	c.grid(&in.Grid)
	c.int64(&in.MACs)
}

// grid codes what a Launch has and other instructions have not.
func (c *codec) grid(g **plan.Grid) {
	has := *g != nil
	if c.bool(&has); !has {
		*g = nil
		return
	}
	if c.reading {
		*g = new(plan.Grid)
	}
	c.str(&(*g).Kernel)
	for i := range 3 {
		c.dim(&(*g).Count[i])
		c.int(&(*g).Tile[i])
		c.int(&(*g).Block[i])
	}
	list(c, &(*g).Args, func(a *plan.Arg) {
		c.u8((*uint8)(&a.Kind))
		c.int(&a.I)
		c.dim(&a.Dim)
	})
}

func (c *codec) int32(v *int32) {
	x := int64(*v)
	c.int64(&x)
	*v = int32(x)
	if int64(*v) != x {
		c.fail("a position is %d", x)
	}
}

func (c *codec) slotID(s *plan.SlotID) { c.int32((*int32)(s)) }
