// Package calib makes samples for codegen.Quantize of data sets: which field feeds
// which input, and how many rows go into a run. It reads no files and knows no
// form of data: that is frontend/data's.
//
//	d, err := data.Open("idx:images,labels", data.Options{})
//	q, err := codegen.Quantize(ctx, src, codegen.QuantizeOptions{Samples: calib.Dataset(d, 16, 500)})
package calib
