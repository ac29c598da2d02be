package onnx

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/mlc-go/mlc/ir/diag"
)

// firstIRWithOpsets is the IR version from which opset_import must be there;
// earlier models mean opset 1. A model without any IR version counts as new.
const firstIRWithOpsets = 3

// topLevel is what a look at the outermost fields says.
type topLevel struct {
	graph, opsets bool
	irVersion     uint64
	known         int // fields that are as the schema says
}

// probe looks at the outermost fields only, to tell a person who gave the
// wrong file from one whose model is damaged.
func probe(b []byte) (topLevel, error) {
	top := topLevel{irVersion: firstIRWithOpsets}
	if len(b) == 0 {
		return top, notONNX("the file is empty")
	}
	r := reader{s: rootSchemas().model, msg: b}
	for {
		ok, err := r.next()
		if err != nil {
			return top, top.broken(b, err, &r)
		}
		if !ok {
			break
		}
		top.known++
		switch r.f.name {
		case "graph":
			top.graph = true
		case "opset_import":
			top.opsets = true
		case "ir_version":
			top.irVersion = r.varint()
		}
	}
	if top.graph {
		return top, nil
	}
	if what := sniff(b); what != "" {
		return top, notONNX("it is " + what)
	}
	if top.opsets {
		return top, diag.New(diag.BadModel, "model has no graph")
	}
	return top, notONNX("it has no graph")
}

// broken decides what a fault among the outermost fields means.
func (top *topLevel) broken(b []byte, err error, r *reader) error {
	var d *damage
	errors.As(err, &d)
	cutGraph := d != nil && d.cut && r.f.name == "graph"
	if top.graph || cutGraph && top.known > 0 || d != nil && d.cut && top.known > 1 || d == nil {
		return err
	}
	if what := sniff(b); what != "" {
		return notONNX("it is " + what)
	}
	if cutGraph {
		return err
	}
	if utf8.Valid(b[:min(len(b), 16)]) && isText(b[:min(len(b), 512)]) {
		return notONNX("it is text")
	}
	return notONNX("no ModelProto: " + strings.TrimPrefix(d.err.Error(), "ModelProto."))
}

func notONNX(why string) *diag.Error {
	return diag.New(diag.BadModel, "not an ONNX model: %s", why)
}

func isText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return false
		}
	}
	return true
}

// signatures are files that people take for models.
var signatures = []struct {
	at          int
	magic, what string
}{
	{0, "PK\x03\x04", "a zip archive (.pt, .npz, .keras or a packed model)"},
	{0, "\x1f\x8b", "compressed with gzip"},
	{0, "\x28\xb5\x2f\xfd", "compressed with zstd"},
	{0, "BZh", "compressed with bzip2"},
	{0, "\xfd7zXZ\x00", "compressed with xz"},
	{4, "TFL3", "a TFLite model"},
	{4, "ORTM", "a model in onnxruntime's own format (.ort)"},
	{0, "\x89HDF\r\n\x1a\n", "an HDF5 file (.h5)"},
	{0, "GGUF", "a GGUF file"},
	{0, "\x93NUMPY", "a numpy array (.npy)"},
	{0, "\x7fELF", "an executable"},
	{0, "%PDF", "a PDF document"},
	{0, "\x89PNG", "a PNG image"},
	{0, "\xff\xd8\xff", "a JPEG image"},
	{0, "\x80\x02", "a Python pickle (.pt, .pkl)"},
	{0, "\x80\x04", "a Python pickle (.pt, .pkl)"},
	{8, "{\"", "a safetensors file"},
	{257, "ustar", "a tar archive"},
}

// sniff names what b is, empty if that cannot be told.
func sniff(b []byte) string {
	for _, s := range signatures {
		if len(b) > s.at && bytes.HasPrefix(b[s.at:], []byte(s.magic)) {
			return s.what
		}
	}
	head := strings.ToLower(strings.TrimSpace(string(b[:min(len(b), 512)])))
	switch {
	case strings.HasPrefix(head, "version ") && strings.Contains(head, "oid sha256:"):
		return "a Git LFS pointer, not the file that it stands for (git lfs pull)"
	case strings.HasPrefix(head, "<"):
		return "an HTML or XML page, perhaps the error page of a download"
	case strings.HasPrefix(head, "{") || strings.HasPrefix(head, "["):
		return "JSON"
	}
	// Test data next to models has the same look to a person.
	if t, err := DecodeTensor(b); err == nil && t.DataType != 0 && len(t.Dims) > 0 {
		return "a single tensor (TensorProto), as in test data"
	}
	return ""
}
