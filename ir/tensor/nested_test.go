package tensor_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

func TestFromNested(t *testing.T) {
	read := func(s string, d dtype.DType) (tensor.Tensor, error) {
		var x any
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		if err := dec.Decode(&x); err != nil {
			t.Fatal(err)
		}
		return tensor.FromNested(d, x)
	}
	a, err := read("[[1, 2, 3], [4, 5, 9007199254740993]]", dtype.I64)
	if err != nil || !slices.Equal(a.Dims(), []int{2, 3}) || !slices.Equal(tensor.Slice[int64](&a), []int64{1, 2, 3, 4, 5, 1<<53 + 1}) {
		t.Errorf("%v %v", a.Dims(), err)
	}
	for s, dims := range map[string][]int{"7": {}, "[]": {0}, "[[], []]": {2, 0}, "[[[1]]]": {1, 1, 1}} {
		if a, err := read(s, dtype.F32); err != nil || !slices.Equal(a.Dims(), dims) {
			t.Errorf("%s: have %v, %v, want %v", s, a.Dims(), err, dims)
		}
	}
	for s, want := range map[string]string{
		"[[1, 2], [3]]": "have 2 and 1 at depth 2", "[[1], 2]": "unequal depth", "[1, [2]]": "unequal depth", "[[], [1]]": "have 0 and 1",
		`[1, "x"]`: `element 1: "x"`, "[null]": "element 0",
	} {
		if _, err := read(s, dtype.F32); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: have %v, want %q", s, err, want)
		}
	}
}

// Lists whose first elements promise 10^12 elements and more than an int counts
// are refused without memory for them.
func TestFromNestedHostile(t *testing.T) {
	long := func(first any) any {
		l := make([]any, 1_000_000)
		l[0] = first
		return l
	}
	x := long(json.Number("1"))
	for range 4 {
		x = long(x)
		if _, err := tensor.FromNested(dtype.F32, x); err == nil {
			t.Error("accepted")
		}
	}
	if _, err := tensor.FromNested(dtype.Invalid, []any{fmt.Sprint(1)}); err == nil {
		t.Error("no type: accepted")
	}
}
