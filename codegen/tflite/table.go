package tflite

import (
	"fmt"
	"slices"

	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/passes/layout"
)

// builtin is how one operator is written.
type builtin struct {
	rule func(n *ir.Node) layout.Rule // nil: ONNX's order everywhere
	emit func(x *exporter, n *ir.Node) error
}

// builtins are the operators that can be written, by full name.
var builtins = map[string]builtin{
	"Conv":              {last, emitConv},
	"ConvTranspose":     {last, emitConvTranspose},
	"MaxPool":           {last, emitMaxPool},
	"AveragePool":       {last, emitAveragePool},
	"GlobalAveragePool": {anyOrder, global(opMean)},
	"GlobalMaxPool":     {anyOrder, global(opReduceMax)},
	"Resize":            {last, emitResize},

	"QuantizeLinear":   {quantRule, emitQuantize},
	"DequantizeLinear": {quantRule, emitDequantize},

	"Gemm":   {take, emitGemm},
	"MatMul": {take, emitMatMul},

	"Add":     {whole, pairwise(opAdd)},
	"Sub":     {whole, pairwise(opSub)},
	"Mul":     {whole, pairwise(opMul)},
	"Div":     {whole, pairwise(opDiv)},
	"Pow":     {whole, pairwise(opPow)},
	"Max":     {whole, pairwise(opMaximum)},
	"Min":     {whole, pairwise(opMinimum)},
	"PRelu":   {anyOrder, emitPRelu},
	"Relu":    {whole, unary(opRelu)},
	"Sigmoid": {whole, unary(opLogistic)},
	"Tanh":    {whole, unary(opTanh)},
	"Exp":     {whole, unary(opExp)},
	"Log":     {whole, unary(opLog)},
	"Sqrt":    {whole, unary(opSqrt)},
	"Neg":     {whole, unary(opNeg)},
	"Abs":     {whole, unary(opAbs)},
	"Floor":   {whole, unary(opFloor)},
	"Ceil":    {whole, unary(opCeil)},
	"Round":   {whole, unary(opRound)},
	"Sign":    {whole, unary(opSign)},

	"HardSwish":   {whole, emitHardSwish},
	"LeakyRelu":   {whole, emitLeakyRelu},
	"Elu":         {whole, emitElu},
	"Gelu":        {whole, emitGelu},
	"Clip":        {whole, emitClip},
	"HardSigmoid": {whole, emitHardSigmoid},
	"Reciprocal":  {whole, emitReciprocal},
	"Softplus":    {whole, emitSoftplus},
	"Softsign":    {whole, emitSoftsign},
	"Identity":    {whole, emitSame},
	"Dropout":     {whole, emitDropout},
	"Cast":        {whole, emitCast},

	"Equal":          {anyOf, compare(opEqual, 53)},
	"Less":           {anyOf, compare(opLess, 41)},
	"LessOrEqual":    {anyOf, compare(opLessEqual, 45)},
	"Greater":        {anyOf, compare(opGreater, 43)},
	"GreaterOrEqual": {anyOf, compare(opGreaterEqual, 44)},
	"Where":          {anyOf, emitWhere},
	"Gather":         {gatherRule, emitGather},

	"Softmax":    {softmaxRule, emitSoftmax(opSoftmax)},
	"LogSoftmax": {softmaxRule, emitSoftmax(opLogSoftmax)},
	"Concat":     {anyOrder, emitConcat},
	"Split":      {anyOrder, emitSplit},
	"Slice":      {anyOrder, emitSlice},
	"Pad":        {anyOrder, emitPad},
	"Transpose":  {moveRule, emitTranspose},
	"Reshape":    {view, emitView},
	"Flatten":    {view, emitView},
	"Squeeze":    {view, emitView},
	"Unsqueeze":  {view, emitView},
	"Expand":     {nil, emitExpand},
	"Tile":       {nil, emitTile},

	"LSTM": {nil, emitLSTM},

	"ReduceMean": {reduceRule, reduce(opMean)},
	"ReduceSum":  {reduceRule, reduce(opSum)},
	"ReduceMax":  {reduceRule, reduce(opReduceMax)},
	"ReduceMin":  {reduceRule, reduce(opReduceMin)},
	"ReduceProd": {reduceRule, reduce(opReduceProd)},
}

