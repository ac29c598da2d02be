package cpu

import (
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/attr"
	"github.com/mlc-go/mlc/runtime/kernel/gemm"
	"github.com/mlc-go/mlc/runtime/kernel/rnn"
	"github.com/mlc-go/mlc/runtime/plan"
)

// selectLSTM lowers LSTM layers and their gradients, with the default
// activations and the batch on the second axis. A layer whose weights are not
// all constant, as in training, takes them as operands.
func selectLSTM(fl *funcLowerer, n *ir.Node) (bool, error) {
	a := n.Attrs
	if !computed(n.In[0].Type.DType) || a.Bool("layout") || a.Bool("input_forget") || a.Has("clip") || !plainGates(a) {
		return false, nil
	}
	if n.Is("mlc.LSTMGrad") {
		return fl.direct(n, rnn.OpGrad, pick(a, "direction"), n.In...)
	}
	alts := fl.alts(rnn.OpLSTM, gemm.FormatB)
	if alts == nil {
		return false, nil
	}
	var ws [8]*weight
	for _, i := range []int{1, 2, 3, 7} { // W, R, B, P
		if i >= len(n.In) || n.In[i] == nil {
			continue
		}
		w, err := fl.weight(n.In[i])
		if err != nil {
			return false, err
		}
		if w == nil {
			return fl.direct(n, rnn.OpOpen, pick(a, "direction"), n.In...)
		}
		ws[i] = w
	}
	w, r := ws[1], ws[2]
	dirs, h4, hidden := w.c.Dims[0], w.c.Dims[1], w.c.Dims[1]/4
	consts := []int{fl.packGates(w), fl.packGates(r)}
	if b := ws[3]; b != nil {
		consts = append(consts, fl.pack(b, "", "lstm bias", []int{dirs, h4}, func(dst, src []float32) {
			for d := range dirs {
				for i := range h4 {
					dst[d*h4+i] = src[2*d*h4+i] + src[(2*d+1)*h4+i]
				}
			}
		}))
	} else {
		consts = append(consts, fl.pack(r, "", "no lstm bias", []int{dirs, h4}, func(_, _ []float32) {}))
	}
	if p := ws[7]; p != nil {
		consts = append(consts, fl.pack(p, "", "lstm peepholes", []int{dirs, 3 * hidden}, func(dst, src []float32) { copy(dst, src) }))
	}
	call := plan.Instr{Op: plan.Call, Name: rnn.OpLSTM, Alts: alts, Consts: consts, Attrs: attr.Map{"direction": a["direction"]}, MACs: macs(n)}
	for _, i := range []int{0, 4, 5, 6} { // X, sequence_lens, initial_h, initial_c
		s, err := fl.operandLSTM(n, i)
		if err != nil {
			return false, err
		}
		call.In = append(call.In, s)
	}
	fl.emitF32(n, call)
	return true, nil
}

// operandLSTM is the slot of input i of a layer or of its gradient.
func (fl *funcLowerer) operandLSTM(n *ir.Node, i int) (plan.SlotID, error) {
	switch {
	case i >= len(n.In) || n.In[i] == nil:
		return plan.None, nil
	case i == 4: // sequence_lens
		return fl.slot(n.In[i])
	}
	return fl.f32(n.In[i])
}

// plainGates says whether the activations are the default ones.
func plainGates(a attr.Map) bool {
	for i, s := range a.Strs("activations") {
		if s != []string{"Sigmoid", "Tanh", "Tanh"}[i%3] {
			return false
		}
	}
	return true
}

// packGates packs w[D, 4H, K] as K by 4H matrices, one a direction.
func (fl *funcLowerer) packGates(w *weight) int {
	dirs, n, k := w.c.Dims[0], w.c.Dims[1], w.c.Dims[2]
	size := gemm.PackedB(k, n)
	return fl.pack(w, gemm.FormatB, "gates", []int{dirs * size}, func(dst, src []float32) {
		for d := range dirs {
			gemm.PackB(dst[d*size:(d+1)*size], src[d*n*k:], k, n, k, true)
		}
	})
}
