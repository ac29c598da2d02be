package conform

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"

	"github.com/klauspost/compress/zstd"

	"github.com/mlc-go/mlc/ir/diag"
)

// maxArchive bounds what is unpacked of one archive.
const maxArchive = 4 << 30

// folder is one case: a folder that holds a model.
type folder struct {
	name  string // path of the folder, for people and --match
	fsys  fs.FS  // rooted at the folder
	model string // file name of the model
}

// find lists the cases under a path, in name order. Error: nothing there.
func find(p string) ([]folder, error) {
	var out []folder
	var err error
	if strings.HasSuffix(p, ".tar.zst") {
		out, err = inArchive(p)
	} else {
		out, err = inTree(p)
	}
	if err != nil {
		return nil, diag.In(p, diag.BadData, err)
	}
	if len(out) == 0 {
		return nil, diag.In(p, diag.BadData, errors.New("holds no model.onnx"))
	}
	return out, nil
}

func inTree(p string) ([]folder, error) {
	st, err := os.Stat(p)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, errors.New("want a folder or a .tar.zst")
	}
	var out []folder
	err = filepath.WalkDir(p, func(q string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "model.onnx" && !d.IsDir() {
			dir := filepath.Dir(q)
			out = append(out, folder{filepath.ToSlash(dir), os.DirFS(dir), "model.onnx"})
		}
		return nil
	})
	return out, err
}

// Archive unpacks a .tar.zst into memory: test archives are tens of megabytes.
func Archive(p string) (fs.FS, error) {
	m, err := unpack(p)
	if err != nil {
		return nil, diag.In(p, diag.BadData, err)
	}
	return m, nil
}

func unpack(p string) (fstest.MapFS, error) {
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	out := fstest.MapFS{}
	total := int64(0)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if total += h.Size; total > maxArchive {
			return nil, diag.New(diag.Limit, "unpacks to more than %d bytes", int64(maxArchive))
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil {
			return nil, err
		}
		out[path.Clean(h.Name)] = &fstest.MapFile{Data: b.Bytes(), Mode: 0o644}
	}
}

func inArchive(p string) ([]folder, error) {
	files, err := unpack(p)
	if err != nil {
		return nil, err
	}
	byDir := map[string]fstest.MapFS{}
	for name := range files {
		if path.Base(name) == "model.onnx" {
			byDir[path.Dir(name)] = fstest.MapFS{}
		}
	}
	for name, f := range files { // each file belongs to the nearest model above it
		for d := path.Dir(name); ; d = path.Dir(d) {
			if m, ok := byDir[d]; ok {
				m[strings.TrimPrefix(strings.TrimPrefix(name, d), "/")] = f
				break
			}
			if d == "." || d == "/" {
				break
			}
		}
	}
	var out []folder
	for _, d := range slices.Sorted(maps.Keys(byDir)) {
		out = append(out, folder{d, byDir[d], "model.onnx"})
	}
	return out, nil
}

// Find loads every case under a path: a folder, a tree of them, or a .tar.zst.
func Find(p string) ([]*Case, error) {
	fs, err := find(p)
	if err != nil {
		return nil, err
	}
	var out []*Case
	for _, f := range fs {
		c, err := load(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		out = append(out, c)
	}
	return out, nil
}
