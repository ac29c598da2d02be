// Package retrain trains models so that they bear compression: it ties
// frontend/train to the passes that make models smaller.
//
//	h, rep, err := retrain.Prune(ctx, exec, m, trainSet, valSet, cfg, retrain.Pruning{
//		Config: prune.Config{Sparsity: 0.7, Scope: prune.Global}, End: 0.7})
//
// Prune leaves out more and more of a model while it learns, then lets it
// learn with what is left. What is left out is kept as masks, states of the
// training step, so that a run that is killed and resumed ends with the same
// bits.
//
// It must not know a file format, a backend, or how a loop over data works: it
// hands train.Config's hooks to train.Fit and gives what came of it.
package retrain
