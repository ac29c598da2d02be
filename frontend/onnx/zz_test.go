package onnx
import ("testing";"fmt";"time";"google.golang.org/protobuf/proto";"github.com/mlc-go/mlc/frontend/onnx/onnxpb")
func TestZZ(t *testing.T) {
	const n = 200000
	g := pbGraph()
	for i := n; i > 0; i-- { g.Node = append(g.Node, pbNode(fmt.Sprintf("v%d = Relu v%d", i, i-1))) }
	g.Input[0].Name, g.Output[0].Name = proto.String("v0"), proto.String(fmt.Sprintf("v%d", n))
	s := time.Now(); mustImport(t, pbModel(g)); fmt.Println("chain+verify", time.Since(s))
	g = pbGraph()
	for i := 0; i < n; i++ { g.Node = append(g.Node, pbNode(fmt.Sprintf("same: v%d = local.F x", i))) }
	g.Node = append(g.Node, pbNode("y = Relu v7"))
	f := &onnxpb.FunctionProto{Name: proto.String("F"), Domain: proto.String("local"), Input: []string{"a"}, Output: []string{"o"}, OpsetImport: pbOpsets("", 13), Node: []*onnxpb.NodeProto{pbNode("p = Relu a"), pbNode("o = Relu p")}}
	s = time.Now(); mustImport(t, pbModel(g, f)); fmt.Println("calls+verify", time.Since(s))
	// nested loops that grow
	in := &onnxpb.GraphProto{Name: proto.String("b"), Node: []*onnxpb.NodeProto{pbNode("s = Concat v, v", pbInt("axis", 0))},
		Input:  []*onnxpb.ValueInfoProto{pbValue("i", pbInt64), pbValue("ci", pbBool), pbValue("v", pbFloat)}, Output: []*onnxpb.ValueInfoProto{pbValue("ci", pbBool), pbValue("s", pbFloat)}}
	for k := 0; k < 20; k++ {
		nm := func(s string) string { return fmt.Sprint(s, k) }
		in = &onnxpb.GraphProto{Name: proto.String("b"), Node: []*onnxpb.NodeProto{pbNode(nm("s")+" = Loop m, _, "+nm("v"), pbGraphAttr("body", in))},
			Input:  []*onnxpb.ValueInfoProto{pbValue(nm("i"), pbInt64), pbValue(nm("ci"), pbBool), pbValue(nm("v"), pbFloat)}, Output: []*onnxpb.ValueInfoProto{pbValue(nm("ci"), pbBool), pbValue(nm("s"), pbFloat)}}
	}
	g = pbGraph(pbNode("y = Loop m, _, x", pbGraphAttr("body", in)))
	g.Initializer = []*onnxpb.TensorProto{pbInts("m", nil, 1)}
	s = time.Now(); m, err := importModel(t, pbModel(g), ImportOptions{}); fmt.Println("loops", time.Since(s), err)
	if err == nil { wantFloats(t, run(t, m, row), -1, 2, -1, 2) }
}
