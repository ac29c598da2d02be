// Package train teaches models: it turns an inference Module into one whose
// run is a training step, drives steps over a data set, and writes what was
// learnt back into the inference Module.
//
//	step, err := train.Step(m, cfg)        // forward, loss, gradients, update: one Module over ir.States
//	out, err := train.Export(m, exec)      // m with the weights that exec has learnt
//	hist, err := train.Fit(ctx, executor, m, trainSet, valSet, cfg)
//	scores, err := train.Evaluate(ctx, executor, m, testSet, cfg)
//
// A step Module reads the model's inputs, then "label" (i64[N] class indices
// for cross-entropy, the target itself for squared error), then "lr", and
// gives "loss" and, for cross-entropy, "correct" (a count). Its states are the
// model's weights and BatchNorm statistics under their own names, the
// optimizer's moments as NAME.m and NAME.v, masks as NAME.mask (Config.Masks)
// and "train.step". A new learning rate each run makes schedules, a new mask
// prunes, so nothing is compiled twice. The bounds of mlc.FakeQuantize, where
// they are constants, are states too and follow the extremes of the batches
// until step Config.RangeSteps.
//
// Everything random follows from Config.Seed, the epoch and the step: the
// order of the data, what Dropout drops. So a run that is killed and resumed
// from its checkpoint ends with the same bits, for any number of threads.
//
// It is given the ir.Executor that compiles and runs: the interpreter or the
// compiler. It must not know a backend, a file format of models or of data.
package train
