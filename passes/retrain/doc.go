// Package retrain trains models that are being compressed: it ties
// frontend/train to passes that change what a model computes.
//
//	r, err := retrain.QAT(ctx, exec, m, trainSet, valSet, retrain.QATConfig{})
//	r.Module   // QuantizeLinear and DequantizeLinear, as passes/quant writes them
//
// Quantization-aware training takes a trained model, moves its normalization
// into the weights, and trains on with mlc.FakeQuantize in every place where
// passes/quant will put a pair of operators, so that the weights get used to
// the steps. Which places, which ranges to begin with, and the module that
// comes out are passes/quant's; the loop, its checkpoints and the states are
// frontend/train's. This package owns the order of these and nothing else: it
// knows no operator, kernel or file.
package retrain
