package cli

import (
	"strings"
	"testing"

	"github.com/mlc-go/mlc/ir/diag"
)

// FuzzSettings: any text of mlc.yaml is settings of flags that there are, or a
// Usage error that names the file.
func FuzzSettings(f *testing.F) {
	root := newApp(Registry{}).root()
	for _, s := range []string{"threads: 4\n", "build:\n  target: arm64\n  shape: [x=1, y=2]\n", "# nothing", "a: &x {b: *x}", "? [1]\n: 2", "threads: !!binary aGk=", "json: ~", "build: {opt: 3}\n---\nthreads: 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := fileSettings(root, []byte(text))
		if err != nil {
			if diag.KindOf(err) != diag.Usage || !strings.Contains(err.Error(), settingsFile) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, s := range list {
			c := root
			if s.command != "" {
				c = commandNamed(root, s.command)
			}
			if c == nil || s.command != "" && c.Flags().Lookup(s.flag) == nil && c.InheritedFlags().Lookup(s.flag) == nil {
				t.Errorf("%v sets a flag that is not there", s)
			}
		}
	})
}
