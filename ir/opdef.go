package ir

import (
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/shape"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/kernel"
)

// OpDef declares an operator once; import, checking, inference, evaluation,
// folding, gradient, cost, text, docs and tests derive from it. See DESIGN 3.
type OpDef struct {
	Name   string
	Domain string // "" is ai.onnx; "mlc" holds our own
	Since  []int  // opset versions in which the schema changed, ascending; the last is what the entry speaks
	Doc    string // first sentence, then ports, cost, errors: docs/ops.md prints it
	Source string // where the meaning is written down: "ONNX Conv-22"

	In, Out     []Port
	Attrs       []Attr
	NumRegions  int // regions it takes
	Constraints []C // checked in order after ports and attributes

	// Infer gives the facts of the outputs (q.NOut of them). It may assume
	// that ports, attributes and constraints hold. A *diag.Error keeps its
	// fields; node and operator are filled in by the caller.
	Infer func(q *Query) ([]Fact, error)
	// Eval is the operator's reference function in runtime/kernel/ref.
	Eval kernel.RefFunc
	// Ref is the Desc of Eval, which a plan names where no kernel is faster.
	Ref *kernel.Desc

	// Upgrade[v] turns a node of schema version v into nodes of this table's
	// version. A version without an entry is taken as it is.
	Upgrade map[int]func(e Emitter, r Raw) ([]*Value, error)
	// Downgrade[v] writes a node as schema version v for export: new inputs
	// and attributes (nil values are absent inputs). A version without an
	// entry takes the node as it is; an error names what cannot be said.
	Downgrade map[int]func(e Emitter, n *Node) (in []*Value, a attr.Map, err error)

	// Grad gives the gradient of each input from those of the outputs (nil
	// where an output has none); nil entries mean no gradient.
	Grad   func(e Emitter, n *Node, dy []*Value) []*Value
	NoGrad string // reason, where Grad is nil

	Traits   Trait
	Cost     func(n *Node) (flop, bytes int64) // symbols count as their lower bound, at least 1
	Examples []Case
}

// NewestOpset of our own domain.
const MLCOpset = 1

// FullName is Name with its domain unless that is ai.onnx.
func (d *OpDef) FullName() string {
	if d.Domain == "" {
		return d.Name
	}
	return d.Domain + "." + d.Name
}

// Version is the newest schema version.
func (d *OpDef) Version() int {
	if len(d.Since) == 0 {
		return 1
	}
	return d.Since[len(d.Since)-1]
}

// SchemaAt is the schema version in force at an opset, 0 if the operator is
// younger.
func (d *OpDef) SchemaAt(opset int) int {
	v := 0
	for _, s := range d.Since {
		if s <= opset {
			v = s
		}
	}
	return v
}

// VersionedName is how errors name the operator: "Conv-22".
func (d *OpDef) VersionedName() string { return d.FullName() + "-" + strconv.Itoa(d.Version()) }

// Attr finds the declaration of an attribute, nil if there is none.
func (d *OpDef) Attr(name string) *Attr {
	for i := range d.Attrs {
		if d.Attrs[i].Name == name {
			return &d.Attrs[i]
		}
	}
	return nil
}

// Complete gives a with every default filled in.
func (d *OpDef) Complete(a attr.Map) attr.Map {
	out := make(attr.Map, len(d.Attrs))
	for _, x := range d.Attrs {
		if x.Default.Kind != attr.KindNone {
			out[x.Name] = x.Default
		}
	}
	for k, v := range a {
		out[k] = v
	}
	return out
}

// Port is one input or output.
type Port struct {
	Name     string
	DTypes   []dtype.DType // allowed; nil: any
	Var      string        // ports of one Var have one element type ("T"); "": free
	Kind     tensor.Kind   // KindNone: tensor; KindSeq, ...; AnyKind: whatever
	AnyKind  bool
	Optional bool
	Variadic bool // only the last port; zero or more, of different types if Var is ""
	MinCount int  // of a variadic port
}

