package onnxpb

import (
	"bufio"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Names and path must be our own, or a program with two copies of the schema
// panics when it starts.
func TestNamesAreOurOwn(t *testing.T) {
	fd := File_frontend_onnx_onnxpb_onnx_proto
	if fd.Package() != "mlc.onnx" || !strings.HasPrefix(fd.Path(), "frontend/onnx/") {
		t.Errorf("package %s, path %s", fd.Package(), fd.Path())
	}
}

var (
	opens   = regexp.MustCompile(`^(message|enum|oneof) (\w+) \{$`)
	field   = regexp.MustCompile(`^(?:(optional|repeated) )?([\w.]+) (\w+) = (\d+)(?: \[packed = true\])?;`)
	literal = regexp.MustCompile(`^(\w+) = (\d+);`)
)

// The generated file is fresh: it has just the fields and enum values that
// onnx.proto has. (protoc itself is not at hand in every test run.)
func TestGeneratedFileIsFresh(t *testing.T) {
	f, err := os.Open("onnx.proto")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]bool{}
	var stack []string // open messages and enums; "" for a oneof, which adds no name
	scope := func() string {
		return strings.Join(strings.Fields(strings.Join(stack, " ")), ".")
	}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if m := opens.FindStringSubmatch(line); m != nil {
			if m[1] == "oneof" {
				m[2] = ""
			}
			stack = append(stack, m[2])
		} else if line == "}" {
			stack = stack[:len(stack)-1]
		} else if m := field.FindStringSubmatch(line); m != nil && len(stack) > 0 {
			packed := strings.Contains(line, "[packed = true]")
			want[describe(scope(), m[3], m[4], m[1] == "repeated", packed, m[2])] = true
		} else if m := literal.FindStringSubmatch(line); m != nil && len(stack) > 0 {
			want[scope()+"."+m[1]+"="+m[2]] = true
		}
	}
	have := map[string]bool{}
	messages(File_frontend_onnx_onnxpb_onnx_proto.Messages(), have)
	for k := range want {
		if !have[k] {
			t.Errorf("%s is in onnx.proto, not in the generated file: go generate", k)
		}
	}
	for k := range have {
		if !want[k] {
			t.Errorf("%s is in the generated file, not in onnx.proto: go generate", k)
		}
	}
	if len(have) < 150 {
		t.Errorf("only %d fields and values", len(have))
	}
}

func describe(scope, name, num string, list, packed bool, typ string) string {
	s := scope + "." + name + "=" + num + ":" + typ[strings.LastIndexByte(typ, '.')+1:]
	if list {
		s += "[]"
	}
	if packed {
		s += " packed"
	}
	return s
}

func messages(list protoreflect.MessageDescriptors, have map[string]bool) {
	for i := range list.Len() {
		m := list.Get(i)
		scope := strings.TrimPrefix(string(m.FullName()), "mlc.onnx.")
		for j := range m.Fields().Len() {
			fd := m.Fields().Get(j)
			typ := fd.Kind().String()
			if fd.Message() != nil {
				typ = string(fd.Message().Name())
			} else if fd.Enum() != nil {
				typ = string(fd.Enum().Name())
			}
			num := strconv.Itoa(int(fd.Number()))
			have[describe(scope, string(fd.Name()), num, fd.IsList(), fd.IsPacked(), typ)] = true
		}
		for j := range m.Enums().Len() {
			e := m.Enums().Get(j)
			for k := range e.Values().Len() {
				v := e.Values().Get(k)
				have[scope+"."+string(e.Name())+"."+string(v.Name())+"="+strconv.Itoa(int(v.Number()))] = true
			}
		}
		messages(m.Messages(), have)
	}
}
