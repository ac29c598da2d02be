package serve

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a request's JSON.
const maxDepth = 64

// scanner reads JSON in place. Tensor data are most of a body and go straight
// into the tensor's memory; encoding/json would look at each number three
// times. Every method skips white space first and reports the byte where a
// fault is.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) fault(format string, args ...any) error {
	return fmt.Errorf("byte %d: %s", s.i, fmt.Sprintf(format, args...))
}

// peek is the next byte after white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) what() string {
	if s.i >= len(s.b) {
		return "the end"
	}
	return fmt.Sprintf("%q", s.b[s.i])
}

// take wants the byte c.
func (s *scanner) take(c byte) error {
	if s.peek() != c || s.i >= len(s.b) {
		return s.fault("have %s, want %q", s.what(), c)
	}
	s.i++
	return nil
}

// end wants nothing but white space.
func (s *scanner) end() error {
	if s.peek(); s.i < len(s.b) {
		return s.fault("have %s, want the end", s.what())
	}
	return nil
}

// object calls field for each of the keys that are known, of at most 64, which
// reads the value; no such key may come twice. Other members are skipped.
func (s *scanner) object(known []string, field func(key string) error) error {
	seen := uint64(0)
	return s.members(func(key string) error {
		i := slices.Index(known, key)
		if i < 0 {
			_, err := s.skip(1)
			return err
		}
		if seen&(1<<i) != 0 {
			return s.fault("%s is given twice", key)
		}
		seen |= 1 << i
		return field(key)
	})
}

// members calls field for each key; field reads the value.
func (s *scanner) members(field func(key string) error) error {
	if err := s.take('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.take(':'); err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
		if s.peek() != ',' {
			return s.take('}')
		}
		s.i++
	}
}

// array calls elem for each element; elem reads it.
func (s *scanner) array(elem func() error) error {
	if err := s.take('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := elem(); err != nil {
			return err
		}
		if s.peek() != ',' {
			return s.take(']')
		}
		s.i++
	}
}

// str reads a string.
func (s *scanner) str() (string, error) {
	if err := s.take('"'); err != nil {
		return "", err
	}
	start := s.i
	plain := true
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			raw := s.b[start:s.i]
			s.i++
			if !utf8.Valid(raw) {
				s.i = start
				return "", s.fault("a string is not UTF-8")
			}
			if plain {
				return string(raw), nil
			}
			var out string
			if err := json.Unmarshal(s.b[start-1:s.i], &out); err != nil {
				s.i = start
				return "", s.fault("%v", err)
			}
			return out, nil
		case c == '\\':
			plain = false
			s.i++
		case c < ' ':
			return "", s.fault("a control character in a string")
		}
	}
	s.i = len(s.b)
	return "", s.fault("a string does not end")
}

// number gives the text of a number and whether it is written as an integer.
func (s *scanner) number() (text []byte, integer bool, err error) {
	s.peek()
	b, i := s.b, s.i
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	bad := func() ([]byte, bool, error) { return nil, false, s.fault("have %s, want a number", s.what()) }
	if i < len(b) && b[i] == '-' {
		i++
	}
	zero := i < len(b) && b[i] == '0'
	first := i
	if !digits() || zero && i > first+1 {
		return bad()
	}
	integer = true
	if i < len(b) && b[i] == '.' {
		i++
		integer = false
		if !digits() {
			return bad()
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		integer = false
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return bad()
		}
	}
	text = b[s.i:i]
	s.i = i
	return text, integer, nil
}

// word reads true, false or null.
func (s *scanner) word() (string, error) {
	s.peek()
	for _, w := range [...]string{"true", "false", "null"} {
		if end := s.i + len(w); end <= len(s.b) && string(s.b[s.i:end]) == w {
			s.i = end
			return w, nil
		}
	}
	return "", s.fault("have %s, want a value", s.what())
}

func (s *scanner) bool() (bool, error) {
	at := s.i
	w, err := s.word()
	if err != nil || w == "null" {
		s.i = at
		s.peek()
		return false, s.fault("have %s, want true or false", s.what())
	}
	return w == "true", nil
}

// skip reads any value and gives its bytes.
func (s *scanner) skip(depth int) ([]byte, error) {
	s.peek()
	from := s.i
	if depth > maxDepth {
		return nil, s.fault("nested deeper than %d", maxDepth)
	}
	var err error
	switch c := s.peek(); {
	case c == '{':
		err = s.members(func(string) error { _, err := s.skip(depth + 1); return err })
	case c == '[':
		err = s.array(func() error { _, err := s.skip(depth + 1); return err })
	case c == '"':
		_, err = s.str()
	case c == '-' || '0' <= c && c <= '9':
		_, _, err = s.number()
	default:
		_, err = s.word()
	}
	if err != nil {
		return nil, err
	}
	return s.b[from:s.i], nil
}
