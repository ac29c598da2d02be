package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"

	"github.com/mlc-go/mlc/runtime/cpu"
)

// job is one check.
type job struct {
	name  string
	guess float64 // seconds
	run   func(r *runner, log io.Writer) error
}

// models are those of the corpus that everything here runs.
var models = []string{"mnist-cntk-8", "squeezenet-fp16", "ultraface-rfb-320", "yunet-n-dynamic", "blazeface-front-128",
	"cyclone-unet", "orographic-drag", "oww-hello-deepa", "oww-embedding", "byte-bidi-lstm", "dtln-1"}

// tolerances of models that need their own.
const tolerances = "testdata/corpus-tolerances.tsv"

func (r *runner) jobs() ([]job, error) {
	var out []job
	add := func(name string, guess float64, run func(r *runner, log io.Writer) error) {
		out = append(out, job{name, guess, run})
	}
	add("verify/ref", 60, func(r *runner, log io.Writer) error { return r.verify(log, "", "--engine", "ref") })
	for _, c := range caps() {
		for _, l := range []string{"0", "1", "2", "3"} {
			guess := 10.0
			if c == cpu.Generic {
				guess = 40
			}
			add("verify/O"+l+"/"+c, guess, func(r *runner, log io.Writer) error { return r.verify(log, c, "-O"+l) })
		}
		add("verify/O2/"+c+"/3-threads", 30, func(r *runner, log io.Writer) error { return r.verify(log, c, "-O2", "--threads", "3") })
		for _, l := range []string{"0", "2"} {
			add("node/O"+l+"/"+c, 60, func(r *runner, log io.Writer) error { return r.node(log, c, l) })
		}
		add("kernels/"+c, 120, func(r *runner, log io.Writer) error {
			return r.command(log, cpuEnv(c), "go", "test", "-count=1", "./runtime/...")
		})
	}
	for _, m := range models {
		add("check-exec/"+m, 30, func(r *runner, log io.Writer) error {
			return r.build(log, m, "--check=exec", "-q")
		})
		add("shuffle/"+m, 20, func(r *runner, log io.Writer) error { return r.shuffle(log, m) })
	}
	add("arm64/artifacts", 240, (*runner).arm64Artifacts)
	for _, c := range []string{"cortex-a53", "cortex-a76", "max"} {
		add("arm64/kernels/"+c, 900, func(r *runner, log io.Writer) error {
			q, err := qemu()
			if err != nil {
				return err
			}
			return r.command(log, []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"}, "go", "test", "-short", "-count=1", "-timeout=60m",
				"-exec", q+" -cpu "+c, "./runtime/kernel/...", "./runtime/pool", "./runtime/cpu")
		})
	}
	add("race", 600, func(r *runner, log io.Writer) error {
		return r.command(log, []string{"CGO_ENABLED=1"}, "go", "test", "-race", "-count=1", "-timeout=60m", "./runtime/...", "./codegen/...", ".")
	})
	accuracyJobs(add)
	targets, err := fuzzTargets()
	if err != nil {
		return nil, err
	}
	for _, f := range targets {
		add("fuzz/"+f.pkg+"/"+f.name, r.fuzz.Seconds()+15, func(r *runner, log io.Writer) error {
			// Shrinking an input that reaches something new takes up to a minute, all of
			// the time there is, unless it is told to give up sooner.
			return r.command(log, nil, "go", "test", "-run=^$", "-fuzz=^"+f.name+"$", "-fuzztime="+r.fuzz.String(), "-fuzzminimizetime=100x", "./"+f.pkg)
		})
	}
	return out, nil
}

// caps are the values of MLC_CPU that mean something on this machine.
func caps() []string {
	var out []string
	for _, l := range cpu.Levels(goruntime.GOARCH) {
		if cpu.Detect().Has(l.Features) {
			out = append(out, l.Name)
		}
	}
	return out
}

func cpuEnv(c string) []string {
	if c == "" {
		return nil
	}
	return []string{cpu.EnvCPU + "=" + c}
}

// tool builds the command once a run.
func (r *runner) tool(log io.Writer) (string, error) {
	if r.mlc != "" {
		return r.mlc, nil
	}
	p, err := filepath.Abs(filepath.Join(stateDir, "mlc"))
	if err != nil {
		return "", err
	}
	if err := r.command(log, []string{"CGO_ENABLED=0"}, "go", "build", "-o", p, "./tools/mlc"); err != nil {
		return "", err
	}
	r.mlc = p
	return p, nil
}

