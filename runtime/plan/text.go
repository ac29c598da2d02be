package plan

import (
	"fmt"
	"strings"

	"github.com/mlc-go/mlc/ir/attr"
)

// Format prints a Program for people and golden files:
//
//	buf %b0 f32[N,3,8,8] live 0..4
//	call gemm.f32 (%b0, %k0) -> %b1 {alts=6x16.avx2|generic} !"conv1"
func Format(p *Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "program %q target %q\n", p.Name, p.Target)
	for _, s := range p.Syms {
		kind := "run-time"
		if s.Entry {
			kind = "entry"
		}
		hi := "*"
		if s.Hi != int64(^uint64(0)>>1) {
			hi = fmt.Sprint(s.Hi)
		}
		fmt.Fprintf(&b, "sym %s %d..%s %s\n", s.Name, s.Lo, hi, kind)
	}
	for i, c := range p.Consts {
		fmt.Fprintf(&b, "const %%k%d %s%v", i, c.DType, c.Dims)
		if c.Format != "" {
			fmt.Fprintf(&b, " format %s", c.Format)
		}
		fmt.Fprintf(&b, " %q\n", c.Name)
	}
	for i, s := range p.States {
		fmt.Fprintf(&b, "state %%s%d %v %q\n", i, s.Type, s.Name)
	}
	for i, f := range p.Funcs {
		fmt.Fprintf(&b, "func f%d %q (%s) -> (%s)\n", i, f.Name, f.list(f.Params), f.list(f.Results))
		for j := range f.Slots {
			f.slot(&b, SlotID(j))
		}
		for j := range f.Body {
			f.instr(&b, &f.Body[j])
		}
	}
	if len(p.Code) > 0 {
		fmt.Fprintf(&b, "code %d bytes\n", len(p.Code))
	}
	return b.String()
}

func (f *Func) list(ss []SlotID) string {
	out := make([]string, len(ss))
	for i, s := range ss {
		out[i] = f.name(s)
	}
	return strings.Join(out, ", ")
}

// name prints a slot by its kind: a constant or state by its own number.
func (f *Func) name(s SlotID) string {
	if s == None {
		return "_"
	}
	switch sl := &f.Slots[s]; sl.Kind {
	case Fixed:
		return fmt.Sprintf("%%k%d", sl.Index)
	case Held:
		return fmt.Sprintf("%%s%d", sl.Index)
	case Obj:
		return fmt.Sprintf("%%o%d", s)
	case Input:
		return fmt.Sprintf("%%p%d", s)
	}
	return fmt.Sprintf("%%b%d", s)
}

func (f *Func) slot(b *strings.Builder, s SlotID) {
	sl := &f.Slots[s]
	switch sl.Kind {
	case Fixed, Held:
		return
	case Input:
		fmt.Fprintf(b, "\tinput %s %v %q\n", f.name(s), sl.Type, sl.Name)
		return
	case Obj:
		fmt.Fprintf(b, "\tobj %s %v %q\n", f.name(s), sl.Type, sl.Name)
		return
	}
	fmt.Fprintf(b, "\tbuf %s %v live %d..%d", f.name(s), sl.Type, sl.First, sl.Last)
	if sl.Space == Device {
		b.WriteString(" device")
	}
	if sl.Alias != None {
		fmt.Fprintf(b, " in %s", f.name(sl.Alias))
	}
	fmt.Fprintf(b, " %q\n", sl.Name)
}

func (f *Func) instr(b *strings.Builder, in *Instr) {
	switch in.Op {
	case Launch:
		f.launch(b, in)
		return
	case Dim:
		fmt.Fprintf(b, "\tdim %d = %s axis %d\n", in.Sym, f.name(in.In[0]), in.Axis)
		return
	case Copy:
		fmt.Fprintf(b, "\tcopy %s -> %s\n", f.name(in.In[0]), f.name(in.Out[0]))
		return
	}
	word := "call"
	if in.Op == Region {
		word = "region"
	}
	args := f.list(in.In)
	for _, k := range in.Consts {
		if args != "" {
			args += ", "
		}
		args += fmt.Sprintf("%%k%d", k)
	}
	var alts []string
	for _, a := range in.Alts {
		s := strings.TrimPrefix(a.Kernel, in.Name+".")
		for _, w := range a.When {
			s += fmt.Sprintf("[%d<=%v<=%d]", w.Lo, w.Dim, w.Hi)
		}
		alts = append(alts, s)
	}
	fmt.Fprintf(b, "\t%s %s (%s) -> %s {alts=%s", word, in.Name, args, f.list(in.Out), strings.Join(alts, "|"))
	for _, n := range in.Attrs.Names() {
		fmt.Fprintf(b, ", %s=%s", n, attrText(in.Attrs[n]))
	}
	b.WriteByte('}')
	if len(in.Bodies) > 0 {
		fmt.Fprintf(b, " bodies %v", in.Bodies)
	}
	sources(b, in.Source)
}

// launch prints what runs on a device:
//
//	launch conv.f32 (%b0, %k1) -> %b2 {kernel=conv_0, grid=N x ceil((N*196)/64), block=16x16} !"conv1"
func (f *Func) launch(b *strings.Builder, in *Instr) {
	fmt.Fprintf(b, "\tlaunch %s (%s) -> %s {kernel=%s, grid=", in.Name, f.list(in.In), f.list(in.Out), in.Grid.Kernel)
	axes := 3
	for axes > 1 && in.Grid.Count[axes-1].Is(1) && in.Grid.Tile[axes-1] == 1 && in.Grid.Block[axes-1] == 1 {
		axes--
	}
	for i := range axes {
		if i > 0 {
			b.WriteString(" x ")
		}
		if in.Grid.Tile[i] == 1 {
			fmt.Fprint(b, in.Grid.Count[i])
			continue
		}
		fmt.Fprintf(b, "ceil(%v/%d)", in.Grid.Count[i], in.Grid.Tile[i])
	}
	fmt.Fprintf(b, ", block=%d", in.Grid.Block[0])
	for i := 1; i < axes; i++ {
		fmt.Fprintf(b, "x%d", in.Grid.Block[i])
	}
	b.WriteByte('}')
	sources(b, in.Source)
}

// sources ends the line of an instruction with the nodes that it came from.
func sources(b *strings.Builder, source []string) {
	for i, s := range source {
		if i == 0 {
			b.WriteString(" !")
		} else {
			b.WriteByte(',')
		}
		fmt.Fprintf(b, "%q", s)
	}
	b.WriteByte('\n')
}

func attrText(v attr.Value) string {
	switch v.Kind {
	case attr.KindInt:
		return fmt.Sprint(v.Int)
	case attr.KindFloat:
		return fmt.Sprint(v.Float)
	case attr.KindString:
		return fmt.Sprintf("%q", v.Str)
	case attr.KindInts:
		return fmt.Sprint(v.Ints)
	case attr.KindFloats:
		return fmt.Sprint(v.Floats)
	case attr.KindStrings:
		return fmt.Sprintf("%q", v.Strs)
	case attr.KindTensor:
		return fmt.Sprintf("tensor(%v)", v.Tensor.Type())
	case attr.KindType:
		return v.TypeVal.String()
	}
	return "?"
}
