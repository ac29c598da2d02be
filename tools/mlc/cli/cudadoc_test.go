package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/mlc/cli"
)

// covered are the models of docs/cuda.md, with extents where they are open.
var covered = []struct{ name, dims string }{
	{"mnist-cntk-8", ""}, {"squeezenet-fp16", ""}, {"ultraface-rfb-320", ""},
	{"yunet-n-dynamic", "batch=1 height=320 width=320"}, {"blazeface-front-128", ""}, {"cyclone-unet", ""},
	{"orographic-drag", ""}, {"oww-hello-deepa", ""}, {"oww-embedding", ""},
	{"byte-bidi-lstm", "batch=1 length=64"}, {"dtln-1", ""},
}

// docs/cuda.md says how much of each model runs on a device, and that is at
// least 99 % of the multiply-adds.
func TestCUDADoc(t *testing.T) {
	var names []string
	for _, m := range covered {
		names = append(names, m.name)
	}
	cases := corpus.Cases(t, names...)
	var b strings.Builder
	b.WriteString("| model | MACs | of them on the device | of all elements | launches | calls on the host | memory there |\n|---|---:|---:|---:|---:|---:|---:|\n")
	for _, m := range covered {
		c := cases[m.name]
		model, err := fs.ReadFile(c.FS, c.Model)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "model.onnx")
		if err := os.WriteFile(file, model, 0o644); err != nil {
			t.Fatal(err)
		}
		row, share := coverage(t, file, strings.Fields(m.dims))
		if share < 0.99 {
			t.Errorf("%s: %.2f %% of multiply-adds on the device", m.name, 100*share)
		}
		name := m.name
		if m.dims != "" {
			name += " (" + strings.ReplaceAll(m.dims, " ", ", ") + ")"
		}
		fmt.Fprintf(&b, "| %s | %s\n", name, row)
	}
	const file, begin, end = "../../../docs/cuda.md", "<!-- coverage: go test ./tools/mlc/cli -run TestCUDADoc -update -->\n", "<!-- end of coverage -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	have, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no %q and %q", file, begin, end)
	}
	if have == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is stale, go test ./tools/mlc/cli -run TestCUDADoc -update rewrites it:\n%s", file, &b)
	}
	if err := os.WriteFile(file, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// coverage is what mlc inspect says of a model, and the share of its
// multiply-adds.
func coverage(t *testing.T, file string, dims []string) (row string, share float64) {
	t.Helper()
	args := []string{"inspect", "--target", "cuda", "--kernels", "--json", file}
	for _, d := range dims {
		args = append(args, "--dim", d)
	}
	var out, errs bytes.Buffer
	if code := cli.Main(cli.Registry{}, args, nil, &out, &errs); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, &errs)
	}
	var v struct {
		MACs   int64 `json:"macs"`
		Device struct {
			Launches int     `json:"launches"`
			MACs     float64 `json:"mac_share"`
			Elements float64 `json:"element_share"`
			Memory   float64 `json:"memory_bytes"`
		} `json:"device"`
		Kernels []struct {
			Calls  int  `json:"calls"`
			Device bool `json:"device"`
		} `json:"kernels"`
	}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	host := 0
	for _, k := range v.Kernels {
		if !k.Device {
			host += k.Calls
		}
	}
	d := v.Device
	return fmt.Sprintf("%.2f M | %.2f %% | %.2f %% | %d | %d | %.2f MiB |", float64(v.MACs)/1e6, 100*d.MACs, 100*d.Elements, d.Launches, host, d.Memory/(1<<20)), d.MACs
}
