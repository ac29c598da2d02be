package exe

import (
	"crypto/sha256"
	"io"

	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/runtime/artifact"
	"github.com/mlc-go/mlc/runtime/program"
)

// Platforms are the systems that executables are made for.
func Platforms() []string { return []string{"linux/amd64", "linux/arm64"} }

// Write writes an executable: the stub, zeros to a multiple of program.Align,
// the artifact art, the trailer. It gives the size. The same arguments give the
// same bytes.
func Write(w io.Writer, stub, art []byte) (int64, error) {
	if !artifact.IsArtifact(art) {
		return 0, diag.New(diag.Internal, "what is to be appended is no artifact")
	}
	pad := -len(stub) & (program.Align - 1)
	t := program.Trailer{Offset: uint64(len(stub) + pad), Length: uint64(len(art)), Digest: sha256.Sum256(art)}
	total := int64(0)
	for _, b := range [][]byte{stub, make([]byte, pad), art, t.Bytes()} {
		n, err := w.Write(b)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
