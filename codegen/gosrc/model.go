package gosrc

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
	"unicode"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/plan"
)

// model is what the templates print of a program.
type model struct {
	Package, Title string
	Arch, Artifact string
	Generic, Side  bool
	Ins, Outs      []port
	States         bool
	Imports        []string // packages of kernels, by name
	Kernels        []string // variables, "gemm.F32_generic"
	Refs           bool     // some of them are reference functions, which may allocate
	NParams, NOuts int      // of main, those of states included
	Seeds          []uint64
	Rtol, Atol     float64
	Index          uint32 // of the artifact
}

// port is an input or output of Predict.
type port struct {
	Name  string // in the model
	Ident string // exported Go name
	Local string // the same as a variable
	Elem  string // Go type of an element
	DType string // "F32", of package dtype
	Dims  []int
	Len   int
	At    int // position among main's parameters or results
	Note  string
}

// Shape is the extents as people write them.
func (p port) Shape() string { return fmt.Sprint(p.Dims) }

// Extents is the extents as arguments: ", 1, 28, 28".
func (p port) Extents() string {
	var b strings.Builder
	for _, d := range p.Dims {
		fmt.Fprintf(&b, ", %d", d)
	}
	return b.String()
}

// goTypes are the element types with a Go form.
var goTypes = map[dtype.DType]struct{ elem, name, note string }{
	dtype.F32: {"float32", "F32", ""}, dtype.F64: {"float64", "F64", ""},
	dtype.F16: {"uint16", "F16", "bits of IEEE binary16"}, dtype.BF16: {"uint16", "BF16", "bits of bfloat16"},
	dtype.I8: {"int8", "I8", ""}, dtype.I16: {"int16", "I16", ""}, dtype.I32: {"int32", "I32", ""}, dtype.I64: {"int64", "I64", ""},
	dtype.U8: {"uint8", "U8", ""}, dtype.U16: {"uint16", "U16", ""}, dtype.U32: {"uint32", "U32", ""}, dtype.U64: {"uint64", "U64", ""},
	dtype.Bool: {"bool", "Bool", ""}, dtype.C64: {"complex64", "C64", ""}, dtype.C128: {"complex128", "C128", ""},
}

// describe reads a program; everything that has no form in Go is an error.
func describe(p *plan.Program) (*model, error) {
	f := p.Main()
	m := &model{Title: p.Name, Arch: p.Arch, States: len(p.States) > 0, NParams: len(f.Params), NOuts: len(f.Results)}
	var faults diag.List
	names, locals := map[string]bool{}, map[string]bool{}
	add := func(to *[]port, what string, at int, name string, s plan.SlotID) {
		x, err := portOf(what, name, f.Slots[s].Type)
		if err != nil {
			faults = append(faults, err)
			return
		}
		x.At = at
		x.name(what, names, locals)
		*to = append(*to, x)
	}
	for i, s := range f.Params {
		if f.Slots[s].Kind != plan.Held {
			add(&m.Ins, "input", i, f.Names[i], s)
		}
	}
	for i, s := range f.Results {
		if f.Writes[i] < 0 && faults == nil { // what is wrong with inputs is wrong with outputs, too
			add(&m.Outs, "output", i, f.Outputs()[i], s)
		}
	}
	for _, id := range p.Kernels() {
		v, ok := kernelVars[id]
		if !ok {
			faults = append(faults, &diag.Error{Kind: diag.Unsupported, Port: "kernel", Have: id + ", which is not one of mlc's own", Want: "kernels that `mlc kernels` lists, for the package names each by its variable"})
			continue
		}
		m.Kernels = append(m.Kernels, v)
		m.Refs = m.Refs || strings.HasPrefix(v, "ref.")
		if pkg, _, _ := strings.Cut(v, "."); !slices.Contains(m.Imports, pkg) {
			m.Imports = append(m.Imports, pkg)
		}
	}
	slices.Sort(m.Kernels)
	slices.Sort(m.Imports)
	if len(m.Ins) == 0 && faults == nil {
		faults = append(faults, diag.New(diag.Unsupported, "a model without inputs as a Go package"))
	}
	return m, faults.Err()
}

// portOf is the Go form of a value of type t.
func portOf(what, name string, t tensor.Type) (port, *diag.Error) {
	fault := func(have, want string) (port, *diag.Error) {
		return port{}, &diag.Error{Kind: diag.Unsupported, Node: fmt.Sprintf("%s %q", what, name), Have: have, Want: want}
	}
	if !t.IsTensor() || !t.Ranked() {
		return fault(t.String(), "a tensor of known rank, for a Go package has plain slices")
	}
	g, ok := goTypes[t.DType]
	if !ok {
		return fault(t.String(), "elements that Go has a type for")
	}
	p := port{Name: name, Elem: g.elem, DType: g.name, Note: g.note}
	var open []string
	for _, d := range t.Dims {
		n, ok := d.Const()
		if !ok && !slices.Contains(open, d.String()) {
			open = append(open, d.String())
		}
		p.Dims = append(p.Dims, int(n))
	}
	if open != nil {
		hint := "fixed extents, for a Go package has slices of known length"
		if flags := bindings(open); what == "input" && flags != "" { // an output's own symbols are what a run finds
			hint += " (bind them, as by " + flags + ")"
		}
		return fault(fmt.Sprintf("%v with open dims %s", t, strings.Join(open, ", ")), hint)
	}
	if p.Len, ok = tensor.Count(p.Dims); !ok {
		return fault(t.String(), "a size that a slice can have")
	}
	return p, nil
}

// bindings are flags that fix the symbols among dims.
func bindings(dims []string) string {
	var flags []string
	for _, d := range dims {
		if token.IsIdentifier(d) {
			flags = append(flags, "--dim "+d+"=1")
		}
	}
	return strings.Join(flags, " ")
}

// reserved are names that generated functions use themselves, those of the
// example too.
var reserved = []string{"p", "err", "in", "out", "copy", "len", "make", "nil", "log", "tensor", "dtype", "exec", "artifact", "kernel", "cpu", "context", "fmt", "sync", "string", "error"}

// name chooses Go names that no other port has.
func (p *port) name(what string, taken, locals map[string]bool) {
	id := ident(p.Name)
	if id == "" || !unicode.IsLetter(rune(id[0])) {
		id = ident(what) + id
	}
	base := id
	for n := 2; taken[strings.ToLower(id)]; n++ {
		id = fmt.Sprintf("%s%s%d", base, ident(what), n)
	}
	taken[strings.ToLower(id)] = true
	p.Ident = id
	p.Local = strings.ToLower(id[:1]) + id[1:]
	if strings.ToUpper(id) == id {
		p.Local = strings.ToLower(id)
	}
	// The longer name may be that of another port: "in" and "in_input".
	for token.IsKeyword(p.Local) || slices.Contains(reserved, p.Local) || isGoType(p.Local) || locals[p.Local] {
		p.Local += ident(what)
	}
	locals[p.Local] = true
}

func isGoType(s string) bool {
	for _, g := range goTypes {
		if g.elem == s {
			return true
		}
	}
	return false
}

// ident joins the words of s, each with a capital, to an identifier.
func ident(s string) string {
	var b strings.Builder
	start := true
	for _, r := range s {
		switch {
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r):
			start = true
			continue
		case start:
			r = unicode.ToUpper(r)
		}
		b.WriteRune(r)
		start = false
	}
	return b.String()
}
