// Package retrain trains models that are being compressed, or that learn from
// another: it ties frontend/train to the passes that change models, through
// train.Config's hooks and through fields added to the data.
//
// Pruning leaves out more and more of a model while it learns, then lets it
// learn with what is left. What is left out is kept as masks, states of the
// training step, so that a run that is killed and resumed ends with the same
// bits.
//
//	h, rep, err := retrain.Prune(ctx, exec, m, trainSet, valSet, cfg, retrain.Pruning{
//		Config: prune.Config{Sparsity: 0.7, Scope: prune.Global}, End: 0.7})
//
// Quantization-aware training takes a trained model, moves its normalization
// into the weights, and trains on with mlc.FakeQuantize in every place where
// passes/quant will put a pair of operators, so that the weights get used to
// the steps. Which places, which ranges to begin with, and the module that
// comes out are passes/quant's.
//
//	r, err := retrain.QAT(ctx, exec, m, trainSet, valSet, retrain.QATConfig{})
//	r.Module   // QuantizeLinear and DequantizeLinear, as passes/quant writes them
//
// Distillation: a student learns from the logits of a teacher, a frozen model
// that the same ir.Executor compiles as for inference.
//
//	t, err := retrain.NewTeacher(ctx, exec, teacher, retrain.TeacherOptions{})
//	cfg, tr, val, err := t.Distill(cfg, tr, val, retrain.Distillation{Temperature: 4, Alpha: 0.7})
//	hist, err := train.Fit(ctx, exec, student, tr, val, cfg)
//
// The logits are one more field of the data, which the teacher computes of
// each batch as the student sees it, augmented or not. Without augmentation
// the logits of a sample never change, so they are kept and the teacher runs
// once a sample and not once an epoch; the bits are the same.
//
// The loop, its checkpoints and the states are frontend/train's. This package
// must not know a command, a file format, a backend or a kernel.
package retrain
