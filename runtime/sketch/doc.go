// Package sketch summarizes streams of numbers in fixed memory: extremes,
// moments and a histogram from which quantiles are read. Sketches of parts of
// a stream merge to the sketch of the whole, bit for bit, in any order:
// calibration splits its samples so, and serving compares the sketch of live
// traffic with that of calibration.
//
//	var h sketch.Hist
//	h.Add(values)
//	lo, hi := h.Range(99.99)
//
// It knows no tensor, model or file.
package sketch