func last(n *ir.Node) layout.Rule { return layout.Rule{Class: layout.ClassLast, Data: []int{0}} }

// operands are the inputs that are there.
func operands(n *ir.Node) []int {
	var out []int
	for i, v := range n.In {
		if v != nil {
			out = append(out, i)
		}
	}
	return out
}

func whole(n *ir.Node) layout.Rule {
	return layout.Rule{Class: layout.ClassWhole, Data: operands(n)}
}

func anyOrder(n *ir.Node) layout.Rule {
	r := layout.Rule{Class: layout.ClassAny, Data: []int{0}}
	if n.Is("Concat") || n.Is("PRelu") {
		r.Data = operands(n)
	}
	return r
}

// anyOf is for elementwise operators of several operands.
func anyOf(n *ir.Node) layout.Rule {
	return layout.Rule{Class: layout.ClassAny, Data: operands(n)}
}

func view(n *ir.Node) layout.Rule { return layout.Rule{Class: layout.ClassView, Data: []int{0}} }

// take is for products with constant weights, whose rows can follow any order
// of a flattened operand.
func take(n *ir.Node) layout.Rule {
	if n.In[0].Type.Rank() == 2 && known(n.In[1]) != nil && n.Attrs.Int("transA") == 0 {
		return layout.Rule{Class: layout.ClassTake, Data: []int{0}}
	}
	return layout.Rule{}
}

func moveRule(n *ir.Node) layout.Rule {
	return layout.Rule{Class: layout.ClassMove, Data: []int{0}, Perm: transposePerm(n)}
}

func transposePerm(n *ir.Node) []int {
	r := n.In[0].Type.Rank()
	perm := make([]int, r)
	given := n.Attrs.Ints("perm")
	for i := range perm {
		perm[i] = r - 1 - i
		if len(given) == r {
			perm[i] = int(given[i])
		}
	}
	return perm
}

func softmaxRule(n *ir.Node) layout.Rule {
	r := n.In[0].Type.Rank()
	if ax := axisOf(n.Attrs.Int("axis"), r); ax == 1 && r > 2 {
		return last(n)
	}
	return layout.Rule{}
}

func reduceRule(n *ir.Node) layout.Rule {
	axes, err := reduceAxes(n)
	if err != nil {
		return layout.Rule{}
	}
	if n.Attrs.Bool("keepdims") {
		return anyOrder(n)
	}
	return layout.Rule{Class: layout.ClassDrop, Data: []int{0}, Axes: axes}
}

func axisOf(a, rank int) int {
	if a < 0 {
		return a + rank
	}
	return a
}

// constant is an input that is constant; ok is false if it is absent.
func constant(n *ir.Node, i int) (t tensor.Tensor, ok bool, err error) {
	if i >= len(n.In) || n.In[i] == nil {
		return t, false, nil
	}
	c := n.In[i].Const()
	if c == nil {
		return t, false, fmt.Errorf("input %s is computed at run time", n.Def.In[min(i, len(n.Def.In)-1)].Name)
	}
	t, err = c.Tensor()
	return t, err == nil, err
}

// constInts are the elements of a constant input of integers.
func constInts(n *ir.Node, i int) (v []int, ok bool, err error) {
	t, ok, err := constant(n, i)
	if !ok {
		return nil, false, err
	}
	for k := range t.Len() {
		v = append(v, int(t.Int(k)))
	}
	return v, true, nil
}

// constFloats are those of one of numbers.
func constFloats(n *ir.Node, i int) (v []float64, ok bool, err error) {
	t, ok, err := constant(n, i)
	if !ok {
		return nil, false, err
	}
	for k := range t.Len() {
		if t.DType().IsFloat() {
			v = append(v, t.Float(k))
		} else {
			v = append(v, float64(t.Int(k)))
		}
	}
	return v, true, nil
}

func reduceAxes(n *ir.Node) ([]int, error) {
	r := n.In[0].Type.Rank()
	axes, ok, err := constInts(n, 1)
	if err != nil {
		return nil, err
	}
	if len(axes) == 0 || !ok {
		if n.Attrs.Bool("noop_with_empty_axes") {
			return nil, nil
		}
		for a := range r {
			axes = append(axes, a)
		}
	}
	for i := range axes {
		axes[i] = axisOf(axes[i], r)
	}
	slices.Sort(axes)
	return axes, nil
}
