package onnx

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"

	"github.com/mlc-go/mlc/frontend/onnx/onnxpb"
	"github.com/mlc-go/mlc/ir/diag"
)

// Raw is a decoded model: its messages without payloads, and the payloads
// where they lie.
type Raw struct {
	// Model holds no payload: a TensorProto in it has name, data type and dims
	// only, and Tensor leads to the rest. Training information and device
	// configurations are left out.
	Model *onnxpb.ModelProto
	// Tensors are all tensors of the file in file order: initializers,
	// attributes, those of subgraphs and functions.
	Tensors []*RawTensor

	src *sources
}

// DecodeOptions bounds what a file may cost. Zero values mean the defaults.
type DecodeOptions struct {
	MaxSubgraphs int   // depth of graphs within graphs; default 64
	MaxMemory    int64 // estimated bytes of the graph without weights; default 1 GiB
}

func (o DecodeOptions) withDefaults() DecodeOptions {
	if o.MaxSubgraphs <= 0 {
		o.MaxSubgraphs = 64
	}
	if o.MaxMemory <= 0 {
		o.MaxMemory = 1 << 30
	}
	return o
}

// OpenFile decodes the model at a path of the operating system. The file is
// mapped where the system can; external data is read from the folder that the
// path names and nowhere else.
func OpenFile(name string, opt DecodeOptions) (*Raw, error) {
	src := &sources{}
	src.folder = func() (fs.FS, error) {
		root, err := os.OpenRoot(filepath.Dir(name))
		if err != nil {
			return nil, err
		}
		src.undo = append(src.undo, root.Close)
		return root.FS(), nil
	}
	st, err := os.Stat(name)
	if err != nil {
		return nil, &diag.Error{Kind: diag.Usage, File: name, Err: plainError(err)}
	}
	if !st.Mode().IsRegular() { // opening a pipe would wait
		return nil, &diag.Error{Kind: diag.Usage, File: name, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, &diag.Error{Kind: diag.Usage, File: name, Err: plainError(err)}
	}
	return load(f, name, src, opt)
}

// Decode decodes the model with a name in fsys. External data is looked for
// in the same folder of fsys. For folders of the operating system give an
// os.Root's FS: files that come as *os.File are mapped, and a Root keeps
// symbolic links inside even while somebody changes them.
func Decode(fsys fs.FS, name string, opt DecodeOptions) (*Raw, error) {
	st, err := fs.Stat(fsys, name)
	if err == nil && !st.Mode().IsRegular() { // opening a pipe would wait
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, &diag.Error{Kind: diag.Usage, File: name, Err: plainError(err)}
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, &diag.Error{Kind: diag.Usage, File: name, Err: plainError(err)}
	}
	src := &sources{folder: func() (fs.FS, error) { return fs.Sub(fsys, path.Dir(name)) }}
	return load(f, name, src, opt)
}

// DecodeBytes decodes a model that is in memory. b must not change while the
// Raw is in use. External data is looked for in fsys, which may be nil.
func DecodeBytes(b []byte, fsys fs.FS, opt DecodeOptions) (*Raw, error) {
	src := &sources{}
	if fsys != nil {
		src.folder = func() (fs.FS, error) { return fsys, nil }
	}
	return decodeFrom(b, src, opt)
}

// Tensor gives the payload of a TensorProto of Model, nil for any other.
func (r *Raw) Tensor(p *onnxpb.TensorProto) *RawTensor {
	if p == nil || p.MlcTensor == nil {
		return nil
	}
	if i := p.GetMlcTensor(); i >= 0 && i < int64(len(r.Tensors)) {
		return r.Tensors[i]
	}
	return nil
}

// Close gives mappings and open files back. Views that RawTensor.Bytes gave
// are gone with them; copy what is to live longer.
func (r *Raw) Close() error {
	for _, t := range r.Tensors {
		t.Raw, t.flat, t.msg, t.place = nil, nil, nil, place{what: "tensor"}
	}
	return r.src.close()
}

// load maps or reads f, closes it, and decodes.
func load(f fs.File, name string, src *sources, opt DecodeOptions) (*Raw, error) {
	defer f.Close()
	b, err := contents(f, src)
	if err != nil {
		return nil, &diag.Error{Kind: diag.Usage, File: name, Err: plainError(err)}
	}
	raw, err := decodeFrom(b, src, opt)
	return raw, diag.In(name, diag.BadModel, err)
}

func contents(f fs.File, src *sources) ([]byte, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch {
	case !st.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case st.Size() > math.MaxInt:
		return nil, errors.New("file is too large for this system")
	}
	if o, ok := f.(*os.File); ok && st.Size() > 0 {
		if b, undo, err := mapFile(o, int(st.Size())); err == nil {
			src.undo = append(src.undo, undo)
			return b, nil
		}
	}
	b := make([]byte, st.Size())
	_, err = io.ReadFull(f, b)
	return b, err
}

// decodeFrom does the work; on failure it gives everything back.
func decodeFrom(b []byte, src *sources, opt DecodeOptions) (*Raw, error) {
	top, err := probe(b)
	if err != nil {
		src.close()
		return nil, err
	}
	l := newLifter(len(b), src, opt.withDefaults())
	m := &onnxpb.ModelProto{}
	if !top.opsets && top.irVersion >= firstIRWithOpsets {
		l.faults = append(l.faults, diag.New(diag.BadModel, "model has no opset_import, so its operators have no version"))
	}
	if err := l.decode(rootSchemas().model, b, m); err != nil {
		// It ended the walk, and may be why contents look wrong: first.
		l.faults = append(diag.List{asDiag(err)}, l.faults...)
	}
	if err := l.faults.Err(); err != nil {
		src.close()
		return nil, err
	}
	return &Raw{Model: m, Tensors: l.tensors, src: src}, nil
}
