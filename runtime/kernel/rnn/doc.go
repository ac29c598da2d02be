// Package rnn computes float32 recurrent layers on the GEMM tiles: the products
// of all inputs of a sequence at once, then step by step those of the state,
// with gates in the vector functions of package eltwise; and their gradients,
// back through time. It knows layouts and extents, no operator table and no
// graph.
//
// Numerics: a gate is the product with the input, plus the sum of the biases,
// plus the product with the state, plus the peephole's product, each rounded
// to float32; products of matrices obey the rule of package gemm. A gradient
// of weights is one such product over all steps of all sequences, in the order
// of X; that of peepholes is summed over the steps of a sequence, last first,
// then over the sequences. No sum depends on threads or instruction sets.
//
//	desc := &rnn.LSTMF32_6x16_avx2
//	call.State, err = desc.Prepare(call)
//	desc.Run(call)
package rnn
