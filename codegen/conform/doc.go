// Package conform runs recorded vectors against an engine and compares: the
// layout of ONNX's backend tests, a folder with model.onnx and
// test_data_set_N/{input,output}_M.pb, a tree of such folders, or a .tar.zst of
// one. `mlc verify`, tests and peers' checks go through it. It knows no engine:
// one is passed in.
//
//	sum, err := conform.Run(ctx, []string{"corpus.tar.zst"}, conform.Options{Tol: tensor.Close, Engine: e}, report)
package conform
