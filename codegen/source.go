package codegen

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mlc-go/mlc/frontend/onnx"
	"github.com/mlc-go/mlc/ir"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/text"
	"github.com/mlc-go/mlc/runtime/artifact"
)

// Source is where a model comes from.
type Source struct {
	path   string
	fsys   fs.FS
	data   []byte
	module *ir.Module
}

// File is a model file: .onnx (external data beside it) or .mir.
func File(path string) Source { return Source{path: path} }

// FS is a model inside a file system; external data is resolved in it only.
func FS(fsys fs.FS, name string) Source { return Source{path: name, fsys: fsys} }

// Bytes is a model in memory: ONNX, or .mir text.
func Bytes(b []byte) Source { return Source{data: b} }

// Graph is a module; Build works on a copy.
func Graph(m *ir.Module) Source { return Source{module: m} }

// Name is what messages call the source.
func (s Source) Name() string {
	switch {
	case s.path != "":
		return s.path
	case s.module != nil:
		return s.module.Name
	}
	return "model"
}

// loaded is a module with what it must not outlive.
type loaded struct {
	module *ir.Module
	digest string
	close  func() error
}

// load imports the model and computes the digest of its bytes.
func (s Source) load(ctx context.Context, ops *ir.OpSet, keep []string) (*loaded, error) {
	if s.module != nil {
		var b bytes.Buffer
		if err := text.Print(&b, s.module); err != nil {
			return nil, err
		}
		return &loaded{s.module.Clone(), digestOf(b.Bytes()), func() error { return nil }}, nil
	}
	l, err := s.open(ctx, ops, keep)
	if err != nil {
		return nil, diag.In(s.Name(), diag.BadModel, err)
	}
	return l, nil
}

func digestOf(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }

func (s Source) open(ctx context.Context, ops *ir.OpSet, keep []string) (*loaded, error) {
	head, err := s.head()
	if err != nil {
		return nil, err
	}
	switch {
	case artifact.IsArtifact(head):
		return nil, diag.New(diag.Usage, "is compiled already: run it, or build from its model")
	case strings.HasSuffix(s.path, ".mir") || isMIR(head):
		src, err := s.all()
		if err != nil {
			return nil, err
		}
		m, err := text.Parse(src, s.Name(), ops, text.Options{FS: s.folder()})
		if err != nil {
			return nil, err
		}
		return &loaded{m, digestOf(src), func() error { return nil }}, nil
	}
	raw, err := s.decode()
	if err != nil {
		return nil, err
	}
	digest, err := s.digest(raw)
	if err != nil {
		raw.Close()
		return nil, err
	}
	m, err := onnx.Import(ctx, raw, onnx.ImportOptions{Ops: ops, KeepInputs: keep})
	if err != nil {
		raw.Close()
		return nil, err
	}
	return &loaded{m, digest, raw.Close}, nil
}

// isMIR says whether text begins like a module.
func isMIR(head []byte) bool {
	for len(head) > 0 {
		line := head
		if i := bytes.IndexByte(head, '\n'); i >= 0 {
			line = head[:i+1]
		}
		head = head[len(line):]
		if t := strings.TrimSpace(string(line)); t != "" && !strings.HasPrefix(t, "//") {
			return strings.HasPrefix(t, "module ")
		}
	}
	return false
}

func (s Source) reader() (io.ReadCloser, error) {
	switch {
	case s.data != nil:
		return io.NopCloser(bytes.NewReader(s.data)), nil
	case s.fsys != nil:
		return s.fsys.Open(s.path)
	}
	st, err := os.Stat(s.path)
	if err == nil && st.IsDir() {
		return nil, diag.New(diag.Usage, "is a folder, want a model file")
	}
	return os.Open(s.path)
}

func (s Source) head() ([]byte, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, 4096)
	n, err := io.ReadFull(r, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	return b[:n], nil
}

func (s Source) all() ([]byte, error) {
	r, err := s.reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (s Source) folder() fs.FS {
	switch {
	case s.fsys != nil:
		return s.fsys
	case s.path != "":
		return os.DirFS(filepath.Dir(s.path))
	}
	return nil
}

func (s Source) decode() (*onnx.Raw, error) {
	switch {
	case s.data != nil:
		return onnx.DecodeBytes(s.data, s.fsys, onnx.DecodeOptions{})
	case s.fsys != nil:
		return onnx.Decode(s.fsys, s.path, onnx.DecodeOptions{})
	}
	return onnx.OpenFile(s.path, onnx.DecodeOptions{})
}

// digest hashes the model file and the external payloads, in file order.
func (s Source) digest(raw *onnx.Raw) (string, error) {
	h := sha256.New()
	r, err := s.reader()
	if err != nil {
		return "", err
	}
	defer r.Close()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	for _, t := range raw.Tensors {
		if t.External == nil {
			continue
		}
		b, err := t.Bytes()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", t.Name, len(b))
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// IsArtifact says whether the source is compiled already.
func (s Source) IsArtifact() (bool, error) {
	if s.module != nil {
		return false, nil
	}
	head, err := s.head()
	if err != nil {
		return false, diag.In(s.Name(), diag.BadModel, err)
	}
	return artifact.IsArtifact(head), nil
}

// Path is the file behind the source, "" if it is none on disk.
func (s Source) Path() string {
	if s.fsys != nil {
		return ""
	}
	return s.path
}

// All reads the whole source.
func (s Source) All() ([]byte, error) {
	b, err := s.all()
	if err != nil {
		return nil, diag.In(s.Name(), diag.BadModel, err)
	}
	return b, nil
}