// Allows says whether the port takes the element type.
func (p *Port) Allows(d dtype.DType) bool { return p.DTypes == nil || slices.Contains(p.DTypes, d) }

// Attr declares an attribute.
type Attr struct {
	Name     string
	Kind     attr.Kind
	Default  attr.Value // KindNone: optional without default
	Required bool
	Check    func(v attr.Value) error // nil: anything
	Doc      string
}

// C is one numbered constraint; its Text is quoted by docs and errors.
type C struct {
	ID    string
	Text  string
	Check func(q *Query) error // nil error: holds. Return a *diag.Error with Port, Have and Want
}

// Fact is what inference knows of a value.
type Fact struct {
	Type  Type
	Const *tensor.Tensor // elements, where constant and small (Query.SmallConst)
	Ints  []shape.Dim    // elements of an integer scalar or vector as dims; nil: unknown
}

// Present says whether the input is there.
func (f *Fact) Present() bool { return f.Type.Kind != tensor.KindNone }

// Query is what Infer and constraints may ask.
type Query struct {
	Def     *OpDef
	In      []Fact // absent optional inputs have the zero Fact
	Attrs   attr.Map
	Regions []*Func
	NOut    int
	Fresh   func() shape.Dim                // a new run-time dim
	Bounds  func(sym string) (lo, hi int64) // of a symbol
	Prior   []Type                          // types the outputs carry already (re-inference): reuse their run-time dims
}

// SmallConst is the largest constant, in elements, that facts carry.
const SmallConst = 4096

// Input gives the fact of input i, the zero Fact if it is absent or beyond
// the end.
func (q *Query) Input(i int) Fact {
	if i < len(q.In) {
		return q.In[i]
	}
	return Fact{}
}

// NewDim gives the extent for axis of output out that only the run knows: the
// symbol it carries already when inference is repeated, else a fresh one.
func (q *Query) NewDim(out, axis int) shape.Dim {
	if out < len(q.Prior) && q.Prior[out].Ranked() && axis < len(q.Prior[out].Dims) {
		return q.Prior[out].Dims[axis]
	}
	return q.Fresh()
}

// Raw is a node as an older schema has it.
type Raw struct {
	Op      string
	Version int // schema version
	Attrs   attr.Map
	Regions []*Func
	In      []*Value
	NOut    int
}

// Type of input i, the zero Type if it is absent.
func (r *Raw) Type(i int) Type {
	if i < len(r.In) && r.In[i] != nil {
		return r.In[i].Type
	}
	return Type{}
}

// Trait is a set of properties that passes ask for.
type Trait uint32

// The traits.
const (
	Elementwise Trait = 1 << iota // output element i depends on the inputs' element i, after broadcasting
	Commutative                   // of its first two inputs
	Idempotent                    // f(f(x)) = f(x)
	View                          // the output is the first input's buffer under another shape
	Stateful                      // must not be merged or removed
	Random                        // two runs differ
	Pure                          // derived: neither Stateful nor Random; not set by hand
	ShapeOnly                     // reads its first input's shape, not its elements
	Monotone                      // non-decreasing in its first input
)

// Has says whether all of t hold.
func (d *OpDef) Has(t Trait) bool {
	have := d.Traits
	if have&(Stateful|Random) == 0 {
		have |= Pure
	}
	return have&t == t
}

// Case is one example: documentation, test and fuzz seed. Absent optional
// inputs are zero Values.
type Case struct {
	Name  string
	Attrs attr.Map
	In    []tensor.Value
	Out   []tensor.Value
	Tol   tensor.Tol
	// Regions builds the regions of an example of If or Loop.
	Regions func(e Emitter) []*Func
	// Source names where the numbers come from: the specification, a peer, a
	// hand calculation.
	Source string
}

// ConstDef is the pseudo operator of constants; its node carries Const.
var ConstDef = &OpDef{Name: "const", Since: []int{1}, Doc: "const is a constant.", NoGrad: "a constant"}
