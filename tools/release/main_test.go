package main

import (
	"bytes"
	"image"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/tools/corpus"
	"github.com/mlc-go/mlc/tools/need"
)

// mostMNIST is what the program of the MNIST net may take.
const mostMNIST = 8 << 20

// TestRelease: a release build makes executables with nothing on the PATH, and
// that for arm64 gives the recorded output in an empty chroot. It builds the
// command anew, so only CI does it.
func TestRelease(t *testing.T) {
	need.OnlyCI(t, "the command and two stubs are built anew")
	need.Time(t, "the command and two stubs are built anew")
	need.System(t, runtime.GOOS == "linux", "a chroot")
	dir := t.TempDir()
	model, set := mnist(t)
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o755); err != nil {
			t.Fatal(err)
		}
		return p
	}
	run := func(c *exec.Cmd) {
		t.Helper()
		var errs bytes.Buffer
		c.Stderr = &errs
		if err := c.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, &errs)
		}
	}
	t.Chdir("../..")
	mlc := filepath.Join(dir, "mlc")
	if err := release(mlc, "linux/"+runtime.GOARCH); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "root", "mnist")
	write("root/in.pb", set.in)
	write("root/p.png", digit(t))
	onnx, desc := write("mnist.onnx", model), write("task.json", []byte(`{"classify": {}}`))
	build := exec.Command(mlc, "build", onnx, "--task", desc, "--target", "linux/arm64", "--emit", "exe", "-o", bin)
	build.Env = []string{"PATH=", "TMPDIR=" + dir} // and no cache
	run(build)
	st, err := os.Stat(bin)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the program for arm64 has %d bytes", st.Size())
	if st.Size() > mostMNIST {
		t.Errorf("it has %d bytes, want at most %d", st.Size(), mostMNIST)
	}
	args := []string{}
	if runtime.GOARCH != "arm64" {
		qemu, err := exec.LookPath("qemu-aarch64-static")
		if err != nil {
			t.Fatalf("CI needs qemu: %v", err)
		}
		b, err := os.ReadFile(qemu)
		if err != nil {
			t.Fatal(err)
		}
		write("root/qemu", b)
		args = append(args, "/qemu")
	}
	if os.Geteuid() != 0 {
		args = append([]string{"unshare", "--map-root-user", "chroot", filepath.Join(dir, "root")}, args...)
	} else {
		args = append([]string{"chroot", filepath.Join(dir, "root")}, args...)
	}
	args = append(args, "/mnist")
	run(exec.Command(args[0], append(args[1:], "/in.pb", "-o", "/y.npy")...))
	lines := func(c *exec.Cmd) string {
		t.Helper()
		var out bytes.Buffer
		c.Stdout = &out
		run(c)
		_, rest, _ := strings.Cut(out.String(), "\n") // the first names the file
		return rest
	}
	seen, want := lines(exec.Command(args[0], append(args[1:], "/p.png")...)), lines(exec.Command(mlc, "run", onnx, "--task", desc, filepath.Join(dir, "root", "p.png")))
	if a, b := strings.Fields(seen), strings.Fields(want); len(a) != 10 || a[0] != b[0] {
		t.Errorf("of a picture the program says\n%s and mlc run\n%s", seen, want)
	}
	f, err := os.Open(filepath.Join(dir, "root", "y.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	have, err := tensor.ReadNPY(f, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	_, recorded, err := tensor.DecodePB(set.out, tensor.Type{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tensor.Custom(1e-4, 1e-4).Compare(tensor.V(have), recorded); err != nil {
		t.Error(err)
	}
}

// digit is a picture of something like a 1.
func digit(t *testing.T) []byte {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, 28, 28))
	for y := 4; y < 24; y++ {
		p.Pix[28*y+13], p.Pix[28*y+14] = 255, 200
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// vectors are one input and output.
type vectors struct{ in, out []byte }

// mnist is the model of the corpus with its recorded set.
func mnist(t *testing.T) (model []byte, set vectors) {
	t.Helper()
	c := corpus.Cases(t, "mnist-cntk-8")["mnist-cntk-8"]
	read := func(name string) []byte {
		b, err := fs.ReadFile(c.FS, path.Join(path.Dir(c.Model), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return read(path.Base(c.Model)), vectors{read("test_data_set_0/input_0.pb"), read("test_data_set_0/output_0.pb")}
}
