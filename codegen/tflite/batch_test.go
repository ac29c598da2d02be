package tflite

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

// TestBatch: a file for any batch is that for a batch of 1, but for the extents
// that it leaves open.
func TestBatch(t *testing.T) {
	for name, body := range map[string]string{
		"net": convNet,
		"slices, joined axes and halves": `func main(%x: f32[1,3,8,8]) -> (%y: f32[1,10]) {
	%b = const i64[4] [0, 1, 0, 0]
	%e = const i64[4] [9223372036854775807, 3, 8, 8]
	%1 = Slice %x, %b, %e : f32[1,2,8,8]
	%s = const i64[3] [-1, 2, 4]
	%2 = Reshape %1, %s : f32[16,2,4]
	%r = const i64[1] [2]
	%3 = ReduceMean %2, %r {keepdims=0} : f32[16,2]
	%t = const i64[2] [-1, 32]
	%4 = Reshape %3, %t : f32[1,32]
	%v = const f32[32,10] random(seed=2)
	%y = Gemm %4, %v : f32[1,10]
	return %y
}
`,
	} {
		fixed, _ := export(t, body, Options{IO: NHWC})
		want, _, _ := read(t, fixed)
		for _, bounds := range []string{"1..*", "1..3"} {
			open := "dim n " + bounds + "\n" + strings.NewReplacer("f32[1,", "f32[n,", "f32[16,", "f32[(16*n),").Replace(body)
			b, rep := export(t, open, Options{IO: NHWC})
			have, in, out := read(t, b)
			if !reflect.DeepEqual(have, want) {
				t.Errorf("%s, n of %s: %v, want %v", name, bounds, have, want)
			}
			if !strings.HasPrefix(in[0], "x[-1 ") || out[0] != "y[-1 10]" || rep.Batch != "n" {
				t.Errorf("%s: %v to %v, batch %q", name, in, out, rep.Batch)
			}
			for _, p := range append(rep.Inputs, rep.Outputs...) {
				if p.Dims[0] != 1 {
					t.Errorf("%s: %s of %v", name, p.Name, p.Dims)
				}
			}
		}
	}
}

// TestBatchRefused: what names the batch in a way that cannot say "all" is an
// error that names the node and the way around.
func TestBatchRefused(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"extents that an operator wants": {`dim n 1..*
func main(%x: f32[n,2,4,4]) -> (%y: f32[n,2,5,5]) {
	%w = const f32[2,2,2,2] random(seed=1)
	%y = ConvTranspose %x, %w : f32[n,2,5,5] !"up"
	return %y
}`, `node "up" (ConvTranspose): unsupported: for another n it wants TRANSPOSE_CONV of`},
		"a part of it": {`dim n 2..*
func main(%x: f32[n,2]) -> (%y: f32[(n-1),2]) {
	%b = const i64[1] [0]
	%e = const i64[1] [-1]
	%y = Slice %x, %b, %e : f32[(n-1),2] !"cut"
	return %y
}`, `have n of 2 to`},
		"at most so many": {`dim n 1..*
dim u 0..*
func main(%x: f32[n,2]) -> (%y: f32[u,2]) {
	%b = const i64[1] [0]
	%e = const i64[1] [9]
	%y = Slice %x, %b, %e : f32[u,2] !"cut"
	return %y
}`, `node "cut" (Slice): unsupported: for another n it makes axis 0 of 9 elements for 13, but 1 for 1`},
		"at most more than that": {`dim n 1..*
dim u 0..*
func main(%x: f32[n,2]) -> (%y: f32[u,2]) {
	%b = const i64[1] [0]
	%e = const i64[1] [1000]
	%y = Slice %x, %b, %e : f32[u,2] !"cut"
	return %y
}`, `node "cut" (Slice): unsupported: for another n it makes axis 0 of 13 elements for 13, but 1000 for 1000003`},
		"another's extent": {`dim n 1..*
func main(%x: f32[n,2], %z: f32[5,2]) -> (%y: f32[5,2]) {
	%y = Add %x, %z : f32[5,2] !"add"
	return %y
}`, `for n of 13 the model does not hold`},
		"an extent beside": {`dim n 1..*
func main(%x: f32[n,2], %z: f32[1,2]) -> (%y: f32[(n+1),2]) {
	%y = Concat %x, %z {axis=0} : f32[(n+1),2] !"cat"
	return %y
}`, `node "cat" (Concat): unsupported: for another n it makes axis 0`},
		"too few to compare": {`dim n 1..2
func main(%x: f32[n,2]) -> (%y: f32[n,2]) {
	%y = Relu %x : f32[n,2]
	return %y
}`, `--dim n=1`},
		"two of them": {`dim n 1..*
dim k 1..*
func main(%x: f32[n,2], %z: f32[k,2]) -> (%y: f32[n,2], %o: f32[k,2]) {
	%y = Relu %x : f32[n,2]
	%o = Relu %z : f32[k,2]
	return %y, %o
}`, `bind --dim n=1`},
	} {
		var w bytes.Buffer
		m := parse(t, c.body)
		_, err := Export(&w, m, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--dim") || diag.KindOf(err) != diag.Unsupported {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if w.Len() > 0 {
			t.Errorf("%s: %d bytes were written", name, w.Len())
		}
	}
}
