package onnx

import (
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/op"
)

// The opsets that Export writes.
const (
	DefaultOpset = 21
	OldestOpset  = 7
)

// Options says how to write a file. The zero Options are good defaults.
type Options struct {
	Opset     int       // of ai.onnx; 0: DefaultOpset
	IRVersion int64     // 0: the one that came with the opset, at least 4
	Ops       *ir.OpSet // the table of the module's operators; nil: op.Builtin()
	External  *External // nil: constants go into the file, which ends at 2 GB
}

// External takes the payloads of large constants out of the file.
type External struct {
	Name string    // of the file that W writes, in the folder of the model: no path
	W    io.Writer // written in ascending order, from offset 0
	Min  int       // smallest payload in bytes that goes there; 0: 1024
}

// Export writes the entry function of m, whose module is left as it is. Names
// of inputs and outputs are kept, those of other values where they can be;
// nodes are named after their sources. States become inputs and outputs. Equal
// modules give equal bytes. Constants are loaded one at a time.
//
// Errors name the node: an operator that the opset does not have or cannot
// express, an operator of our own, more than 2 GB without External.
func Export(w io.Writer, m *ir.Module, opt Options) error {
	if opt.Opset == 0 {
		opt.Opset = DefaultOpset
	}
	if opt.Opset < OldestOpset || opt.Opset > ir.NewestOpset {
		return &diag.Error{Kind: diag.Usage, Port: "opset", Have: fmt.Sprint(opt.Opset), Want: fmt.Sprintf("%d to %d", OldestOpset, ir.NewestOpset)}
	}
	if opt.Ops == nil {
		opt.Ops = op.Builtin()
	}
	if opt.External != nil && opt.External.Min == 0 {
		c := *opt.External
		c.Min = 1024
		opt.External = &c
	}
	if m.Main() == nil {
		return diag.New(diag.Usage, "module %q has no function", m.Name)
	}
	if len(m.Funcs) > 1 {
		return &diag.Error{Kind: diag.Unsupported, Port: "functions", Have: fmt.Sprint(len(m.Funcs)), Want: "1: an ONNX graph has one entry"}
	}
	x := &exporter{opt: opt, m: m.Clone(), written: map[*ir.Node]*written{}, depth: map[*ir.Node]int{}, domains: map[string]int{}, schemas: map[string]*onnx.OpSchema{}}
	if err := x.lower(x.m.Main()); err != nil {
		return err
	}
	if err := x.faults.Err(); err != nil {
		return err
	}
	g, err := x.main()
	if err != nil {
		return err
	}
	return x.write(w, g)
}

// exporter holds one run of Export. m is a copy that lowering rewrites.
type exporter struct {
	opt     Options
	m       *ir.Module
	written map[*ir.Node]*written
	depth   map[*ir.Node]int // how many downgrades led to a node
	domains map[string]int   // that nodes are of, beside ai.onnx
	schemas map[string]*onnx.OpSchema
	faults  diag.List

	names      *names
	labels     *names
	consts     []initializer // of main, streamed
	offset     int64         // in External, of the next payload
	externalAt int64         // bytes written there
}

// written is a node in the terms of the opset asked for.
type written struct {
	in     []*ir.Value
	attrs  []*onnxpb.AttributeProto
	domain string
}

func (x *exporter) fail(e error, n *ir.Node) {
	d, ok := diag.At(n.Label(), n.OpName(), diag.Unsupported, e).(*diag.Error)
	if ok && len(x.faults) < diag.MaxFaults {
		d.Node, d.Op = n.Label(), n.OpName()
		x.faults = append(x.faults, d)
	}
}

// irVersions is the IR version that each opset came with, from opset 7 on.
var irVersions = [...]int64{3, 3, 4, 5, 6, 7, 7, 7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 13, 14}

// firstIR is the first IR version in which initializers need not be inputs.
const firstIR = 4

func (x *exporter) irVersion() int64 {
	if x.opt.IRVersion != 0 {
		return x.opt.IRVersion
	}
	return max(firstIR, irVersions[x.opt.Opset-OldestOpset])
}

// model is the file without its graph.
func (x *exporter) model() *onnxpb.ModelProto {
	p := &onnxpb.ModelProto{
		IrVersion: proto.Int64(x.irVersion()), ProducerName: proto.String("mlc"),
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(int64(x.opt.Opset))}},
	}
	for _, d := range sortedKeys(x.domains) {
		p.OpsetImport = append(p.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: proto.String(d), Version: proto.Int64(int64(x.domains[d]))})
	}
	for _, e := range x.m.Meta {
		p.MetadataProps = append(p.MetadataProps, &onnxpb.StringStringEntryProto{Key: proto.String(e.Key), Value: proto.String(e.Value)})
	}
	return p
}

var errTooLarge = errors.New("an ONNX file cannot be larger")

// maxFile is protobuf's limit.
const maxFile = math.MaxInt32
