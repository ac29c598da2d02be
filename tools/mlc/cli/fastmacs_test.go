package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/mlc/cli"
)

// The share of multiply-adds that run in fast kernels does not fall below what
// testdata/fast-macs.tsv commits to, on any architecture with kernels.
func TestFastMACs(t *testing.T) {
	floor := shares(t)
	found := 0
	for _, a := range corpus.Archives(t) {
		files, err := conform.Archive(a)
		if err != nil {
			t.Fatal(err)
		}
		for model, want := range floor {
			b, err := fs.ReadFile(files, model+"/model.onnx")
			if err != nil {
				continue
			}
			found++
			file := filepath.Join(t.TempDir(), model+".onnx")
			if err := os.WriteFile(file, b, 0o644); err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{"amd64", "amd64+avx2", "arm64"} {
				if have, macs := inspect(t, file, target); have < want {
					t.Errorf("%s on %s: %.4f of %d MACs in fast kernels, want %.4f", model, target, have, macs, want)
				}
			}
		}
	}
	if found != len(floor) {
		t.Errorf("%d of %d models found in the corpus", found, len(floor))
	}
}

func inspect(t *testing.T, file, target string) (share float64, macs int64) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Main(cli.Registry{}, []string{"inspect", "--kernels", "--json", "--target", target, file}, nil, &out, &errs); code != 0 {
		t.Fatalf("%s for %s: exit code %d: %s", file, target, code, &errs)
	}
	var v struct {
		Share float64 `json:"fast_mac_share"`
		MACs  int64   `json:"macs"`
	}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatal(err)
	}
	if v.MACs == 0 {
		t.Errorf("%s for %s: no MACs counted", file, target)
	}
	return v.Share, v.MACs
}

// shares reads the committed floors: model, share.
func shares(t *testing.T) map[string]float64 {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/fast-macs.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for i, l := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if strings.HasPrefix(l, "#") {
			continue
		}
		name, val, _ := strings.Cut(l, "\t")
		s, err := strconv.ParseFloat(val, 64)
		if err != nil || s < 0.99 || s > 1 {
			t.Fatal(fmt.Errorf("line %d: want a model, a tab and a share of 0.99 or more", i+1))
		}
		out[name] = s
	}
	return out
}
