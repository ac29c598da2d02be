package diag

import (
	"slices"
	"strings"
)

// Nearest are the candidates that a mistyped name may have meant, best first,
// three at most: those within two edits (one for short names), or that it
// begins.
func Nearest(name string, candidates []string) []string {
	type near struct {
		name string
		d    int
	}
	limit := min(2, max(1, len(name)/3))
	var list []near
	low := strings.ToLower(name)
	for _, c := range candidates {
		cl := strings.ToLower(c)
		d := limit + 1
		if gap := len(low) - len(cl); -limit <= gap && gap <= limit { // a name from a file may be of any length
			d = edits(low, cl)
		}
		if d > limit && len(name) >= 3 && strings.HasPrefix(cl, low) {
			d = limit
		}
		if d <= limit {
			list = append(list, near{c, d})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return a.d - b.d })
	var out []string
	for _, n := range list[:min(3, len(list))] {
		out = append(out, n.name)
	}
	return out
}

// DidYouMean is the hint behind an unknown name: near misses, else what lists
// the names.
func DidYouMean(name string, candidates []string, lists string) string {
	if n := Nearest(name, candidates); len(n) > 0 {
		return " (did you mean " + strings.Join(n, ", ") + "?)"
	}
	return " (" + lists + ")"
}

// edits counts insertions, deletions, substitutions and swaps of neighbours
// between a and b (optimal string alignment).
func edits(a, b string) int {
	prev2, prev := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur := make([]int, len(b)+1)
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev = prev, cur
	}
	return prev[len(b)]
}
