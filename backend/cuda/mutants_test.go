package cuda_test

import (
	"regexp"
	"slices"
	"testing"
)

// mutants are mistakes put into kernels: of a graph, each place that a pattern
// matches, or the one of a number, is changed. All are noticed, by ptxsim or by
// a result.
var mutants = []struct {
	graph, what, old, new string
	place                 int // 0: all, else which of open and bound text
}{
	{"max by blocks", "no barrier before the parts are read", `\tbar\.sync 0;\n`, "", 0},
	{"softmax by blocks", "no barrier after the maximum", `\tbar\.sync 0;\n`, "", 1},
	{"softmax by blocks", "no barrier after the sum", `\tbar\.sync 0;\n`, "", 2},
	{"transpose of planes", "no barrier between filling and emptying a tile", `\tbar\.sync 0;\n`, "", 0},
	{"softmax by warps", "half of the lanes left out", `, 16, 31, -1;`, ", 8, 31, -1;", 1},
	{"softmax of large numbers", "half of the lanes left out of a maximum", `, 16, 31, -1;`, ", 8, 31, -1;", 1},
	{"mean by warps", "a mask of one lane", `, 31, -1;`, ", 31, 1;", 0},
	{"max of all", "a clamp at half of the warp", `bfly\.b32 (%f\d+), (%f\d+), 16, 31`, "down.b32 $1, $2, 16, 15", 0},
	{"mean of 256", "a warp is taken for 16 threads", `and\.b32 (%r\d+), (%r\d+), 31;`, "and.b32 $1, $2, 15;", 0},
	{"l2 by a large block", "every lane writes the part of its warp", `\t@!?%p\d+ bra L\d+;\n(\tshr\.u32 [^;]*;\n\tmad[^;]*;\n\tst\.shared)`, "$1", 0},
	{"max by blocks", "every thread writes the result", `\t@!?%p\d+ bra L\d+;\n((?:[^L@]*\n)?\tst\.global)`, "$1", 0},
	{"sum of few", "a thread too many", `setp\.lt\.u32`, "setp.le.u32", 1},
	{"softmax of few", "a loop that goes too far", `setp\.lt\.u32`, "setp.le.u32", 2},
	{"sum of the batch", "a sum that begins with 1", `mov\.f32 (%f\d+), 0f00000000;`, "mov.f32 $1, 0f3F800000;", 0},
	{"softmax of large numbers by blocks", "the minimum in place of the maximum", `max\.f32`, "min.f32", 0},
	{"concat", "the first operand takes an element of the second", `setp\.lt\.u32`, "setp.le.u32", 2},
	{"pad", "a load from beyond the operand", `@%p\d+ ld\.global`, "ld.global", 0},
	{"pad with a value", "no bound of the operand", `setp\.lt\.u32 (%p\d+), (%r\d+), 3;`, "setp.le.u32 $1, $2, 3;", 0},
	{"pad by reflection", "the edge twice", `min\.u32`, "max.u32", 0},
	{"slice turned round", "the first element is that after the last", `, -1, 5;`, ", -1, 6;", 0},
	{"pool 3x3 padded", "a row below the plane", `setp\.lt\.u32 (%p\d+), (%r\d+), 7;`, "setp.le.u32 $1, $2, 7;", 0},
	{"pool with uneven pads", "no guard of the taps", `@%p\d+ ld\.global`, "ld.global", 0},
	{"gather", "an index from the back is left as it is", `selp\.u32 (%r\d+), (%r\d+), (%r\d+), `, "selp.u32 $1, $3, $3, ", 0},
	{"transpose to channels last", "coordinates of the tile exchanged", `mad\.lo\.u32 (%r\d+), (%r\d+), 33, (%r\d+);`, "mad.lo.u32 $1, $3, 33, $2;", 1},
	{"transpose of halves", "no bound of the last tile", `\t@!%p\d+ bra L\d+;\n`, "", 4},
	{"resize linear corners", "an infinity of no weight counts", `\t@!%p\d+ bra L\d+;\n`, "", 3},
	{"expand", "a stride too many", `mad\.wide\.u32 (%rd\d+), (%r\d+), 4, (%rd\d+);\n(\tmad\.wide[^;]*, )(%r\d+), 4,`, "mad.wide.u32 $1, $2, 4, $3;\n$4$2, 4,", 0},
	{"where", "the operands exchanged", `setp\.ne\.u32`, "setp.eq.u32", 0},
	{"product", "no barrier before the first tiles are read", `\tbar\.sync 0;\n`, "", 1},
	{"product", "no barrier between the steps", `\tbar\.sync 0;\n`, "", 2},
	{"product", "both halves of the double buffer are one", `xor\.b32 (%r\d+), (%r\d+), 1;`, "and.b32 $1, $2, 0;", 0},
	{"product", "a step beyond the inner extent", `setp\.lt\.u32 (%p\d+), (%r\d+), 37;\n\tand`, "setp.le.u32 $1, $2, 37;\n\tand", 0},
	{"product", "the last steps are left out", `add\.u32 (%r\d+), (%r\d+), 16;\n\tsetp\.lt\.u32 (%p\d+), (%r\d+), 37;\n\t@`, "add.u32 $1, $2, 32;\n\tsetp.lt.u32 $3, $4, 37;\n\t@", 0},
	{"product", "loads without a guard", `@%p\d+ ld\.global`, "ld.global", 0},
	{"product", "stores without a guard", `@%p\d+ st\.global`, "st.global", 0},
	{"product", "a row too many", `setp\.lt\.u32 (%p\d+), (%r\d+), %r5;\n\tsetp`, "setp.le.u32 $1, $2, %r5;\n\tsetp", 0},
	{"product", "rows and columns of the grid exchanged", `%ctaid\.y`, "%ctaid.x", 1},
	{"product", "half of the threads of a row", `and\.b32 (%r\d+), (%r6), 15;`, "and.b32 $1, $2, 7;", 0},
	{"product", "a sum that begins with 1", `mov\.f32 %f1, 0f00000000;`, "mov.f32 %f1, 0f3F800000;", 1},
	{"product", "an element of the row before", `\+288\]`, "+284]", 0},
	{"product of large matrices", "no barrier between the steps", `\tbar\.sync 0;\n`, "", 2},
	{"product of two operands", "loads without a guard", `@%p\d+ ld\.global`, "ld.global", 0},
	{"product of few rows", "half of the lanes left out", `, 16, 31, -1;`, ", 8, 31, -1;", 1},
	{"product of few rows", "a mask of one lane", `, 4, 31, -1;`, ", 4, 31, 1;", 1},
	{"product of few rows", "every lane writes the part of its warp", `@%p\d+ st\.shared`, "st.shared", 1},
	{"product of few rows", "no barrier before the parts are added", `\tbar\.sync 0;\n`, "", 1},
	{"convolution", "no barrier between the steps", `\tbar\.sync 0;\n`, "", 2},
	{"convolution", "a row below the picture", `setp\.lt\.u32 (%p\d+), (%r\d+), 9;`, "setp.le.u32 $1, $2, 9;", 0},
	{"convolution", "a column beside the picture", `setp\.lt\.u32 (%p\d+), (%r\d+), 7;`, "setp.le.u32 $1, $2, 7;", 0},
	{"convolution", "a filter too many", `setp\.lt\.u32 (%p\d+), (%r\d+), 18;`, "setp.le.u32 $1, $2, 18;", 0},
	{"convolution", "taps without a guard", `@%p\d+ ld\.global`, "ld.global", 0},
	{"depthwise", "a column beside the picture", `setp\.lt\.u32 (%p\d+), (%r\d+), 7;`, "setp.le.u32 $1, $2, 7;", 0},
	{"depthwise", "taps without a guard", `@%p\d+ ld\.global`, "ld.global", 0},
	{"depthwise", "filters one channel off", `mad\.wide\.u32 (%rd\d+), (%r\d+), 36, `, "mad.wide.u32 $1, $2, 40, ", 1},
	{"lstm", "no barrier before the state is read", `\tbar\.sync 0;\n`, "", 2},
	{"lstm", "no barrier between products and gates", `\tbar\.sync 0;\n`, "", 3},
	{"lstm", "no barrier between the steps", `\tbar\.sync 0;\n`, "", 4},
	{"lstm", "half of the lanes left out", `, 16, 31, -1;`, ", 8, 31, -1;", 1},
	{"lstm", "every lane writes the sum of its group", `@%p9 st\.shared`, "st.shared", 0},
	{"lstm", "a step too many", `setp\.lt\.u32 (%p\d+), (%r13), 6;`, "setp.le.u32 $1, $2, 6;", 0},
}

func TestMutants(t *testing.T) {
	all := graphs()
	for _, m := range mutants {
		t.Run(m.graph+"/"+m.what, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(all, func(g graph) bool { return g.name == m.graph })
			if i < 0 {
				t.Fatal("no such graph")
			}
			re := regexp.MustCompile(m.old)
			found := false
			err := all[i].compare(t, func(text []byte) []byte {
				var out []byte
				at := 0
				for j, place := range re.FindAllSubmatchIndex(text, -1) {
					if m.place > 0 && j != m.place-1 {
						continue
					}
					found = true
					out = append(out, text[at:place[0]]...)
					out = re.Expand(out, []byte(m.new), text, place)
					at = place[1]
				}
				return append(out, text[at:]...)
			})
			switch {
			case !found:
				t.Error("no kernel has the pattern")
			case err == nil:
				t.Error("nobody notices")
			default:
				t.Log(err)
			}
		})
	}
}
