package exe_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/mlc-go/mlc/codegen/exe"
	"github.com/mlc-go/mlc/runtime/program"
)

// An executable is a stub with the artifact behind it. The stub would come from
// Stubs.Get, which may take the go command a moment.
func Example() {
	fmt.Println(exe.Platforms())
	stub := []byte("the program that Stubs.Get gives")
	artifact := []byte("\x7fMLC\r\n\x1a\nand what `mlc build` writes")

	var file bytes.Buffer
	if _, err := exe.Write(&file, stub, artifact); err != nil {
		log.Fatal(err)
	}
	inside, _, err := program.Artifact(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Equal(inside, artifact))
	// Output:
	// [linux/amd64 linux/arm64]
	// true
}
