package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/conform"
	"github.com/mlc-go/mlc/ir/tensor"
)

// armModels run under qemu: one of each kind, small enough for an emulator.
var armModels = []string{"mnist-cntk-8", "oww-hello-deepa", "yunet-n-dynamic", "orographic-drag", "blazeface-front-128"}

// armCPUs are the emulated machines: the first has no optional feature.
var armCPUs = []string{"cortex-a53", "max"}

// arm64Artifacts builds artifacts for arm64 and for GPUs here, builds them again
// on arm64, wants the same bytes, and runs those for arm64 there against the
// recorded outputs.
func (r *runner) arm64Artifacts(log io.Writer) error {
	q, err := qemu()
	if err != nil {
		return err
	}
	host, err := r.tool(log)
	if err != nil {
		return err
	}
	arm, err := filepath.Abs(filepath.Join(stateDir, "mlc-arm64"))
	if err != nil {
		return err
	}
	if err := r.command(log, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64"}, "go", "build", "-o", arm, "./tools/mlc"); err != nil {
		return err
	}
	for _, m := range models {
		for _, target := range []string{"cuda", "cuda:sm_80+f16"} {
			if _, err := r.builtTwice(log, m, target, host, q, arm); err != nil {
				return err
			}
		}
	}
	for _, m := range armModels {
		dir, err := r.unpacked(m)
		if err != nil {
			return err
		}
		model := filepath.Join(dir, "model.onnx")
		here, err := r.builtTwice(log, m, "arm64", host, q, arm)
		if err != nil {
			return err
		}
		for _, c := range armCPUs {
			if err := r.runOn(log, []string{q, "-cpu", c, arm}, here, model, dir); err != nil {
				return fmt.Errorf("%s on %s: %w", m, c, err)
			}
			fmt.Fprintf(log, "%s on %s: as recorded\n", m, c)
		}
	}
	return nil
}

// builtTwice builds a model by the host's command and by that for arm64, and
// gives the former's file. Files of different bytes are an error.
func (r *runner) builtTwice(log io.Writer, m, target, host, qemu, arm string) (string, error) {
	dir, err := r.unpacked(m)
	if err != nil {
		return "", err
	}
	model := filepath.Join(dir, "model.onnx")
	name := filepath.Join(stateDir, m+"."+strings.ReplaceAll(target, ":", "-"))
	here, there := name+".mlc", name+".qemu.mlc"
	if err := r.command(log, nil, host, "build", "--target", target, model, "-o", here); err != nil {
		return "", err
	}
	if err := r.command(log, nil, qemu, "-cpu", "max", arm, "build", "--target", target, model, "-o", there); err != nil {
		return "", err
	}
	if err := sameFile(here, there); err != nil {
		return "", fmt.Errorf("%s for %s: built here and on arm64: %w", m, target, err)
	}
	fmt.Fprintf(log, "%s for %s: the same bytes from here and from arm64\n", m, target)
	return here, nil
}

func sameFile(a, b string) error {
	x, err := os.ReadFile(a)
	if err != nil {
		return err
	}
	y, err := os.ReadFile(b)
	if err != nil {
		return err
	}
	if !bytes.Equal(x, y) {
		return errDiffers
	}
	return nil
}

// runOn runs an artifact on every recorded set and compares the outputs.
func (r *runner) runOn(log io.Writer, mlc []string, artifact, model, dir string) error {
	a, err := codegen.Build(r.ctx, codegen.File(model), codegen.Options{Stop: codegen.StageImport})
	if err != nil {
		return err
	}
	defer a.Close()
	var ports []conform.Port
	for _, p := range a.Module().Main().Results {
		ports = append(ports, conform.Port{Name: p.Name, Type: p.Value.Type})
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil || len(sets) == 0 {
		return fmt.Errorf("no recorded sets in %s (%v)", dir, err)
	}
	for _, set := range sets {
		out, err := os.MkdirTemp(stateDir, "out-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(out)
		args := append(append([]string{}, mlc[1:]...), "run", artifact, "-i", set, "--out-dir", out, "--out-format", "pb")
		if err := r.command(log, nil, mlc[0], args...); err != nil {
			return err
		}
		if err := compareSets(out, set, ports); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(set), err)
		}
	}
	return nil
}

// compareSets compares the outputs in two folders of .pb files.
func compareSets(have, want string, ports []conform.Port) error {
	vals := [2][]tensor.Value{}
	for i, d := range []string{have, want} {
		s, err := conform.ReadSet(os.DirFS(d), ".")
		if err != nil {
			return err
		}
		if vals[i], _, err = conform.Bind(s.Outputs, ports); err != nil {
			return err
		}
	}
	for i, p := range ports {
		if !vals[1][i].Present() {
			continue
		}
		if err := tensor.Custom(1e-3, 1e-5).Compare(vals[0][i], vals[1][i]); err != nil {
			return fmt.Errorf("output %q: %w", p.Name, err)
		}
	}
	return nil
}

// unpacked is the folder of a model of the corpus, unpacked on first use.
func (r *runner) unpacked(model string) (string, error) {
	dir := filepath.Join(stateDir, "corpus", model)
	if _, err := os.Stat(filepath.Join(dir, "model.onnx")); err == nil {
		return dir, nil
	}
	as, err := r.archives()
	if err != nil {
		return "", err
	}
	for _, a := range as {
		files, err := conform.Archive(a)
		if err != nil {
			return "", err
		}
		if err := unpackModels(r.ctx, files, filepath.Join(stateDir, "corpus")); err != nil {
			return "", err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "model.onnx")); err != nil {
		return "", fmt.Errorf("the corpus has no %s", model)
	}
	return dir, nil
}

// unpackModels writes the folders of models; model.onnx last, so that a folder
// that has it is whole.
func unpackModels(ctx context.Context, files fs.FS, to string) error {
	var last []string
	put := func(p string) error {
		b, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		f := filepath.Join(to, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			return err
		}
		return os.WriteFile(f, b, 0o644)
	}
	err := fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if strings.HasSuffix(p, "/model.onnx") {
			last = append(last, p)
			return nil
		}
		return put(p)
	})
	if err != nil {
		return err
	}
	for _, p := range last {
		if err := put(p); err != nil {
			return err
		}
	}
	return nil
}
