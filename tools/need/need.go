package need

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// CI says whether this is continuous integration, where nothing may lack.
func CI() bool { return os.Getenv("CI") == "true" }

// Lacking ends a test that lacks what the text says: "node: the program runs
// under it". In continuous integration the test fails.
func Lacking(t testing.TB, format string, a ...any) {
	t.Helper()
	what := fmt.Sprintf(format, a...)
	if CI() {
		t.Fatalf("continuous integration lacks %s", what)
	}
	t.Skipf("lacks %s", what)
}

// Shared is the path of a file or folder of the test data that are no part of
// the repository: in MLC_SHARED, by default the folder "shared" beside the
// repository's. A test without it ends.
func Shared(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("MLC_SHARED")
	if dir == "" {
		root, err := Root()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(filepath.Dir(root), "shared")
	}
	p := filepath.Join(dir, filepath.FromSlash(name))
	if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
		Lacking(t, "test data: no %s in %s (MLC_SHARED names the folder that has it)", name, dir)
	} else if err != nil {
		t.Fatal(err)
	}
	return p
}

// Root is the repository's folder: the nearest above the working directory
// that holds go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
	}
}

// Command is the path of a program that the test runs, and why says what for.
// A test without it ends.
func Command(t testing.TB, name, why string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		Lacking(t, "the command %s: %s", name, why)
	}
	return p
}

// System ends a test where the operating system or architecture, as has tells,
// does not have what the test is about.
func System(t testing.TB, has bool, what string) {
	t.Helper()
	if !has {
		Lacking(t, "%s on this system", what)
	}
}

// Time leaves a test out that takes long, as why says, where -short asks for
// that: nothing lacks, so continuous integration may ask, too, in steps beside
// the one that runs all.
func Time(t testing.TB, why string) {
	t.Helper()
	if testing.Short() {
		t.Skipf("lacks the time that -short does not give: %s", why)
	}
}

// OnlyCI leaves a test to continuous integration.
func OnlyCI(t testing.TB, why string) {
	t.Helper()
	if !CI() {
		t.Skipf("lacks CI=true, which runs it: %s", why)
	}
}

// Asked leaves a test to the runs that ask for it, by a flag that names what the
// test runs: a script of tools/peers installs and gives that, and continuous
// integration runs the script, or nobody has it.
func Asked(t testing.TB, asked bool, flag, why string) {
	t.Helper()
	if !asked {
		t.Skipf("lacks the flag %s: %s", flag, why)
	}
}
