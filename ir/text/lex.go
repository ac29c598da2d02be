package text

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

type kind uint8

const (
	tEOF    kind = iota
	tIdent       // word, with dots inside
	tName        // %word, %"any", %12
	tString      // "..."
	tNumber      // -1, 0.5, 1e-05, 0x3f
	tPunct       // one character, or -> or ..
)

// token is one word of the text.
type token struct {
	kind kind
	text string // identifiers, names and strings without quotes and %; else as written
	num  bool   // a name that is a number
	pos  int
}

func (t token) String() string {
	switch t.kind {
	case tEOF:
		return "the end of the text"
	case tName:
		if t.num {
			return "%" + t.text
		}
		return "%" + ident(t.text)
	case tString:
		return strconv.Quote(t.text)
	}
	return strconv.Quote(t.text)
}

// lexer cuts the text into tokens. After an error it gives tEOF only.
type lexer struct {
	src []byte
	i   int
	err error
	at  int // where err is
}

func (l *lexer) fail(pos int, format string, a ...any) {
	if l.err == nil {
		l.err, l.at = fmt.Errorf(format, a...), pos
	}
	l.i = len(l.src)
}

// skip passes blanks and comments.
func (l *lexer) skip() {
	for l.i < len(l.src) {
		switch c := l.src[l.i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			l.i++
		case c == '/' && l.i+1 < len(l.src) && l.src[l.i+1] == '/':
			for l.i < len(l.src) && l.src[l.i] != '\n' {
				l.i++
			}
		default:
			return
		}
	}
}

func (l *lexer) peekByte(ahead int) byte {
	if l.i+ahead < len(l.src) {
		return l.src[l.i+ahead]
	}
	return 0
}

func (l *lexer) next() token {
	l.skip()
	start := l.i
	if start >= len(l.src) {
		return token{pos: len(l.src)}
	}
	c := l.src[start]
	switch {
	case isLetter(c):
		return token{kind: tIdent, text: l.word(), pos: start}
	case c == '"':
		return token{kind: tString, text: l.quoted(), pos: start}
	case c == '%':
		return l.name()
	case isDigit(c) || c == '-' && isDigit(l.peekByte(1)) || c == '.' && isDigit(l.peekByte(1)):
		return token{kind: tNumber, text: l.number(), pos: start}
	case c == '-' && l.peekByte(1) == '>' || c == '.' && l.peekByte(1) == '.':
		l.i += 2
		return token{kind: tPunct, text: string(l.src[start:l.i]), pos: start}
	case c < utf8.RuneSelf && c > ' ':
		l.i++
		return token{kind: tPunct, text: string(rune(c)), pos: start}
	}
	r, _ := utf8.DecodeRune(l.src[start:])
	l.fail(start, "unexpected character %q", r)
	return token{pos: start}
}

// word reads letters, digits, _ and single dots between them.
func (l *lexer) word() string {
	start := l.i
	for l.i < len(l.src) {
		c := l.src[l.i]
		n := l.peekByte(1)
		if !isLetter(c) && !isDigit(c) && !(c == '.' && (isLetter(n) || isDigit(n))) {
			break
		}
		l.i++
	}
	return string(l.src[start:l.i])
}

func (l *lexer) quoted() string {
	start := l.i
	l.i++
	for l.i < len(l.src) && l.src[l.i] != '"' && l.src[l.i] != '\n' {
		if l.src[l.i] == '\\' {
			l.i++
		}
		l.i++
	}
	if l.i >= len(l.src) || l.src[l.i] != '"' {
		l.fail(start, "string without its closing quote")
		return ""
	}
	l.i++
	s, err := strconv.Unquote(string(l.src[start:l.i]))
	if err != nil {
		l.fail(start, "malformed string")
	}
	return s
}

func (l *lexer) name() token {
	start := l.i
	l.i++
	t := token{kind: tName, pos: start}
	switch c := l.peekByte(0); {
	case isLetter(c):
		t.text = l.word()
	case c == '"':
		t.text = l.quoted()
	case isDigit(c):
		for isDigit(l.peekByte(0)) {
			l.i++
		}
		t.num, t.text = true, string(l.src[start+1:l.i])
	default:
		l.fail(start, "%% without a name")
		return token{pos: start}
	}
	if t.text == "" && l.err == nil {
		l.fail(start, "empty name")
	}
	return t
}

func (l *lexer) number() string {
	start := l.i
	if l.src[l.i] == '-' {
		l.i++
	}
	if l.peekByte(0) == '0' && l.peekByte(1) == 'x' {
		l.i += 2
		for c := l.peekByte(0); isDigit(c) || c >= 'a' && c <= 'f'; c = l.peekByte(0) {
			l.i++
		}
		return string(l.src[start:l.i])
	}
	for l.i < len(l.src) {
		c, n := l.src[l.i], l.peekByte(1)
		switch {
		case isDigit(c) || c == '.' && n != '.':
		case (c == 'e' || c == 'E') && (isDigit(n) || (n == '-' || n == '+') && isDigit(l.peekByte(2))):
			l.i++ // the sign or first digit goes with the e
		default:
			return string(l.src[start:l.i])
		}
		l.i++
	}
	return string(l.src[start:l.i])
}
