package plan_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// good is a program with one of everything:
//
//	main(x, s) { t = call(x, k); v = view t; dim u = x.0; r = region(v | t) { body(p, q) { o = copy q } } }
func good() *plan.Program {
	f := func(dims ...int64) tensor.Type { return tensor.T(dtype.F32, shape.Ints(dims...)...) }
	none := plan.None
	main := &plan.Func{
		Name: "main", Params: []plan.SlotID{0, 1}, Results: []plan.SlotID{5}, Names: []string{"x", "s", "y"}, Writes: []int{0},
		Slots: []plan.Slot{
			{Kind: plan.Input, Type: f(4), Alias: none, First: -1, Last: 1},
			{Kind: plan.Held, Type: f(4), Alias: none, First: -1, Last: -1},
			{Kind: plan.Fixed, Type: f(4), Alias: none, First: -1, Last: 0},
			{Kind: plan.Buf, Type: f(4), Alias: none, First: 0, Last: 2},
			{Kind: plan.Buf, Type: f(2, 2), Alias: 3, First: 0, Last: 2},
			{Kind: plan.Obj, Type: f(4), Alias: none, First: 2, Last: 3},
		},
		Body: []plan.Instr{
			{Op: plan.Call, Name: "add", Alts: []plan.Alt{{Kernel: "add"}}, In: []plan.SlotID{0, 2}, Out: []plan.SlotID{3}, Consts: []int{0}},
			{Op: plan.Dim, In: []plan.SlotID{0}, Sym: 1},
			{Op: plan.Region, Name: "if", Alts: []plan.Alt{{Kernel: "if"}}, In: []plan.SlotID{4, 3}, NIn: 1, Out: []plan.SlotID{5}, Bodies: []int{1}},
		},
	}
	body := &plan.Func{
		Name: "body", Params: []plan.SlotID{0, 1}, Results: []plan.SlotID{2}, Writes: []int{-1},
		Slots: []plan.Slot{
			{Kind: plan.Input, Type: f(2, 2), Alias: none, First: -1, Last: -1},
			{Kind: plan.Input, Type: f(4), Alias: none, First: -1, Last: 0},
			{Kind: plan.Buf, Type: f(4), Alias: none, First: 0, Last: 1},
		},
		Body: []plan.Instr{{Op: plan.Copy, In: []plan.SlotID{1}, Out: []plan.SlotID{2}}},
	}
	return &plan.Program{
		Name: "good", Arch: "generic",
		Syms:   []plan.Sym{{Name: "N", Lo: 1, Hi: 9, Entry: true}, {Name: "u", Hi: math.MaxInt64}},
		Consts: []plan.Const{{Name: "k", DType: dtype.F32, Dims: []int{4}, Data: func() ([]byte, error) { return make([]byte, 16), nil }}},
		States: []plan.State{{Name: "s", Type: f(4), Lo: []int64{4}, Init: -1, GrowAxis: -1}},
		Funcs:  []*plan.Func{main, body},
	}
}

