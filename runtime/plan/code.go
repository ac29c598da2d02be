package plan

import (
	"bytes"
	"fmt"
)

// entries lists the kernels of PTX text with the sizes of their parameters in
// bytes. A driver reads from the host's memory as many parameters as the text
// says, so that is compared with what a launch gives. What the text says beyond
// that is the driver's to judge, and what a kernel does the device's: the reader
// need only not be misled, and refuses what it does not know.
func entries(code []byte) (map[string][]int, error) {
	for i, c := range code {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' || c == '"' || c == '\\' || c == '#' {
			return nil, fmt.Errorf("code: character %q at %d", c, i)
		}
	}
	x := lexer{code: code}
	out := map[string][]int{}
	for t := x.next(); t != ""; t = x.next() {
		if t != ".entry" {
			continue
		}
		name := x.next()
		if _, twice := out[name]; twice || name == "" {
			return nil, fmt.Errorf("code: kernel %q is there twice, or has no name", name)
		}
		sizes, err := x.params()
		if err != nil {
			return nil, fmt.Errorf("code: kernel %s: %w", name, err)
		}
		out[name] = sizes
	}
	return out, nil
}

type lexer struct {
	code []byte
	at   int
}

func word(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c == '%'
}

// next is the next word, with a dot before it where one is, or other character;
// "" at the end.
func (x *lexer) next() string {
	for x.at < len(x.code) {
		c, rest := x.code[x.at], x.code[x.at:]
		switch {
		case c == ' ' || c == '\n' || c == '\t':
			x.at++
			continue
		case len(rest) > 1 && c == '/' && rest[1] == '/':
			for x.at < len(x.code) && x.code[x.at] != '\n' {
				x.at++
			}
			continue
		case len(rest) > 1 && c == '/' && rest[1] == '*':
			if end := bytes.Index(rest[2:], []byte("*/")); end >= 0 {
				x.at += 2 + end + 2
			} else {
				x.at = len(x.code)
			}
			continue
		}
		n := 1
		for (c == '.' || word(c)) && n < len(rest) && word(rest[n]) {
			n++
		}
		x.at += n
		return string(rest[:n])
	}
	return ""
}

// paramSizes are the types of parameters that a launch can give.
var paramSizes = map[string]int{".u32": 4, ".s32": 4, ".b32": 4, ".f32": 4, ".u64": 8, ".s64": 8, ".b64": 8, ".f64": 8}

// params reads the parameters of an entry: "(.param .u64 a, .param .u32 n)", or
// none.
func (x *lexer) params() ([]int, error) {
	before := x.at
	if x.next() != "(" {
		x.at = before
		return nil, nil
	}
	var out []int
	for {
		t := x.next()
		if t == ")" && len(out) == 0 {
			return nil, nil
		}
		typ, name, end := x.next(), x.next(), x.next()
		size := paramSizes[typ]
		if t != ".param" || size == 0 || name == "" || !word(name[0]) || end != "," && end != ")" {
			return nil, fmt.Errorf("parameter %d is %s %s %s", len(out), t, typ, name)
		}
		if out = append(out, size); end == ")" {
			return out, nil
		}
	}
}
