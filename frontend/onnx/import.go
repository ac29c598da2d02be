package onnx

import (
	"context"
	"fmt"
	"strconv"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
)

// OldestOpset is the first ai.onnx opset that Import reads as a whole;
// ir.NewestOpset is the last. Of older ones it reads the operators that were
// then what they are in OldestOpset.
const OldestOpset = 7

// Bounds of Import. A node is counted each time a function call or a repeated
// look at a loop body brings it in, and a file may turn into so many times the
// nodes that it has.
const (
	maxNodes     = 1 << 22
	freeNodes    = 1 << 16
	perNode      = 64
	maxCallDepth = 64
)

// ImportOptions says how to read a decoded model. Ops is needed.
type ImportOptions struct {
	Ops        *ir.OpSet
	Name       string   // of the module; default: the graph's name
	KeepInputs []string // inputs that have an initializer and stay inputs nevertheless
}

// Import turns a decoded model into a module that speaks the newest opset.
//
// Constants stay where they lie: the module reads payloads through raw, which
// must not be closed while the module, or anything made of it, loads them.
//
// Names of inputs, outputs and values are kept. Every value name is unique
// among those visible with it, so a name that the file uses in a function or
// in a graph that shadows another gets a prefix or a number. Declared types of
// inputs hold; those of outputs are checked for kind, element type and rank;
// those of other values are not read.
//
// Errors are *diag.Error or a diag.List of independent ones.
func Import(ctx context.Context, raw *Raw, opt ImportOptions) (*ir.Module, error) {
	im := &importer{
		ctx: ctx, raw: raw, opt: opt, m: ir.NewModule(opt.Name),
		used: map[string]bool{}, next: map[string]int{}, anon: map[*ir.Value]bool{}, funcs: map[string]*onnxpb.FunctionProto{}, schemas: map[string]*OpSchema{}, loops: map[loopPlace][]width{},
	}
	g := raw.Model.GetGraph()
	if g == nil {
		return nil, diag.New(diag.BadModel, "model has no graph")
	}
	if im.m.Name == "" {
		im.m.Name = g.GetName()
	}
	for _, p := range raw.Model.GetMetadataProps() {
		im.m.Meta = append(im.m.Meta, ir.Meta{Key: p.GetKey(), Value: p.GetValue()})
	}
	top := im.header(g)
	if im.faults != nil {
		return nil, im.faults.Err()
	}
	if err := im.main(g, top); err != nil {
		return nil, err
	}
	if err := im.faults.Err(); err != nil {
		return nil, err
	}
	return im.m, nil
}

// importer holds what all scopes share.
type importer struct {
	ctx    context.Context
	raw    *Raw
	opt    ImportOptions
	m      *ir.Module
	faults diag.List

	used         map[string]bool    // every value name given
	next         map[string]int     // last number put behind a name
	journal      []given            // names given, in order
	anon         map[*ir.Value]bool // values of function bodies, which take the caller's name when they get one
	funcs        map[string]*onnxpb.FunctionProto
	schemas      map[string]*OpSchema
	nodes, limit int      // imported so far, and at most
	calls        []string // functions being inlined
	loops        map[loopPlace][]width
}

// fail records a fault; the first MaxFaults are kept.
func (im *importer) fail(e *diag.Error) {
	if len(im.faults) < diag.MaxFaults {
		im.faults = append(im.faults, e)
	}
}

// full says whether there is no point in looking for more faults.
func (im *importer) full() bool { return len(im.faults) >= diag.MaxFaults }

// header reads opsets and functions, and finds every operator that is missing.
func (im *importer) header(g *onnxpb.GraphProto) map[string]int {
	top := im.opsets(im.raw.Model.GetOpsetImport(), nil, "model")
	for i, f := range im.raw.Model.GetFunctions() {
		key := funcKey(f.GetDomain(), f.GetName(), f.GetOverload())
		if im.funcs[key] != nil {
			im.fail(&diag.Error{Kind: diag.BadModel, Node: "function " + quote(f.GetName()), Err: fmt.Errorf("declared twice (again as function %d)", i)})
		}
		im.funcs[key] = f
	}
	if im.faults == nil {
		v := newSurvey(im)
		v.run(g, top)
		im.limit = min(maxNodes, freeNodes+perNode*v.count)
	}
	return top
}

// opsets reads the versions of a model or function; domains that a function
// leaves out have the model's.
func (im *importer) opsets(imports []*onnxpb.OperatorSetIdProto, outer map[string]int, where string) map[string]int {
	out := map[string]int{}
	for d, v := range outer {
		out[d] = v
	}
	seen := map[string]bool{}
	for _, o := range imports {
		d, v := domainOf(o.GetDomain()), o.GetVersion()
		fault := func(e *diag.Error) {
			e.Node, e.Port = where+" opset", "domain "+quote(domainName(d))
			im.fail(e)
		}
		switch {
		case seen[d] && out[d] != int(v):
			fault(diag.New(diag.BadModel, "versions %d and %d", out[d], v))
		case v < 1 || v > 1<<30:
			fault(&diag.Error{Kind: diag.BadModel, Have: strconv.FormatInt(v, 10), Want: "a version of 1 or more"})
		case d == "" && v > ir.NewestOpset:
			fault(&diag.Error{Kind: diag.Unsupported, Have: strconv.FormatInt(v, 10), Want: fmt.Sprintf("%d to %d", OldestOpset, ir.NewestOpset)})
		}
		out[d], seen[d] = int(v), true
	}
	if len(imports) == 0 && outer == nil {
		im.fail(&diag.Error{Kind: diag.Unsupported, Node: where + " opset", Have: "none given, which means 1", Want: fmt.Sprintf("%d to %d", OldestOpset, ir.NewestOpset)})
	}
	return out
}

// domainOf gives the default domain its one name.
func domainOf(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// domainName is how messages and Module.Opset call a domain.
func domainName(d string) string {
	if d == "" {
		return "ai.onnx"
	}
	return d
}

// fullName is the table's name of an operator.
func fullName(domain, op string) string {
	if d := domainOf(domain); d != "" {
		return d + "." + op
	}
	return op
}

func funcKey(domain, name, overload string) string {
	return domainOf(domain) + "\x00" + name + "\x00" + overload
}
