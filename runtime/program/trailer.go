package program

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"

	"github.com/mlc-go/mlc/ir/diag"
)

// Align is what the artifact's offset in an executable is a multiple of: the
// largest page of linux on arm64, so that it can be mapped by itself.
const Align = 64 << 10

const (
	trailerMagic = "\x7fMLCEXE\n"
	trailerSize  = 64
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// Trailer ends an executable: a stub, zeros to a multiple of Align, the
// artifact, and these 64 bytes, little-endian:
//
//	0   magic "\x7fMLCEXE\n"
//	8   offset and length of the artifact (u64 each)
//	24  SHA-256 of the artifact
//	56  CRC-32C of bytes 0..56 (u32), zeros to 64
type Trailer struct {
	Offset, Length uint64
	Digest         [sha256.Size]byte
}

// Bytes is the trailer's form in the file.
func (t *Trailer) Bytes() []byte {
	b := make([]byte, trailerSize)
	copy(b, trailerMagic)
	binary.LittleEndian.PutUint64(b[8:], t.Offset)
	binary.LittleEndian.PutUint64(b[16:], t.Length)
	copy(b[24:], t.Digest[:])
	binary.LittleEndian.PutUint32(b[56:], crc32.Checksum(b[:56], crcTable))
	return b
}

// Artifact gives the artifact in the executable b, a view of it. Errors, kind
// BadModel: there is none, because the file was stripped or cut; the trailer is
// damaged. The artifact's own checksums are its reader's business, Trailer's
// Digest is nobody's but that of who asks for it.
func Artifact(b []byte) ([]byte, *Trailer, error) {
	if len(b) < trailerSize || !bytes.HasPrefix(b[len(b)-trailerSize:], []byte(trailerMagic)) {
		return nil, nil, diag.New(diag.BadModel, "holds no model: it was stripped, or cut, after mlc built it (the model is appended to the program, and strip takes it away); build it again")
	}
	end := b[len(b)-trailerSize:]
	t := &Trailer{Offset: binary.LittleEndian.Uint64(end[8:]), Length: binary.LittleEndian.Uint64(end[16:])}
	copy(t.Digest[:], end[24:])
	rest := uint64(len(b) - trailerSize)
	if binary.LittleEndian.Uint32(end[56:]) != crc32.Checksum(end[:56], crcTable) {
		return nil, nil, diag.New(diag.BadModel, "is damaged: the checksum of its trailer is wrong; copy or build it again")
	}
	if t.Offset > rest || t.Length != rest-t.Offset {
		return nil, nil, diag.New(diag.BadModel, "is damaged: have %d bytes, want %d; copy or build it again", len(b), t.Offset+t.Length+trailerSize)
	}
	return b[t.Offset:rest:rest], t, nil
}
