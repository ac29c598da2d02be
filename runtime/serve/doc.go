// Package serve answers inference requests over HTTP: the Open Inference
// Protocol version 2 in its REST form, with the binary tensor extension, and
// metrics in Prometheus' text form.
//
// It owns the protocol, the limits, the replacement of a model whose file has
// changed, and the end of a server that lets running requests finish. It must
// not know the compiler: what turns a file that is no artifact into a Model is
// passed in as a Loader.
//
//	s, err := serve.New(serve.Options{})
//	err = s.Add(ctx, "digits", "digits.mlc")
//	l, err := net.Listen("tcp", ":8080")
//	err = s.Serve(ctx, l) // until ctx ends, then drains
package serve