// archives lists the corpus archives that hold real models.
func (r *runner) archives() ([]string, error) {
	if r.shared == "" {
		return nil, missing("no corpus: set MLC_SHARED")
	}
	out, err := filepath.Glob(filepath.Join(r.shared, "corpus", "real-onnx-*.tar.zst"))
	if err != nil || len(out) == 0 {
		return nil, missing("no corpus: set MLC_SHARED")
	}
	return out, nil
}

func (r *runner) verify(log io.Writer, capTo string, args ...string) error {
	mlc, err := r.tool(log)
	if err != nil {
		return err
	}
	as, err := r.archives()
	if err != nil {
		return err
	}
	args = append([]string{"verify", "--tolerances", tolerances, "--match", "^(" + strings.Join(models, "|") + ")$"}, args...)
	return r.command(log, cpuEnv(capTo), mlc, append(args, as...)...)
}

// node runs ONNX's own tests, those that the committed list says pass.
func (r *runner) node(log io.Writer, capTo, level string) error {
	mlc, err := r.tool(log)
	if err != nil {
		return err
	}
	if _, err := r.archives(); err != nil {
		return err
	}
	skip, err := lines("testdata/conformance/node-tol.txt")
	if err != nil {
		return err
	}
	for i := range skip { // these have rules that verify does not know
		skip[i], _, _ = strings.Cut(skip[i], " ")
	}
	ids, err := lines("testdata/conformance/node-pass.txt")
	if err != nil {
		return err
	}
	var quoted []string
	for _, id := range ids {
		if !slices.Contains(skip, id) {
			quoted = append(quoted, regexp.QuoteMeta(id))
		}
	}
	return r.command(log, cpuEnv(capTo), mlc, "verify", "-O"+level, "--match", "^("+strings.Join(quoted, "|")+")$",
		filepath.Join(r.shared, "corpus", "onnx-node.tar.zst"))
}

// lines reads a list without its comments.
func lines(file string) ([]string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, l := range strings.Split(string(b), "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out, nil
}

// build compiles one model of the corpus.
func (r *runner) build(log io.Writer, model string, args ...string) error {
	mlc, err := r.tool(log)
	if err != nil {
		return err
	}
	dir, err := r.unpacked(model)
	if err != nil {
		return err
	}
	return r.command(log, nil, mlc, append([]string{"build", filepath.Join(dir, "model.onnx"), "-o", filepath.Join(stateDir, model+".mlc")}, args...)...)
}

// shuffle builds with nodes in other orders before each pass: the same bytes.
func (r *runner) shuffle(log io.Writer, model string) error {
	file := filepath.Join(stateDir, model+".mlc")
	if err := r.build(log, model, "-q"); err != nil {
		return err
	}
	want, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for seed := 1; seed <= 5; seed++ {
		if err := r.build(log, model, "-q", "--shuffle", fmt.Sprint(seed)); err != nil {
			return err
		}
		have, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if string(have) != string(want) {
			return fmt.Errorf("--shuffle %d changes the artifact", seed)
		}
	}
	return nil
}

// fuzzTarget is one Fuzz function.
type fuzzTarget struct{ pkg, name string }

// fuzzTargets finds them in the sources, so that none is forgotten.
func fuzzTargets() ([]fuzzTarget, error) {
	re := regexp.MustCompile(`^func (Fuzz\w+)\(`)
	var out []fuzzTarget
	err := filepath.WalkDir(".", func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && p != "." && (strings.HasPrefix(n, ".") || n == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := os.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			if m := re.FindStringSubmatch(s.Text()); m != nil {
				out = append(out, fuzzTarget{filepath.ToSlash(filepath.Dir(p)), m[1]})
			}
		}
		return s.Err()
	})
	return out, err
}

func qemu() (string, error) {
	for _, n := range []string{"qemu-aarch64-static", "qemu-aarch64"} {
		if p, err := exec.LookPath(n); err == nil {
			return p, nil
		}
	}
	return "", missing("no qemu-aarch64-static")
}

var errDiffers = errors.New("bytes differ")