// TestVerify: each law, broken alone, is named. A runtime that runs what Verify
// has passed must never reach outside of its memory, whoever wrote the program.
func TestVerify(t *testing.T) {
	if err := plan.Verify(good()); err != nil {
		t.Fatal(err)
	}
	type prog = *plan.Program
	for _, c := range []struct {
		name, want string
		spoil      func(p prog)
	}{
		{"no function", "no function", func(p prog) { p.Funcs = nil }},
		{"two symbols of a name", "symbol 1", func(p prog) { p.Syms[1].Name = "N" }},
		{"a symbol of nothing", "symbol 0", func(p prog) { p.Syms[0].Hi = 0 }},
		{"a constant of no type", "constant 0", func(p prog) { p.Consts[0].DType = 0 }},
		{"a constant of negative extent", "constant 0", func(p prog) { p.Consts[0].Dims[0] = -1 }},
		{"a state of open extents", "state 0", func(p prog) { p.States[0].Type.Dims[0] = shape.Sym("N") }},
		{"a state that begins too large", "axis 0", func(p prog) { p.States[0].Lo[0] = 5 }},
		{"a state that begins as nothing known", "state 0", func(p prog) { p.States[0].Init = 1 }},
		{"a state that begins as another type", "begins as", func(p prog) { p.States[0].Init = 0; p.Consts[0].DType = dtype.I32 }},
		{"a state that begins too short", "begins as", func(p prog) { p.States[0].Init = 0; p.Consts[0].Dims[0] = 3 }},
		{"names that do not fit", "names", func(p prog) { p.Funcs[0].Names = p.Funcs[0].Names[1:] }},
		{"writes that do not fit", "state writes", func(p prog) { p.Funcs[0].Writes = nil }},
		{"a write to no state", "writes state", func(p prog) { p.Funcs[0].Writes[0] = 1 }},
		{"a write by a body", "writes state", func(p prog) { p.Funcs[1].Writes[0] = 0 }},
		{"a parameter twice", "twice", func(p prog) { p.Funcs[0].Params[1] = 0 }},
		{"a parameter beyond the slots", "parameter", func(p prog) { p.Funcs[0].Params[1] = 99 }},
		{"a parameter that is a buffer", "no input", func(p prog) { p.Funcs[0].Params[1] = 3 }},
		{"an input that is no parameter", "no parameter", func(p prog) { p.Funcs[0].Slots[3].Kind = plan.Input }},
		{"a state in a body", "no input", func(p prog) { p.Funcs[1].Slots[0].Kind = plan.Held }},
		{"a result that dies", "live to the end", func(p prog) { p.Funcs[0].Slots[5].Last = 2 }},
		{"a constant as another type", "constant of", func(p prog) { p.Funcs[0].Slots[2].Type.DType = dtype.I64 }},
		{"a constant of other extents", "constant of", func(p prog) { p.Funcs[0].Slots[2].Type.Dims[0] = shape.Int(400) }},
		{"a buffer of strings", "buffer of", func(p prog) { p.Funcs[0].Slots[3].Type.DType = dtype.String }},
		{"a slot of no kind", "kind", func(p prog) { p.Funcs[0].Slots[5].Kind = 9 }},
		{"an alias of an alias", "memory of its own", func(p prog) { p.Funcs[0].Slots[4].Alias = 4 }},
		{"an alias beyond the slots", "memory of its own", func(p prog) { p.Funcs[0].Slots[4].Alias = 77 }},
		{"an alias of a value made while running", "alias of", func(p prog) { p.Funcs[0].Slots[4].Alias = 5 }},
		{"an alias of another type", "alias of", func(p prog) { p.Funcs[0].Slots[4].Type.DType = dtype.I32 }},
		{"a read beyond the slots", "reads slot", func(p prog) { p.Funcs[0].Body[0].In[0] = 6 }},
		{"a read after the range", "after its range", func(p prog) { p.Funcs[0].Slots[3].Last = 1 }},
		{"a write to an input", "writes slot", func(p prog) { p.Funcs[0].Body[0].Out[0] = 0 }},
		{"a write to a constant through a view", "writes slot", func(p prog) { p.Funcs[0].Slots[4].Alias = 2; p.Funcs[0].Body[0].Out[0] = 4 }},
		{"a write outside the range", "outside its range", func(p prog) { p.Funcs[0].Slots[3].First = 1 }},
		{"a constant operand beyond the list", "constant 1", func(p prog) { p.Funcs[0].Body[0].Consts[0] = 1 }},
		{"no kernel", "no kernel", func(p prog) { p.Funcs[0].Body[0].Alts = nil }},
		{"a call with bodies", "bodies", func(p prog) { p.Funcs[0].Body[0].Bodies = []int{1} }},
		{"a region without bodies", "malformed region", func(p prog) { p.Funcs[0].Body[2].Bodies = nil }},
		{"a body that runs itself", "body 0", func(p prog) { p.Funcs[0].Body[2].Bodies[0] = 0 }},
		{"a body of two instructions", "body 1", func(p prog) { p.Funcs[0].Body[2].Bodies = []int{1, 1} }},
		{"a body nobody runs", "no instruction runs it", func(p prog) { p.Funcs = append(p.Funcs, p.Funcs[1]) }},
		{"a body that takes too little", "want at least", func(p prog) { p.Funcs[1].Params = nil; p.Funcs[0].Body[2].NIn = 0 }},
		{"a dim of an entry symbol", "malformed dim", func(p prog) { p.Funcs[0].Body[1].Sym = 0 }},
		{"a dim beyond the rank", "malformed dim", func(p prog) { p.Funcs[0].Body[1].Axis = 1 }},
		{"a copy to another type", "copies", func(p prog) { p.Funcs[1].Slots[2].Type.DType = dtype.F64 }},
		{"an unknown instruction", "opcode", func(p prog) { p.Funcs[1].Body[0].Op = 44 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := good()
			c.spoil(p)
			err := plan.Verify(p)
			if err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.BadModel {
				t.Errorf("%v, want a BadModel that says %q", err, c.want)
			}
		})
	}
}

