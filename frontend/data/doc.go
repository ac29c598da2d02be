// Package data brings data sets into tensors: it reads CSV, idx, npz and
// folders of recorded tensors, splits and shuffles by seed, prefetches
// batches, says what is wrong with the data, and fits preprocessing on the
// training part.
//
// Preprocessing has one form only: it is fitted to numbers here and written
// into the model as IR (Prep.Attach), so that training, evaluation and the
// exported model all take the raw data and cannot disagree. Augmentation is
// for training alone and works on raw samples.
//
// The package must not know models beyond the types of their inputs, nor how
// they are trained.
//
//	d, err := data.Open("iris.csv?skip=1&header=no", data.Options{})
//	train, val, err := data.Split(d, 0.2, 1)
//	prep, err := data.Fit(train, data.FitOptions{})
//	m, err = prep.Attach(m, ops)                    // m now takes raw columns
//	l := data.NewLoader(train, data.LoaderOptions{Batch: 16, Shuffle: true, Seed: 1})
//	for b, err := range l.Epoch(ctx, 0, 0) { ... }
package data
