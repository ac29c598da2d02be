package ptxtest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/tools/need"
)

// Usage is the help of the flag -ptxas, which each test that assembles has.
const Usage = "ptxas, the assembler of NVIDIA, that assembles what the tests write"

// Use is what a kernel needs of a device, as ptxas reports it.
type Use struct {
	Kernel    string
	Registers int // of a thread
	Shared    int // bytes of a block
	Spills    int // bytes that are stored because registers lack
	Stack     int // bytes of a thread
}

// Assemble assembles the text for sm_NN and returns the use of every kernel, in
// the order of ptxas. What ptxas refuses or warns of fails the test, with the
// line. Where ptxas is "", the test ends for lack of it.
func Assemble(t testing.TB, ptxas, text string, sm int) []Use {
	t.Helper()
	need.Asked(t, ptxas != "", "-ptxas PATH", "tools/peers/ptxas.sh runs it")
	dir := t.TempDir()
	file := filepath.Join(dir, "m.ptx")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command(ptxas, "-v", "-Werror", "-arch", fmt.Sprintf("sm_%d", sm), "-o", filepath.Join(dir, "m.cubin"), file).CombinedOutput()
	if err != nil {
		t.Fatalf("ptxas for sm_%d: %v\n%s", sm, err, withLines(string(b), text))
	}
	return parse(b)
}

var (
	lineRE     = regexp.MustCompile(`line (\d+)`)
	kernelRE   = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	spillRE    = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores`)
	registerRE = regexp.MustCompile(`Used (\d+) registers`)
	sharedRE   = regexp.MustCompile(`(\d+) bytes smem`)
)

// withLines adds to messages the lines of text that they name.
func withLines(messages, text string) string {
	lines := strings.Split(text, "\n")
	var out strings.Builder
	for m := range strings.Lines(messages) {
		out.WriteString(m)
		if f := lineRE.FindStringSubmatch(m); f != nil {
			if n, _ := strconv.Atoi(f[1]); n > 0 && n <= len(lines) {
				fmt.Fprintf(&out, "\t%s\n", lines[n-1])
			}
		}
	}
	return out.String()
}

// parse reads the report of ptxas -v.
func parse(b []byte) []Use {
	var all []Use
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		line := s.Text()
		if f := kernelRE.FindStringSubmatch(line); f != nil {
			all = append(all, Use{Kernel: f[1]})
		}
		if len(all) == 0 {
			continue
		}
		u := &all[len(all)-1]
		num := func(s string) int { n, _ := strconv.Atoi(s); return n }
		if f := spillRE.FindStringSubmatch(line); f != nil {
			u.Stack, u.Spills = num(f[1]), num(f[2])
		}
		if f := registerRE.FindStringSubmatch(line); f != nil {
			u.Registers = num(f[1])
		}
		if f := sharedRE.FindStringSubmatch(line); f != nil {
			u.Shared = num(f[1])
		}
	}
	return all
}
