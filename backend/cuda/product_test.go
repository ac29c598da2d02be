package cuda

import (
	"fmt"
	"strings"
	"testing"
)

// mir is the text of a main function; $A, $B, ... are the given words.
func mir(body string, words ...any) string {
	for i, w := range words {
		body = strings.ReplaceAll(body, fmt.Sprintf("$%c", 'A'+i), fmt.Sprint(w))
	}
	return body
}

const gemmText = `func main(%x: f32[$A,$C]) -> (%y: f32[$A,$B]) {
	%w = const f32[$C,$B] random(seed=1)
	%y = MatMul %x, %w : f32[$A,$B]
	return %y
}`

// Edges of tiles, of panels of 16 and of blocks of 256 steps.
func TestGemm(t *testing.T) {
	for _, tl := range everyTiling() {
		for _, d := range [][3]int{{1, 1, 1}, {7, 13, 3}, {tl.m - 1, tl.n, tl.k}, {tl.m, tl.n - 1, tl.k + 1}, {tl.m + 1, tl.n + 1, 2*tl.k - 1}, {tl.m, tl.n, 2 * tl.k},
			{5, 20, 255}, {5, 16, 256}, {5, 17, 257}, {3, 36, 600}, {0, 5, 5}, {3, 4, 0}} {
			try(t, mir(gemmText, d[0], d[1], d[2]), tl, 0)
		}
		try(t, "dim N 0..1000\n"+mir(gemmText, "N", 24, 20), tl, 1, 0, tl.m-1, tl.m, tl.m+1)
	}
	try(t, mir(gemmText, 33, 44, 55), nil, 0)
}

// A few rows, which have a kernel of their own.
func TestThin(t *testing.T) {
	const text = `func main(%x: f32[$A,$C], %r: f32[$A,$B]) -> (%y: f32[$A,$B]) {
	%w = const f32[$C,$B] random(seed=1)
	%b = const f32[$B] random(seed=2)
	%p = MatMul %x, %w : f32[$A,$B]
	%q = Add %p, %b : f32[$A,$B]
	%y = Mul %q, %r : f32[$A,$B]
	return %y
}`
	for _, d := range [][3]int{{1, 1, 1}, {1, 16, 64}, {1, 15, 63}, {1, 17, 65}, {2, 33, 7}, {3, 16, 256}, {4, 40, 257}, {4, 5, 600}, {1, 1000, 520}, {1, 3, 0}} {
		try(t, mir(text, d[0], d[1], d[2]), nil, 0)
	}
}

// Products in parts: the steps divide or don't, the last part is short.
func TestParts(t *testing.T) {
	const text = `func main(%x: f32[$A,$C], %r: f32[$A,$B]) -> (%y: f32[$A,$B]) {
	%w = const f32[$C,$B] random(seed=1)
	%p = MatMul %x, %w : f32[$A,$B]
	%y = Add %p, %r : f32[$A,$B]
	return %y
}`
	const conv = `func main(%x: f32[2,6,5,7]) -> (%y: f32[2,4,5,7]) {
	%w = const f32[4,3,3,3] random(seed=1)
	%b = const f32[4] random(seed=2)
	%c = Conv %x, %w, %b {group=2, pads=[1,1,1,1]} : f32[2,4,5,7]
	%y = Relu %c : f32[2,4,5,7]
	return %y
}`
	const batched = `func main(%a: f32[3,5,70], %b: f32[3,70,8]) -> (%y: f32[3,5,8]) {
	%y = MatMul %a, %b : f32[3,5,8]
	return %y
}`
	for _, tl := range everyTiling() {
		for _, parts := range []int{2, 3} {
			for _, body := range []string{mir(text, 9, 20, 64), mir(text, 7, 17, 65), mir(text, 3, 5, 290), conv, batched} {
				tryParts(t, body, tl, parts)
			}
		}
	}
	try(t, mir(text, 30, 36, 1100), nil, 0) // as chosen
}

