package text

import (
	"maps"
	"slices"
	"strconv"

	"github.com/mlc-go/mlc/ir/dtype"
)

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isIdent says whether s can stand without quotes: a letter or _, then
// letters, digits, _ and single dots inside.
func isIdent(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case isLetter(c) || i > 0 && isDigit(c):
		case c == '.' && i > 0 && i < len(s)-1 && s[i-1] != '.':
		default:
			return false
		}
	}
	return s != ""
}

// ident is the name of a value behind its %, quoted where it must be.
func ident(s string) string {
	if isIdent(s) && s != "_" {
		return s
	}
	return strconv.Quote(s)
}

// word is any other name, quoted where it must be.
func word(s string) string {
	if isIdent(s) {
		return s
	}
	return strconv.Quote(s)
}

func sortedDomains(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

// startsType says whether an identifier begins a type.
func startsType(s string) bool {
	if s == "seq" || s == "opt" || s == "map" {
		return true
	}
	_, ok := dtype.Parse(s)
	return ok
}
