package tensor

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/dtype"
)

func decodeLists(t *testing.T, s string) any {
	t.Helper()
	var x any
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	if err := d.Decode(&x); err != nil {
		t.Fatal(err)
	}
	return x
}

// TestOfLists: extents, numbers to the last digit, and what is refused. Two lists
// whose first ask for 40,000,000,000 elements are refused, not allocated.
func TestOfLists(t *testing.T) {
	for _, c := range []struct {
		d    dtype.DType
		in   string
		want string // type and elements, or the error
	}{
		{dtype.I64, "[[9007199254740993, -9223372036854775808]]", "i64[1,2] 9007199254740993 -9223372036854775808"},
		{dtype.U64, "[18446744073709551615]", "u64[1] 18446744073709551615"},
		{dtype.F32, "1.5", "f32[] 1.5"},
		{dtype.F32, `["nan", "-inf", 2]`, "f32[3] NaN -Inf 2"},
		{dtype.Bool, "[true, false, 1]", "bool[3] 1 0 1"},
		{dtype.String, `[["a"], ["b"]]`, `str[2,1] "a" "b"`},
		{dtype.F32, "[]", "f32[0]"},
		{dtype.F32, "[[], []]", "f32[2,0]"},
		{dtype.F32, "[[1], 2]", "unequal"},
		{dtype.F32, "[1, [2]]", "unequal"},
		{dtype.F32, "[[1, 2], [3]]", "unequal"},
		{dtype.F32, "[[[1]], [[]]]", "unequal"},
		{dtype.F32, "[[" + strings.Repeat("1,", 199_999) + "1]" + strings.Repeat(",[]", 199_999) + "]", "unequal"},
		{dtype.F32, "[1, null]", "element 1: have null"},
		{dtype.String, "[null]", "have null"},
		{dtype.String, "[7]", "have 7, want a value of type str"},
		{dtype.String, "[{}]", "have an object"},
		{dtype.F32, "[true]", "have true"},
		{dtype.U8, "[256]", "not a value of type u8"},
		{dtype.F32, "[1e39]", "not a value of type f32"},
		{dtype.I32, "[1.0]", "not a value of type i32"},
		{dtype.Invalid, "[1]", "no tensor"},
	} {
		x, err := OfLists(decodeLists(t, c.in), c.d)
		have := ""
		if err != nil {
			have = err.Error()
		} else {
			typ := x.Type()
			have = typ.String()
			for i := range x.Len() {
				have += " " + x.ElemText(i)
			}
		}
		if have != c.want && (err == nil || !strings.Contains(have, c.want)) {
			t.Errorf("%.60s: have %s, want %s", c.in, have, c.want)
		}
	}
}

// TestLargest: the largest first, equal ones by position, NaN last.
func TestLargest(t *testing.T) {
	x := MustOf([]float64{1, math.NaN(), 3, 3, math.Inf(1), math.Inf(-1)}, 6)
	at, ok := x.Largest(9)
	if want := []int{4, 2, 3, 0, 5, 1}; !ok || !slices.Equal(at, want) {
		t.Fatalf("have %v, want %v", at, want)
	}
	s, err := OfStrings([]string{"a"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Largest(1); ok {
		t.Error("strings have no order here")
	}
}
