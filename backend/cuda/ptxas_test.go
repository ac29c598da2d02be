package cuda_test

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/ptx/ptxtest"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/need"
)

var update = flag.Bool("update", false, "rewrite the table of registers in docs/cuda.md")

// TestPtxasModels assembles the kernels of real models, for every target of
// docs/cuda.md: nothing spills, and the table there is what comes out.
func TestPtxasModels(t *testing.T) {
	need.Asked(t, flag.Lookup("ptxas").Value.String() != "", "-ptxas PATH", "tools/peers/ptxas.sh runs it")
	sources := map[string]codegen.Source{}
	for name, c := range corpus.Cases(t, m1...) {
		sources[name] = codegen.FS(c.FS, c.Model)
	}
	keywords, err := fs.ReadFile(corpus.Open(t, "data/tinyml.tar.zst"), "tinyml/kws/kws_ds_cnn_float.onnx")
	if err != nil {
		t.Fatal(err)
	}
	sources["kws_ds_cnn_float"] = codegen.Bytes(keywords)
	w := &uses{by: map[string][]use{}}
	t.Run("assemble", func(t *testing.T) {
		for _, sm := range tableSMs {
			t.Run(fmt.Sprintf("sm_%d", sm), func(t *testing.T) {
				t.Parallel()
				plain := map[string]bool{}
				for _, half := range []string{"", "+f16"} {
					text := kernelsOf(t, sources, fmt.Sprintf("cuda:sm_%d%s", sm, half), plain)
					w.add(t, half, sm, ptxtest.Assemble(t, flag.Lookup("ptxas").Value.String(), text, sm))
				}
			})
		}
	})
	if *update || !t.Failed() {
		w.document(t)
	}
}

// tableSMs are the compute capabilities of the table.
var tableSMs = []int{75, 80, 90}

// kernelsOf is a module of the kernels of all models that are not seen yet, each
// once: kernels of equal text have equal names.
func kernelsOf(t *testing.T, sources map[string]codegen.Source, target string, seen map[string]bool) string {
	var text strings.Builder
	for i, name := range slices.Sorted(maps.Keys(sources)) {
		a, err := codegen.Build(context.Background(), sources[name], codegen.Options{Target: target})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		code := string(a.Program().Code)
		a.Close()
		const entry = "\n.visible .entry "
		head, rest, _ := strings.Cut(code, entry)
		if i == 0 {
			text.WriteString(head)
		}
		for k := range strings.SplitSeq(rest, entry) {
			if kernel, _, _ := strings.Cut(k, "("); !seen[kernel] {
				seen[kernel] = true
				text.WriteString(entry + k)
			}
		}
	}
	return text.String()
}

// use is what one kernel takes of an sm.
type use struct {
	ptxtest.Use
	sm int
}

// uses are those of all kernels, by template.
type uses struct {
	mu sync.Mutex
	by map[string][]use
}

// add takes a report. The template of gemm_1a2b3c4d is gemm.
func (w *uses) add(t *testing.T, half string, sm int, list []ptxtest.Use) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range list {
		if u.Spills+u.Stack > 0 {
			t.Errorf("%s%s: %d bytes of spills, %d of stack", u.Kernel, half, u.Spills, u.Stack)
		}
		template := "`" + u.Kernel[:strings.LastIndexByte(u.Kernel, '_')] + "`" + strings.Replace(half, "+", " +", 1)
		w.by[template] = append(w.by[template], use{u, sm})
	}
}

// table has a line for each template; of +f16, those whose kernels are others.
func (w *uses) table() string {
	var b strings.Builder
	b.WriteString("| template | kernels |")
	for _, sm := range tableSMs {
		fmt.Fprintf(&b, " sm_%d |", sm)
	}
	b.WriteString(" shared memory |\n|---|---:|---:|---:|---:|---:|\n")
	for _, name := range slices.Sorted(maps.Keys(w.by)) {
		list := w.by[name]
		count := 0
		for _, u := range list {
			if u.sm == tableSMs[0] {
				count++
			}
		}
		fmt.Fprintf(&b, "| %s | %d |", name, count)
		for _, sm := range tableSMs {
			fmt.Fprintf(&b, " %s |", span(list, func(u use) (int, bool) { return u.Registers, u.sm == sm }))
		}
		fmt.Fprintf(&b, " %s |\n", span(list, func(u use) (int, bool) { return u.Shared, true }))
	}
	return b.String()
}

// span is the least and the most of what of gives: "16-40".
func span(list []use, of func(use) (int, bool)) string {
	lo, hi := -1, -1
	for _, u := range list {
		if v, ok := of(u); ok {
			if hi = max(hi, v); lo < 0 || v < lo {
				lo = v
			}
		}
	}
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d-%d", lo, hi)
}

// document holds docs/cuda.md to the table, or puts it there.
func (w *uses) document(t *testing.T) {
	const file, begin, end = "../../docs/cuda.md", "<!-- registers: tools/peers/ptxas.sh -update -->\n", "<!-- end of registers -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q and %q", file, begin, end)
	}
	want := w.table()
	switch {
	case have == want:
	case *update:
		if err := os.WriteFile(file, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is stale, tools/peers/ptxas.sh -update rewrites it:\n%s", file, want)
	}
}