// TestLayout: buffers that live at the same time never share a byte, every
// buffer is aligned, and views lie where their owner lies.
func TestLayout(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		f := &plan.Func{}
		for range 1 + r.IntN(40) {
			first := int32(r.IntN(50))
			f.Slots = append(f.Slots, plan.Slot{Kind: plan.Buf, Space: plan.Space(r.IntN(2)), Alias: plan.None, First: first, Last: first + int32(r.IntN(12)),
				Type: tensor.T(dtype.F32, shape.Int(int64(r.IntN(300))), shape.Sym("N"))})
		}
		for i := range r.IntN(8) {
			_ = i
			a := plan.SlotID(r.IntN(len(f.Slots)))
			a = f.Root(a)
			v := f.Slots[a]
			v.Alias, v.Last = a, v.Last+int32(r.IntN(9))
			f.Slots = append(f.Slots, v)
		}
		n := int64(r.IntN(5))
		fr, err := plan.Layout(f, func(string) (int64, bool) { return n, true })
		if err != nil {
			t.Fatal(err)
		}
		type mem struct{ off, end int }
		at := func(i int) mem {
			k, _ := tensor.Count(fr.Dims[i])
			return mem{fr.Offset[i], fr.Offset[i] + 4*k}
		}
		for i := range f.Slots {
			a := at(i)
			size := fr.Size
			if f.Slots[i].Space == plan.Device {
				size = fr.Device
			}
			if a.off%tensor.Align != 0 || a.end > size {
				t.Fatalf("slot %d at %d..%d of %d", i, a.off, a.end, size)
			}
			if o := f.Slots[i].Alias; o != plan.None && fr.Offset[o] != a.off {
				t.Fatalf("view %d at %d, its owner at %d", i, a.off, fr.Offset[o])
			}
			for j := range i {
				b, s, o := at(j), &f.Slots[i], &f.Slots[j]
				if f.Root(plan.SlotID(i)) != f.Root(plan.SlotID(j)) && s.Space == o.Space && s.First <= o.Last && o.First <= s.Last && a.off < b.end && b.off < a.end {
					t.Fatalf("slots %d (%d..%d) and %d (%d..%d) share memory", i, a.off, a.end, j, b.off, b.end)
				}
			}
		}
	}
}

