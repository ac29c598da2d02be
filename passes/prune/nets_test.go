package prune_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/passes/prune"
)

// netCase is a small net, how many channels of each layer must stay when half
// goes, and some of the types that must result. The numbers follow from which
// layers are tied to which, as each case says.
type netCase struct {
	name  string
	src   string
	keep  map[string][2]int
	types []string
	fixed map[string]string // part of the reason, by node
}

var nets = []netCase{
	{
		name: "chain: b's inputs follow a, b reaches the output",
		src: `func main(%x: f32[2,3,6,6]) -> (%y: f32[2,4,4,4]) {
	%w = const f32[8,3,3,3] random(seed=1)
	%b = const f32[8] random(seed=2)
	%v = const f32[4,8,1,1] random(seed=3)
	%c = Conv %x, %w, %b : f32[2,8,4,4] !"a"
	%r = Sigmoid %c : f32[2,8,4,4]
	%y = Conv %r, %v : f32[2,4,4,4] !"b"
	return %y
}`,
		keep:  map[string][2]int{"a": {4, 8}, "b": {4, 4}},
		types: []string{"f32[2,4,4,4]", "f32[2,4,4,4]", "f32[2,4,4,4]"},
		fixed: map[string]string{"b": "output y"},
	},
	{
		name: "residual: both sides of an Add go together, through two blocks",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[6,3,1,1] random(seed=1)
	%w2 = const f32[8,6,3,3] random(seed=2)
	%w3 = const f32[6,8,3,3] random(seed=3)
	%w4 = const f32[6,6,3,3] random(seed=4)
	%w5 = const f32[2,6,1,1] random(seed=5)
	%a = Conv %x, %w1 : f32[1,6,4,4] !"a"
	%b = Conv %a, %w2 {pads=[1,1,1,1]} : f32[1,8,4,4] !"b"
	%b1 = Relu %b : f32[1,8,4,4]
	%c = Conv %b1, %w3 {pads=[1,1,1,1]} : f32[1,6,4,4] !"c"
	%s = Add %a, %c : f32[1,6,4,4]
	%d = Conv %s, %w4 {pads=[1,1,1,1]} : f32[1,6,4,4] !"d"
	%t = Add %d, %s : f32[1,6,4,4]
	%y = Conv %t, %w5 : f32[1,2,4,4] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {3, 6}, "b": {4, 8}, "c": {3, 6}, "d": {3, 6}, "e": {2, 2}},
	},
	{
		name: "concat: each part keeps half of its own, the sum with a whole layer ties both to it",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[4,3,1,1] random(seed=1)
	%w2 = const f32[6,3,1,1] random(seed=2)
	%w3 = const f32[10,3,1,1] random(seed=3)
	%w5 = const f32[2,10,1,1] random(seed=5)
	%a = Conv %x, %w1 : f32[1,4,4,4] !"a"
	%b = Conv %x, %w2 : f32[1,6,4,4] !"b"
	%k = Concat %a, %b {axis=1} : f32[1,10,4,4]
	%c = Conv %x, %w3 : f32[1,10,4,4] !"c"
	%s = Add %k, %c : f32[1,10,4,4]
	%y = Conv %s, %w5 : f32[1,2,4,4] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {2, 4}, "b": {3, 6}, "c": {5, 10}, "e": {2, 2}},
	},
	{
		name: "concat with the input: its part stays",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[4,3,1,1] random(seed=1)
	%w5 = const f32[2,7,1,1] random(seed=5)
	%a = Conv %x, %w1 : f32[1,4,4,4] !"a"
	%k = Concat %x, %a {axis=1} : f32[1,7,4,4]
	%y = Conv %k, %w5 : f32[1,2,4,4] !"e"
	return %y
}`,
		keep:  map[string][2]int{"a": {2, 4}, "e": {2, 2}},
		types: []string{"f32[1,2,4,4]", "f32[1,5,4,4]", "f32[1,2,4,4]"},
	},
	{
		name: "depthwise: goes with its channel; two filters a channel go together",
		src: `func main(%x: f32[1,3,6,6]) -> (%y: f32[1,2,2,2]) {
	%w1 = const f32[4,3,1,1] random(seed=1)
	%w2 = const f32[8,1,3,3] random(seed=2)
	%b2 = const f32[8] random(seed=6)
	%w3 = const f32[8,1,3,3] random(seed=3)
	%w5 = const f32[2,8,1,1] random(seed=5)
	%a = Conv %x, %w1 : f32[1,4,6,6] !"a"
	%d = Conv %a, %w2, %b2 {group=4} : f32[1,8,4,4] !"d"
	%g = Conv %d, %w3 {group=8} : f32[1,8,2,2] !"g"
	%y = Conv %g, %w5 : f32[1,2,2,2] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {2, 4}, "d": {4, 8}, "g": {4, 8}, "e": {2, 2}},
	},
	{
		name: "grouped: every group gives as many, so half of the pairs",
		src: `func main(%x: f32[1,3,6,6]) -> (%y: f32[1,2,6,6]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[12,4,1,1] random(seed=2)
	%w5 = const f32[2,12,1,1] random(seed=5)
	%a = Conv %x, %w1 : f32[1,8,6,6] !"a"
	%d = Conv %a, %w2 {group=2} : f32[1,12,6,6] !"d"
	%y = Conv %d, %w5 : f32[1,2,6,6] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {4, 8}, "d": {6, 12}, "e": {2, 2}},
	},
	{
		name: "flatten into dense: a channel is 4 features",
		src: `dim N 1..*
func main(%x: f32[N,3,2,2]) -> (%y: f32[N,3]) {
	%w1 = const f32[6,3,1,1] random(seed=1)
	%w2 = const f32[24,8] random(seed=2)
	%b2 = const f32[8] random(seed=3)
	%w3 = const f32[3,8] random(seed=4)
	%a = Conv %x, %w1 : f32[N,6,2,2] !"a"
	%f = Flatten %a : f32[N,24]
	%d = Gemm %f, %w2, %b2 : f32[N,8] !"d"
	%r = Relu %d : f32[N,8]
	%y = Gemm %r, %w3 {transB=1} : f32[N,3] !"e"
	return %y
}`,
		keep:  map[string][2]int{"a": {3, 6}, "d": {4, 8}, "e": {3, 3}},
		types: []string{"f32[N,3,2,2]", "f32[N,12]", "f32[N,4]", "f32[N,4]", "f32[N,3]"},
	},
	{
		name: "channels last by Transpose, then Reshape and MatMul with a bias of its own",
		src: `func main(%x: f32[2,3,2,2]) -> (%y: f32[2,3]) {
	%w1 = const f32[6,3,1,1] random(seed=1)
	%w2 = const f32[24,8] random(seed=2)
	%b2 = const f32[8] random(seed=3)
	%w3 = const f32[8,3] random(seed=4)
	%s = const i64[2] [2, 24]
	%a = Conv %x, %w1 : f32[2,6,2,2] !"a"
	%t = Transpose %a {perm=[0,2,3,1]} : f32[2,2,2,6]
	%f = Reshape %t, %s : f32[2,24]
	%d = MatMul %f, %w2 : f32[2,8] !"d"
	%e = Add %d, %b2 : f32[2,8]
	%y = MatMul %e, %w3 : f32[2,3] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {3, 6}, "d": {4, 8}, "e": {3, 3}},
	},
	{
		name: "dense unfolds into ConvTranspose: 4 features make a channel",
		src: `func main(%x: f32[1,5]) -> (%y: f32[1,1,8,8]) {
	%w1 = const f32[5,32] random(seed=1)
	%s = const i64[4] [1, 8, 2, 2]
	%w2 = const f32[8,6,2,2] random(seed=2)
	%b2 = const f32[6] random(seed=3)
	%w3 = const f32[6,1,2,2] random(seed=4)
	%a = Gemm %x, %w1 : f32[1,32] !"a"
	%r = Reshape %a, %s : f32[1,8,2,2]
	%c = ConvTranspose %r, %w2, %b2 {strides=[2,2]} : f32[1,6,4,4] !"c"
	%q = Tanh %c : f32[1,6,4,4]
	%y = ConvTranspose %q, %w3 {strides=[2,2]} : f32[1,1,8,8] !"e"
	return %y
}`,
		keep:  map[string][2]int{"a": {16, 32}, "c": {3, 6}, "e": {1, 1}},
		types: []string{"f32[1,16]", "f32[1,4,2,2]", "f32[1,3,4,4]", "f32[1,3,4,4]", "f32[1,1,8,8]"},
	},
	{
		name: "depthwise ConvTranspose with two filters a channel, and one of two groups",
		src: `func main(%x: f32[1,3,2,2]) -> (%y: f32[1,2,8,8]) {
	%w1 = const f32[4,3,1,1] random(seed=1)
	%w2 = const f32[4,2,2,2] random(seed=2)
	%b2 = const f32[8] random(seed=6)
	%w3 = const f32[8,3,2,2] random(seed=3)
	%w5 = const f32[2,6,1,1] random(seed=5)
	%a = Conv %x, %w1 : f32[1,4,2,2] !"a"
	%d = ConvTranspose %a, %w2, %b2 {group=4, strides=[2,2]} : f32[1,8,4,4] !"d"
	%g = ConvTranspose %d, %w3 {group=2, strides=[2,2]} : f32[1,6,8,8] !"g"
	%y = Conv %g, %w5 : f32[1,2,8,8] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {2, 4}, "d": {4, 8}, "g": {4, 6}, "e": {2, 2}},
	},
	{
		name: "two outputs: what reaches either stays",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4], %z: f32[1,4,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[4,8,1,1] random(seed=2)
	%w3 = const f32[2,4,1,1] random(seed=3)
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%b = Conv %a, %w2 : f32[1,4,4,4] !"b"
	%z = Relu %b : f32[1,4,4,4]
	%y = Conv %b, %w3 : f32[1,2,4,4] !"c"
	return %y, %z
}`,
		keep:  map[string][2]int{"a": {4, 8}, "b": {4, 4}, "c": {2, 2}},
		fixed: map[string]string{"b": "output z", "c": "output y"},
	},
	{
		name: "Softmax over channels needs all of them, over positions none in particular",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[6,8,1,1] random(seed=2)
	%w3 = const f32[2,6,1,1] random(seed=3)
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%s = Softmax %a {axis=1} : f32[1,8,4,4] !"s"
	%b = Conv %s, %w2 : f32[1,6,4,4] !"b"
	%q = Softmax %b {axis=3} : f32[1,6,4,4]
	%y = Conv %q, %w3 : f32[1,2,4,4] !"c"
	return %y
}`,
		keep:  map[string][2]int{"a": {8, 8}, "b": {3, 6}, "c": {2, 2}},
		fixed: map[string]string{"a": `node s (Softmax)`},
	},
	{
		name: "BatchNormalization, pooling, Pad and Clip pass; a constant that two layers share is cut for each",
		src: `func main(%x: f32[1,3,8,8]) -> (%y: f32[1,2,1,1]) {
	%w1 = const f32[4,3,1,1] random(seed=1)
	%w2 = const f32[4,4,1,1] random(seed=2)
	%w3 = const f32[2,4,1,1] random(seed=3)
	%g = const f32[4] [1, 0.5, 2, 1.5]
	%o = const f32[4] [0.5, 0.25, 0.125, 1]
	%p = const i64[8] [0, 0, 1, 1, 0, 0, 1, 1]
	%lo = const f32[] [0.25]
	%a = Conv %x, %w1 : f32[1,4,8,8] !"a"
	%n = BatchNormalization %a, %g, %o, %o, %g : f32[1,4,8,8]
	%m = MaxPool %n {kernel_shape=[2,2], strides=[2,2]} : f32[1,4,4,4]
	%q = Pad %m, %p : f32[1,4,6,6]
	%b = Conv %q, %w2 : f32[1,4,6,6] !"b"
	%k = BatchNormalization %b, %g, %o, %o, %g : f32[1,4,6,6]
	%l = Clip %k, %lo : f32[1,4,6,6]
	%h = GlobalAveragePool %l : f32[1,4,1,1]
	%y = Conv %h, %w3 : f32[1,2,1,1] !"c"
	return %y
}`,
		keep: map[string][2]int{"a": {2, 4}, "b": {2, 4}, "c": {2, 2}},
	},
	{
		name: "squeeze and excitation: the gate goes with what it scales",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[4,8] random(seed=2)
	%w3 = const f32[8,4] random(seed=3)
	%w4 = const f32[2,8,1,1] random(seed=4)
	%ax = const i64[2] [2, 3]
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%m = ReduceMean %a, %ax {keepdims=0} : f32[1,8]
	%f = Gemm %m, %w2 {transB=1} : f32[1,4] !"f"
	%r = Relu %f : f32[1,4]
	%g = Gemm %r, %w3 {transB=1} : f32[1,8] !"g"
	%s = Sigmoid %g : f32[1,8]
	%u = Unsqueeze %s, %ax : f32[1,8,1,1]
	%p = Mul %a, %u : f32[1,8,4,4]
	%y = Conv %p, %w4 : f32[1,2,4,4] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {4, 8}, "f": {2, 4}, "g": {4, 8}, "e": {2, 2}},
	},
	{
		name: "channel shuffle: one channel of each of two groups at a time",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[2,8,1,1] random(seed=2)
	%s1 = const i64[5] [1, 2, 4, 4, 4]
	%s2 = const i64[4] [1, 8, 4, 4]
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%r = Reshape %a, %s1 : f32[1,2,4,4,4]
	%t = Transpose %r {perm=[0,2,1,3,4]} : f32[1,4,2,4,4]
	%q = Reshape %t, %s2 : f32[1,8,4,4]
	%y = Conv %q, %w2 : f32[1,2,4,4] !"e"
	return %y
}`,
		keep:  map[string][2]int{"a": {4, 8}, "e": {2, 2}},
		types: []string{"f32[1,4,4,4]", "f32[1,2,2,4,4]", "f32[1,2,2,4,4]", "f32[1,4,4,4]", "f32[1,2,4,4]"},
	},
	{
		name: "split: each part keeps half, no part is emptied",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[4,4,1,1] random(seed=2)
	%w3 = const f32[2,10,1,1] random(seed=3)
	%n = const i64[2] [6, 2]
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%p, %q = Split %a, %n {axis=1} : f32[1,6,4,4], f32[1,2,4,4]
	%h, %l = Split %p {axis=1, num_outputs=2} : f32[1,3,4,4], f32[1,3,4,4]
	%s = Add %h, %l : f32[1,3,4,4]
	%k = Concat %s, %q, %q, %h {axis=1} : f32[1,10,4,4]
	%y = Conv %k, %w3 : f32[1,2,4,4] !"e"
	return %y
}`,
		// s ties 3 pairs: round(1.5) = 2 pairs stay; of q's 2 channels 1.
		keep: map[string][2]int{"a": {5, 8}, "e": {2, 2}},
	},
	{
		name: "Resize by sizes, Slice in space, and a transposed convolution's way back",
		src: `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,6,8]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%w2 = const f32[2,8,1,1] random(seed=2)
	%n = const i64[4] [1, 8, 8, 8]
	%st = const i64[1] [1]
	%en = const i64[1] [7]
	%ax = const i64[1] [2]
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%r = Resize %a, _, _, %n {mode="nearest"} : f32[1,8,8,8]
	%s = Slice %r, %st, %en, %ax : f32[1,8,6,8]
	%y = Conv %s, %w2 : f32[1,2,6,8] !"e"
	return %y
}`,
		keep: map[string][2]int{"a": {4, 8}, "e": {2, 2}},
	},
	{
		name: "features of an LSTM's input go, its state stays",
		src: `func main(%x: f32[5,1,3]) -> (%y: f32[5,1,1,4]) {
	%w1 = const f32[3,6] random(seed=1)
	%w = const f32[1,16,6] random(seed=2)
	%r = const f32[1,16,4] random(seed=3)
	%a = MatMul %x, %w1 : f32[5,1,6] !"a"
	%y = LSTM %a, %w, %r {hidden_size=4} : f32[5,1,1,4] !"l"
	return %y
}`,
		keep: map[string][2]int{"a": {3, 6}},
	},
	{
		name: "tied weights: one constant in two layers is one set of channels",
		src: `func main(%x: f32[1,4,4,4]) -> (%y: f32[1,2,4,4]) {
	%w0 = const f32[6,4,1,1] random(seed=9)
	%w1 = const f32[6,6,1,1] random(seed=1)
	%w3 = const f32[2,6,1,1] random(seed=3)
	%z = Conv %x, %w0 : f32[1,6,4,4] !"z"
	%a = Conv %z, %w1 : f32[1,6,4,4] !"a"
	%b = Conv %a, %w1 : f32[1,6,4,4] !"b"
	%y = Conv %b, %w3 : f32[1,2,4,4] !"e"
	return %y
}`,
		keep: map[string][2]int{"z": {3, 6}, "a": {3, 6}, "b": {3, 6}, "e": {2, 2}},
	},
}

func TestNets(t *testing.T) {
	for _, c := range nets {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.src)
			rep, pruned := both(t, m, channel())
			if got := keeps(rep); !maps.Equal(got, c.keep) {
				t.Errorf("kept %v, want %v", got, c.keep)
			}
			if c.types != nil && !slices.Equal(types(pruned), c.types) {
				t.Errorf("types %q, want %q", types(pruned), c.types)
			}
			for _, l := range rep.Layers {
				if want, ok := c.fixed[l.Node]; ok && !strings.Contains(l.Fixed, want) {
					t.Errorf("%s is fixed because %q, want %q", l.Node, l.Fixed, want)
				}
				if (l.Fixed == "") != (l.Kept < l.Total) {
					t.Errorf("%s keeps %d of %d, fixed %q", l.Node, l.Kept, l.Total, l.Fixed)
				}
			}
			for _, o := range []prune.Config{
				{Structure: prune.Channel, Sparsity: 0.34, Scope: prune.Global, Criterion: prune.L1, MinChannels: 1},
				{Structure: prune.Channel, Sparsity: 0.7, MinChannels: 1},
				{Structure: prune.Channel, Sparsity: 0.25, Align: 2},
			} {
				both(t, m, o)
			}
		})
	}
}

// Nothing in these can go: an operator that is not understood, a product of two
// activations, an If that reads outer values, a sum with the input.
func TestNothingToPrune(t *testing.T) {
	for _, c := range []struct{ name, src string }{
		{"TopK-like reading", `func main(%x: f32[1,3,4,4]) -> (%y: i64[1,1,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%y = ArgMax %a {axis=1} : i64[1,1,4,4] !"m"
	return %y
}`},
		{"both factors are activations", `func main(%x: f32[4,4]) -> (%y: f32[4,4]) {
	%w1 = const f32[4,8] random(seed=1)
	%w2 = const f32[4,8] random(seed=2)
	%a = MatMul %x, %w1 : f32[4,8] !"a"
	%b = MatMul %x, %w2 : f32[4,8] !"b"
	%t = Transpose %b {perm=[1,0]} : f32[8,4]
	%y = MatMul %a, %t : f32[4,4] !"p"
	return %y
}`},
		{"read in a region", `func main(%x: f32[1,3,4,4], %c: bool[]) -> (%y: f32[1,8,4,4]) {
	%w1 = const f32[8,3,1,1] random(seed=1)
	%a = Conv %x, %w1 : f32[1,8,4,4] !"a"
	%y = If %c {
		() 
		%p = Relu %a : f32[1,8,4,4]
		yield %p
	} {
		()
		%q = Neg %a : f32[1,8,4,4]
		yield %q
	} : f32[1,8,4,4] !"i"
	return %y
}`},
		{"added to the input", `func main(%x: f32[1,3,4,4]) -> (%y: f32[1,2,4,4]) {
	%w1 = const f32[3,3,1,1] random(seed=1)
	%w2 = const f32[2,3,1,1] random(seed=2)
	%a = Conv %x, %w1 : f32[1,3,4,4] !"a"
	%s = Add %a, %x : f32[1,3,4,4] !"s"
	%y = Conv %s, %w2 : f32[1,2,4,4] !"b"
	return %y
}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := prune.Apply(parse(t, c.src), channel())
			if diag.KindOf(err) != diag.Budget || !strings.Contains(err.Error(), `node "a"`) {
				t.Errorf("error %v, want a budget error that names node a", err)
			}
		})
	}
}
