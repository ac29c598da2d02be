package cli_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/mlc-go/mlc/tools/mlc/cli"
)

// docs/cli.md is what the flags say.
func TestDocsFresh(t *testing.T) {
	const file = "../../../docs/cli.md"
	want := cli.Docs(cli.Registry{})
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("docs/cli.md is stale: go test ./tools/mlc/cli -run TestDocsFresh -update (%v)", err)
	}
}