// TestLayoutTooLarge: extents that no memory holds are errors, not overflows.
func TestLayoutTooLarge(t *testing.T) {
	for _, d := range []dtype.DType{dtype.U8, dtype.F32, dtype.C128} {
		for _, n := range []int64{math.MaxInt64, math.MaxInt64 / 16, math.MaxInt64/16 - 1, -1} {
			f := &plan.Func{Slots: []plan.Slot{{Kind: plan.Buf, Alias: plan.None, Type: tensor.T(d, shape.Sym("N"))}}}
			if fr, err := plan.Layout(f, func(string) (int64, bool) { return n, true }); err == nil && (fr.Size < 0 || int64(fr.Size) < n/2) {
				t.Errorf("%v of %d: %d bytes", d, n, fr.Size)
			}
		}
	}
}

// launching is a program of one launch between two copies.
func launching() *plan.Program {
	n := shape.Sym("N")
	row := tensor.T(dtype.F32, n)
	return &plan.Program{Name: "d", Target: "cuda:sm_75", Code: []byte(".entry k(.param .u64 x, .param .u64 y, .param .u32 n)\n{}\n"),
		Syms:   []plan.Sym{{Name: "N", Hi: math.MaxInt64, Entry: true}},
		Consts: []plan.Const{{Name: "c", DType: dtype.F32, Dims: []int{1}, Data: func() ([]byte, error) { return make([]byte, 4), nil }}},
		Funcs: []*plan.Func{{Name: "main", Params: []plan.SlotID{0}, Results: []plan.SlotID{4}, Names: []string{"x", "y"}, Writes: []int{-1},
			Slots: []plan.Slot{
				{Kind: plan.Input, Type: row, Name: "x", Alias: plan.None, First: -1, Last: 0},
				{Kind: plan.Buf, Space: plan.Device, Type: row, Name: "x", Alias: plan.None, First: 0, Last: 1},
				{Kind: plan.Fixed, Space: plan.Device, Type: tensor.T(dtype.F32, shape.Int(1)), Name: "c", Alias: plan.None, First: -1, Last: 1},
				{Kind: plan.Buf, Space: plan.Device, Type: row, Name: "y", Alias: 1, First: 1, Last: 2},
				{Kind: plan.Buf, Type: row, Name: "y", Alias: plan.None, First: 2, Last: 3},
			},
			Body: []plan.Instr{
				{Op: plan.Copy, In: []plan.SlotID{0}, Out: []plan.SlotID{1}},
				{Op: plan.Launch, Name: "neg", In: []plan.SlotID{1, 2}, Out: []plan.SlotID{3}, Source: []string{"n"}, Grid: &plan.Grid{Kernel: "k",
					Count: [3]shape.Dim{n.Mul(shape.Int(3)), n, shape.Int(1)}, Tile: [3]int{64, 1, 1}, Block: [3]int{64, 1, 1},
					Args: []plan.Arg{{Kind: plan.ArgIn}, {Kind: plan.ArgOut}, {Kind: plan.ArgDim, Dim: n}}}},
				{Op: plan.Copy, In: []plan.SlotID{3}, Out: []plan.SlotID{4}},
			}}}}
}

