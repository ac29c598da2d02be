package irtest

import (
	"bytes"
	"strings"
	"testing/fstest"
)

// archive is the txtar form: a comment, then files behind lines of the form
// "-- name --". Formatting what was parsed gives the same bytes, but for a
// missing newline at the very end of a file.
type archive struct {
	comment []byte
	files   []file
}

type file struct {
	name string
	data []byte
}

// parseArchive cannot fail: text without markers is all comment.
func parseArchive(src []byte) *archive {
	a := &archive{}
	into := &a.comment
	for len(src) > 0 {
		line := src
		if i := bytes.IndexByte(src, '\n'); i >= 0 {
			line = src[:i+1]
		}
		src = src[len(line):]
		if name := marker(string(line)); name != "" {
			a.files = append(a.files, file{name: name})
			into = &a.files[len(a.files)-1].data
			continue
		}
		*into = append(*into, line...)
	}
	return a
}

// marker is the name in "-- name --", empty for other lines.
func marker(line string) string {
	s, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "-- ")
	if !ok {
		return ""
	}
	s, ok = strings.CutSuffix(s, " --")
	if !ok {
		return ""
	}
	return strings.TrimSpace(s)
}

func (a *archive) format() []byte {
	var b bytes.Buffer
	b.Write(withNewline(a.comment))
	for _, f := range a.files {
		b.WriteString("-- " + f.name + " --\n")
		b.Write(withNewline(f.data))
	}
	return b.Bytes()
}

func withNewline(b []byte) []byte {
	if len(b) == 0 || b[len(b)-1] == '\n' {
		return b
	}
	return append(b[:len(b):len(b)], '\n')
}

// fs shows the sections as files.
func (a *archive) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for _, f := range a.files {
		m[f.name] = &fstest.MapFile{Data: f.data}
	}
	return m
}
