// Package runtime runs compiled models inside applications: Open an artifact,
// make a Session, Run. It and all that it imports know neither the compiler
// nor any third-party module (golang.org/x/sys excepted); that is what goes
// into somebody's product.
//
//	m, err := runtime.Open("model.mlc")
//	out, err := m.Run(ctx, map[string]tensor.Tensor{"x": x})
//	fmt.Println(tensor.Data[float32](out["y"]))
//
// A Model is immutable and safe for concurrent use. A Session belongs to one
// goroutine at a time, owns its memory, and allocates nothing once it has met
// the extents of its inputs.
package runtime
