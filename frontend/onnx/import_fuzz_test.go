package onnx

import (
	"context"
	"errors"
	"path"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/op"
	"github.com/mlc-go/mlc/ir/verify"
)

// FuzzImport: whatever the bytes, decoding and importing end soon, with an
// error of ours or a module that verifies.
func FuzzImport(f *testing.F) {
	add := func(p *onnxpb.ModelProto) { f.Add(encode(f, p)) }
	add(everywhere())
	branch := &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{pbNode("r = Neg x")}, Output: []*onnxpb.ValueInfoProto{pbValue("r", pbFloat)}}
	add(pbModel(pbGraph(pbNode("y = If c", pbGraphAttr("then_branch", branch), pbGraphAttr("else_branch", branch)))))
	body := &onnxpb.GraphProto{Node: []*onnxpb.NodeProto{pbNode("o = Concat v, v", pbInt("axis", 0))},
		Input: []*onnxpb.ValueInfoProto{pbValue("i", pbInt64), pbValue("c", pbBool), pbValue("v", pbFloat)}, Output: []*onnxpb.ValueInfoProto{pbValue("c", pbBool), pbValue("o", pbFloat)}}
	add(pbModel(pbGraph(pbNode("y = Loop _, _, x", pbGraphAttr("body", body)))))
	fn := &onnxpb.FunctionProto{Name: proto.String("F"), Domain: proto.String("local"), OpsetImport: pbOpsets("", 11), Input: []string{"a"}, Output: []string{"o"},
		Attribute: []string{"k"}, Node: []*onnxpb.NodeProto{pbNode("o = Softmax a", pbRef("axis", "k", onnxpb.AttributeProto_INT))}}
	add(pbModel(pbGraph(pbNode("y = local.F x", pbInt("k", 1))), fn))
	if !testing.Short() {
		files := shared(f, "corpus/onnx-node.tar.zst")
		for _, name := range sortedNames(files) {
			if path.Base(name) == "model.onnx" && len(files[name].Data) < 500 {
				f.Add(files[name].Data)
			}
		}
	}
	ops := op.Builtin()
	const bound = 10 * time.Second
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, err := DecodeBytes(b, nil, DecodeOptions{MaxMemory: 64 << 20})
		if err != nil {
			return
		}
		defer raw.Close()
		ctx, cancel := context.WithTimeout(context.Background(), bound)
		defer cancel()
		m, err := Import(ctx, raw, ImportOptions{Ops: ops})
		if errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("not done after %v", bound)
		}
		if err != nil {
			ours(t, err)
			return
		}
		if err := verify.Module(m); err != nil {
			t.Fatalf("imports, but does not verify: %v", err)
		}
	})
}