// Operands at run time, each way round, with batches that broadcast.
func TestMatMul(t *testing.T) {
	const plain = `func main(%a: f32[$A], %b: f32[$B]) -> (%y: f32[$C]) {
	%y = MatMul %a, %b : f32[$C]
	return %y
}`
	const gemm = `func main(%a: f32[$A], %b: f32[$B]) -> (%y: f32[$C]) {
	%y = Gemm %a, %b {transA=$D, transB=$E} : f32[$C]
	return %y
}`
	for _, tl := range everyTiling() {
		for _, d := range [][3]string{{"5", "5", ""}, {"5", "5,7", "7"}, {"9,5", "5", "9"}, {"17,31", "31,19", "17,19"}, {"16,32", "32,64", "16,64"},
			{"3,9,5", "5,4", "3,9,4"}, {"3,9,5", "3,5,4", "3,9,4"}, {"2,1,9,5", "3,5,8", "2,3,9,8"}, {"4,4", "6,4,4", "6,4,4"}, {"2,3,0", "2,0,5", "2,3,5"}, {"0,3,2", "0,2,5", "0,3,5"}} {
			try(t, mir(plain, d[0], d[1], d[2]), tl, 0)
		}
		for _, trans := range [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
			for _, d := range [][3]int{{33, 17, 13}, {64, 36, 20}, {1, 1, 1}, {8, 8, 300}} {
				a, b := []int{d[0], d[2]}, []int{d[2], d[1]}
				if trans[0] == 1 {
					a[0], a[1] = a[1], a[0]
				}
				if trans[1] == 1 {
					b[0], b[1] = b[1], b[0]
				}
				list := func(d []int) string { return fmt.Sprintf("%d,%d", d[0], d[1]) }
				try(t, mir(gemm, list(a), list(b), list([]int{d[0], d[1]}), trans[0], trans[1]), tl, 0)
			}
		}
		try(t, "dim N 0..1000\n"+mir(plain, "2,N,13", "2,13,N", "2,N,N"), tl, 1, 0, 7, tl.m+1)
	}
}

// Every form in which an operand broadcasts to a product, in either half.
func TestEpilogue(t *testing.T) {
	const text = `func main(%x: f32[$A,$C], %r: $E[$D]) -> (%y: f32[$A,$B]) {
	%w = const f32[$C,$B] random(seed=1)
	%b = const f32[$B] random(seed=2)
	%p = MatMul %x, %w : f32[$A,$B]
	%q = Add %p, %b : f32[$A,$B]
	%s = Gelu %q : f32[$A,$B]
	$F
	return %y
}`
	const f32 = "%y = Mul %s, %r : f32[$A,$B]"
	for _, tl := range everyTiling() {
		for _, d := range [][3]any{{34, 20, 9}, {7, 19, 5}, {"N", 20, 9}} {
			m, n := fmt.Sprint(d[0]), fmt.Sprint(d[1])
			for _, r := range []string{"", "1", n, "1," + n, m + ",1", m + "," + n, "1,1"} {
				body := mir(text, d[0], d[1], d[2], r, "f32", mir(f32, d[0], d[1]))
				try(t, "dim N 1..1000\n"+body, tl, 3, 33)
			}
		}
	}
	// Operands of float16, in runs of four, two and one.
	const half = `func main(%x: f16[9,7], %r: f16[$B]) -> (%y: f16[9,$A]) {
	%w = const f16[7,$A] random(seed=1)
	%p = MatMul %x, %w : f16[9,$A]
	%y = Mul %p, %r : f16[9,$A]
	return %y
}`
	for _, tl := range everyTiling() {
		for _, n := range []int{36, 18, 19} {
			for _, r := range []string{"1", fmt.Sprint(n), "9,1", fmt.Sprintf("9,%d", n)} {
				try(t, mir(half, n, r), tl, 0)
			}
		}
	}
	// Batches, of which an operand has one or all.
	const batched = `func main(%a: f32[3,5,9], %b: f32[3,9,8], %r: f32[$A]) -> (%y: f32[3,5,8]) {
	%p = MatMul %a, %b : f32[3,5,8]
	%y = Add %p, %r : f32[3,5,8]
	return %y
}`
	for _, r := range []string{"8", "5,1", "5,8", "3,1,1", "3,5,1", "3,1,8", "3,5,8", "1,5,8"} {
		try(t, mir(batched, r), nil, 0)
	}
}
