package ptxsim

import (
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// maxText bounds what Parse reads; the kernels of one model take far less.
const maxText = 64 << 20

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokWord             // opcode, directive, register, label, name
	tokNumber           // as written
	tokString
	tokPunct
)

type token struct {
	kind      tokenKind
	text      string
	line, col int
}

// lexer cuts PTX text into tokens; comments and blanks separate them.
type lexer struct {
	src       string
	pos       int
	line, bol int // line number, offset of its begin
}

func wordByte(c byte) bool {
	return c == '_' || c == '.' || c == '$' || c == '%' || digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// next is the next token, or an error at an unfinished comment or string or
// at a character that PTX does not know.
func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	t := token{line: l.line, col: l.pos - l.bol + 1}
	if l.pos == len(l.src) {
		return t, nil
	}
	c := l.src[l.pos]
	start := l.pos
	switch {
	case digit(c):
		t.kind = tokNumber
		for l.pos < len(l.src) && wordByte(l.src[l.pos]) || l.exponentSign(start) {
			l.pos++
		}
	case wordByte(c):
		t.kind = tokWord
		for l.pos < len(l.src) && wordByte(l.src[l.pos]) {
			l.pos++
		}
	case c == '"':
		t.kind = tokString
		end := strings.IndexAny(l.src[l.pos+1:], "\"\n")
		if end < 0 || l.src[l.pos+1+end] == '\n' {
			return t, l.fault(t, "string without an end")
		}
		l.pos += end + 2
	case strings.IndexByte("{}[]()<>,;:@!+-|=", c) >= 0:
		t.kind = tokPunct
		l.pos++
	default:
		return t, l.fault(t, "unknown character %q", c)
	}
	t.text = l.src[start:l.pos]
	return t, nil
}

// exponentSign says whether the next byte is the sign in a decimal 1.5e-3.
func (l *lexer) exponentSign(start int) bool {
	if l.pos >= len(l.src) || l.pos == start || l.src[l.pos] != '-' && l.src[l.pos] != '+' {
		return false
	}
	n := l.src[start:l.pos]
	if len(n) > 1 && n[0] == '0' && strings.IndexByte("xXfFdD", n[1]) >= 0 {
		return false
	}
	last := n[len(n)-1]
	return last == 'e' || last == 'E'
}

func (l *lexer) skip() error {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\n':
			l.pos++
			l.line++
			l.bol = l.pos
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case strings.HasPrefix(l.src[l.pos:], "//"):
			if i := strings.IndexByte(l.src[l.pos:], '\n'); i >= 0 {
				l.pos += i
			} else {
				l.pos = len(l.src)
			}
		case strings.HasPrefix(l.src[l.pos:], "/*"):
			t := token{line: l.line, col: l.pos - l.bol + 1}
			i := strings.Index(l.src[l.pos+2:], "*/")
			if i < 0 {
				return l.fault(t, "comment without an end")
			}
			body := l.src[l.pos : l.pos+i+4]
			l.pos += len(body)
			if n := strings.Count(body, "\n"); n > 0 {
				l.line += n
				l.bol = l.pos - (len(body) - 1 - strings.LastIndexByte(body, '\n'))
			}
		default:
			return nil
		}
	}
	return nil
}

// fault is an error in the text at a token.
func (l *lexer) fault(t token, format string, a ...any) error {
	return faultAt(diag.BadModel, l.src, t, format, a...)
}
