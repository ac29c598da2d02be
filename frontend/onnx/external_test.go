package onnx

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mlc-go/mlc/tools/need"
)

func TestExternalData(t *testing.T) {
	data := []byte("0123456789")
	tests := []struct {
		location string
		extra    []string
		want     string // payload, or part of the error after "error: "
	}{
		{"w.bin", nil, "0123"},
		{"./w.bin", []string{"offset", "6"}, "6789"},
		{"sub/w.bin", []string{"offset", "3", "length", "4", "checksum", "x", "own", "1"}, "3456"},
		{"w.bin", []string{"length", "3"}, "error: w.bin at 0: have 3 bytes, want 4"},
		{"w.bin", []string{"offset", "7"}, "error: w.bin at 7: have 3 bytes, want 4"},
		{"w.bin", []string{"offset", "9223372036854775807"}, "have 0 bytes, want 4"},
		{"w.bin", []string{"offset", "-1"}, `error: external data: have offset "-1", want a number of bytes`},
		{"w.bin", []string{"length", "-1"}, `error: external data: have length "-1"`},
		{"w.bin", []string{"offset", "1e3"}, `error: external data: have offset "1e3"`},
		{"no.bin", nil, "error: no.bin at 0: file does not exist"},
		{"sub", nil, "error: sub at 0: not a regular file"},
		{"", nil, `error: "" at 0: no location`},
		{"../w.bin", nil, `error: ../w.bin at 0: path with ".."`},
		{"sub/../../m/w.bin", nil, `path with ".."`},
		{"/etc/passwd", nil, "error: /etc/passwd at 0: absolute path"},
		{"C:/w.bin", nil, "absolute path"},
		{`sub\w.bin`, nil, "backslash"},
		{"w.bin\x00", nil, "zero byte"},
		{"w\xff", nil, "no valid path"},
	}
	dir := t.TempDir()
	m := filepath.Join(dir, "m")
	if err := os.MkdirAll(filepath.Join(m, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("w.bin", []byte("outside"))
	write("m/w.bin", data)
	write("m/sub/w.bin", data)
	for _, tt := range tests {
		t.Run(tt.location+strings.Join(tt.extra, " "), func(t *testing.T) {
			b := encode(t, withInit(external("fc.weight", tt.location, tt.extra...)))
			mem := fstest.MapFS{"m/m.onnx": {Data: b}, "m/w.bin": {Data: data}, "m/sub/w.bin": {Data: data}, "w.bin": {Data: data}}
			write("m/m.onnx", b)
			for kind, open := range map[string]func() (*Raw, error){
				"memory": func() (*Raw, error) { return Decode(mem, "m/m.onnx", DecodeOptions{}) },
				"dirfs":  func() (*Raw, error) { return Decode(os.DirFS(dir), "m/m.onnx", DecodeOptions{}) },
				"file":   func() (*Raw, error) { return OpenFile(filepath.Join(m, "m.onnx"), DecodeOptions{}) },
			} {
				raw, err := open()
				if bad, ok := strings.CutPrefix(tt.want, "error: "); ok || err != nil {
					if err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), `m.onnx: initializer "fc.weight": `) {
						t.Errorf("%s: error %v, want %q", kind, err, bad)
					}
					if err != nil {
						ours(t, err)
					}
					continue
				}
				if got, err := raw.Tensors[0].Bytes(); err != nil || string(got) != tt.want {
					t.Errorf("%s: %q, %v", kind, got, err)
				}
				if err := raw.Close(); err != nil {
					t.Errorf("%s: close: %v", kind, err)
				}
			}
		})
	}
}

func TestLinksStayInside(t *testing.T) {
	dir := t.TempDir()
	m := filepath.Join(dir, "m")
	must := func(err error) {
		t.Helper()
		if err != nil {
			need.System(t, runtime.GOOS != "windows", "symbolic links")
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(m, "data"), 0o755))
	must(os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o644))
	must(os.WriteFile(filepath.Join(m, "data", "w.bin"), []byte("data"), 0o644))
	must(os.Symlink(filepath.Join("..", "secret"), filepath.Join(m, "out.bin")))
	must(os.Symlink(filepath.Join(dir, "secret"), filepath.Join(m, "abs.bin")))
	must(os.Symlink("..", filepath.Join(m, "up")))
	must(os.Symlink(filepath.Join("data", "w.bin"), filepath.Join(m, "in.bin")))
	must(os.Symlink(filepath.Join("..", "in.bin"), filepath.Join(m, "data", "chain")))
	must(os.Symlink("loop", filepath.Join(m, "loop")))
	for location, inside := range map[string]bool{
		"out.bin": false, "abs.bin": false, "up/secret": false, "loop": false,
		"in.bin": true, "data/chain": true,
	} {
		b := encode(t, withInit(external("w", location)))
		must(os.WriteFile(filepath.Join(m, "m.onnx"), b, 0o644))
		root, err := os.OpenRoot(m)
		must(err)
		for kind, open := range map[string]func() (*Raw, error){
			"file":  func() (*Raw, error) { return OpenFile(filepath.Join(m, "m.onnx"), DecodeOptions{}) },
			"root":  func() (*Raw, error) { return Decode(root.FS(), "m.onnx", DecodeOptions{}) },
			"dirfs": func() (*Raw, error) { return Decode(os.DirFS(m), "m.onnx", DecodeOptions{}) },
			"sub":   func() (*Raw, error) { return Decode(os.DirFS(dir), "m/m.onnx", DecodeOptions{}) },
		} {
			raw, err := open()
			if inside != (err == nil) {
				t.Errorf("%s of %s: error %v", location, kind, err)
			}
			if err == nil {
				if got, err := raw.Tensors[0].Bytes(); err != nil || string(got) != "data" {
					t.Errorf("%s of %s: %q, %v", location, kind, got, err)
				}
				raw.Close()
			}
		}
		root.Close()
	}
}

// A model that the user reaches through a link is theirs to name.
func TestModelMayBeALink(t *testing.T) {
	dir := t.TempDir()
	blob := filepath.Join(dir, "blob")
	if err := os.WriteFile(blob, encode(t, withInit()), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "m.onnx")
	if err := os.Symlink(blob, link); err != nil {
		need.System(t, runtime.GOOS != "windows", "symbolic links")
		t.Fatal(err)
	}
	raw, err := OpenFile(link, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raw.Close()
}

func TestFilesThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{filepath.Join(dir, "no.onnx"), dir} {
		_, err := OpenFile(name, DecodeOptions{})
		if err == nil || strings.Count(err.Error(), name) != 1 {
			t.Errorf("error %v, want one that names %s once", err, name)
		}
		ours(t, err)
	}
	for _, name := range []string{"no.onnx", "d", "../x", ""} {
		_, err := Decode(fstest.MapFS{"d/x": {Mode: fs.ModePerm}}, name, DecodeOptions{})
		if err == nil {
			t.Errorf("%q opens", name)
			continue
		}
		ours(t, err)
	}
}
