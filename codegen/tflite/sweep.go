package tflite

import "slices"

// sweep leaves out what nothing leads to an output from: operators, tensors
// and payloads, and numbers the rest anew, in the same order.
func (x *exporter) sweep() {
	need := make([]bool, len(x.tensors))
	for _, id := range slices.Concat(x.inputs, x.outputs) {
		need[id] = true
	}
	kept := make([]bool, len(x.ops))
	for i := len(x.ops) - 1; i >= 0; i-- {
		o := x.ops[i]
		if !slices.ContainsFunc(o.out, func(id int) bool { return need[id] }) {
			continue
		}
		kept[i] = true
		for _, id := range slices.Concat(o.in, o.out) {
			if id >= 0 {
				need[id] = true
			}
		}
	}
	tensorAt := numbers(need)
	bufUsed := make([]bool, len(x.buffers))
	bufUsed[0] = true
	for i, t := range x.tensors {
		if need[i] {
			bufUsed[t.buffer] = true
		}
	}
	bufferAt := numbers(bufUsed)
	x.tensors, x.buffers, x.ops = only(x.tensors, need), only(x.buffers, bufUsed), only(x.ops, kept)
	for _, t := range x.tensors {
		t.buffer = bufferAt[t.buffer]
	}
	for i := range x.ops {
		o := &x.ops[i]
		renumber(o.in, tensorAt)
		renumber(o.out, tensorAt)
	}
	clear(x.copies) // by numbers that were
	clear(x.data)
	renumber(x.inputs, tensorAt)
	renumber(x.outputs, tensorAt)
}

// numbers counts those that stay.
func numbers(used []bool) []int {
	out := make([]int, len(used))
	n := 0
	for i, u := range used {
		out[i] = n
		if u {
			n++
		}
	}
	return out
}

func only[T any](list []T, used []bool) []T {
	var out []T
	for i, v := range list {
		if used[i] {
			out = append(out, v)
		}
	}
	return out
}

func renumber(ids, at []int) {
	for i, id := range ids {
		if id >= 0 {
			ids[i] = at[id]
		}
	}
}
