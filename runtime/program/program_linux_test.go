package program_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mlc-go/mlc/codegen/exe"
	"github.com/mlc-go/mlc/runtime/program"
	"github.com/mlc-go/mlc/tools/need"
)

// asProgram makes this test binary the stub of a program.
const asProgram = "MLC_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(program.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestNoName: a program whose file has no name (any more) finds its model all the
// same.
func TestNoName(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stub, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(executable(t, one))
	if err != nil {
		t.Fatal(err)
	}
	art, _, err := program.Artifact(whole)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("model", 0)
	need.System(t, err == nil, "files in memory (memfd_create)")
	f := os.NewFile(uintptr(fd), "model")
	defer f.Close()
	if _, err := exe.Write(f, stub, art); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/proc/self/fd/3", "3xf32=1,2,3")
	c.ExtraFiles = []*os.File{f}
	c.Env = append(os.Environ(), asProgram+"=1")
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil || string(out) != "y: f32[3] = 2 4 6\n" {
		t.Errorf("%v: %s%s", err, out, &errs)
	}
}
