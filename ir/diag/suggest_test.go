package diag_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

// Edits are counted by hand: insertions, deletions, substitutions, and swaps of
// neighbours as one.
func TestNearest(t *testing.T) {
	names := []string{"build", "bench", "run", "prune", "print", "Conv", "ConvTranspose", "cse", "dce"}
	for name, want := range map[string][]string{
		"biuld":                    {"build"},                 // a swap
		"BUILD":                    {"build"},                 // case does not count
		"prnt":                     {"print"},                 // 1 of a short name; prune is 2 away
		"prume":                    {"prune"},                 // 1
		"ru":                       {"run"},                   // 1, allowed for short names too
		"r":                        nil,                       // run is 2 away, and shorter than 3 begins nothing
		"convt":                    {"Conv", "ConvTranspose"}, // 1, and what it begins
		"cce":                      {"cse", "dce"},            // equally near: as listed
		"quantize":                 nil,
		"":                         nil,
		strings.Repeat("b", 1<<26): nil, // as a file may name an operator: at once
	} {
		if have := diag.Nearest(name, names); !slices.Equal(have, want) {
			t.Errorf("%.20q: have %q, want %q", name, have, want)
		}
	}
	if have := diag.Nearest("abcd", []string{"abc1", "abc2", "abc3", "abc4"}); len(have) != 3 {
		t.Errorf("have %q, want three", have)
	}
	if have := diag.DidYouMean("biuld", names, "lists"); have != " (did you mean build?)" {
		t.Error(have)
	}
	if have := diag.DidYouMean("quantize", names, "lists"); have != " (lists)" {
		t.Error(have)
	}
}