func TestVerifyLaunch(t *testing.T) {
	if err := plan.Verify(launching()); err != nil {
		t.Fatal(err)
	}
	grid := func(p *plan.Program) *plan.Grid { return p.Funcs[0].Body[1].Grid }
	for _, c := range []struct {
		want  string
		spoil func(p *plan.Program)
	}{
		{"no code for one", func(p *plan.Program) { p.Code = nil }},
		{"malformed launch", func(p *plan.Program) { p.Funcs[0].Body[1].Grid = nil }},
		{"blocks of", func(p *plan.Program) { grid(p).Tile[1] = 0 }},
		{"blocks of", func(p *plan.Program) { grid(p).Block[0] = -1 }},
		{"blocks of", func(p *plan.Program) { grid(p).Block = [3]int{64, 32, 1} }},
		{"blocks of", func(p *plan.Program) { grid(p).Block = [3]int{1, 1, 65} }},
		{"is not on the device", func(p *plan.Program) { p.Funcs[0].Body[1].In[0] = 0 }},
		{"is on the device", func(p *plan.Program) { p.Funcs[0].Body[1].Op = plan.Call }},
		{"operand 2", func(p *plan.Program) { grid(p).Args[0].I = 2 }},
		{"operand 0", func(p *plan.Program) { p.Funcs[0].Body[1].In[0] = plan.None }},
		{"of kind 9", func(p *plan.Program) { grid(p).Args[0].Kind = 9 }},
		{"another space", func(p *plan.Program) { p.Funcs[0].Slots[3].Space = plan.Host }},
		{"on a device", func(p *plan.Program) { p.Funcs[0].Slots[1].Type.DType = dtype.I4 }},
		{"space 1", func(p *plan.Program) { p.Funcs[0].Slots[0].Space = plan.Device }},
		{"space 2", func(p *plan.Program) { p.Funcs[0].Slots[1].Space = 2 }},
		{"copies", func(p *plan.Program) { p.Funcs[0].Slots[4].Kind = plan.Obj }},
		{"no kernel l of 3", func(p *plan.Program) { grid(p).Kernel = "l" }},
		{"no kernel k of 2", func(p *plan.Program) { grid(p).Args = grid(p).Args[:2] }},
		{"parameter 2 of kernel k has 4 bytes", func(p *plan.Program) { grid(p).Args[2].Kind = plan.ArgFault }},
		{"parameter 1 of kernel k has 8 bytes", func(p *plan.Program) { grid(p).Args[1].Kind = plan.ArgDim }},
	} {
		p := launching()
		c.spoil(p)
		if err := plan.Verify(p); err == nil || !strings.Contains(err.Error(), c.want) || diag.KindOf(err) != diag.BadModel {
			t.Errorf("%v, want a BadModel that says %q", err, c.want)
		}
	}
	const good = ".entry k(.param .u64 x, .param .u64 y, .param .u32 n)\n{}\n"
	for _, code := range []string{
		".entry k(.param .u64 x, .param .u64 y, .param .u32 n, .param .u64 z)",
		".entry k(.param .u64 x, .param .u64 y, .param .align 8 .b8 n[4096])",
		".entry k(.param .u64 x, .param .u64 y, .param .u32 n[2])",
		".entry k(.param .u64 x, .param .u64 y, .param .u32",
		".entry k(.param .u64 x .param .u64 y)",
		".entry k",
		".entry",
		good + good,
		good + ".visible.entry k()",
		"// " + good[:len(good)-4],
		"/* " + good,
		"/*/ " + good + "*/",
		"/**/ //*/\n/*" + good + "/**/",
		"#define k j\n" + good,
		".pragma \"/*\"; " + good,
		"\x00" + good,
		"//\r" + good,
	} {
		p := launching()
		p.Code = []byte(code)
		if err := plan.Verify(p); diag.KindOf(err) != diag.BadModel {
			t.Errorf("%q: %v", code, err)
		}
	}
	p := launching()
	p.Code = []byte("/* .entry k(.param .f64 x) */.visible .entry k ( // .param\n.param\t.b64 /*,*/x,.param .s64 y , .param.s32 n){}.entry l(){}.entry m{}")
	if err := plan.Verify(p); err != nil {
		t.Error(err)
	}
}

func TestFormatLaunch(t *testing.T) {
	const want = `program "d" target "cuda:sm_75"
sym N 0..* entry
const %k0 f32[1] "c"
func f0 "main" (%p0) -> (%b4)
	input %p0 f32[N] "x"
	buf %b1 f32[N] live 0..1 device "x"
	buf %b3 f32[N] live 1..2 device in %b1 "y"
	buf %b4 f32[N] live 2..3 "y"
	copy %p0 -> %b1
	launch neg (%b1, %k0) -> %b3 {kernel=k, grid=ceil((3*N)/64) x N, block=64x1} !"n"
	copy %b3 -> %b4
`
	if got, _, _ := strings.Cut(plan.Format(launching()), "code "); got != want {
		t.Errorf("have\n%swant\n%s", got, want)
	}
}
