// Package artifact reads and writes .mlc files: a plan.Program, its packed
// constants and the recipe of the build. Encoding and decoding are one piece
// of code run in two directions, so that they cannot drift apart. It knows no
// kernel and no module.
//
// Layout, little-endian:
//
//	0   magic "\x7fMLC\r\n\x1a\n", format version (u32), flags (u32, 0)
//	16  index offset, index size, file size (u64 each)
//	40  CRC-32C of the index (u32), of bytes 0..44 (u32), zeros to 64
//	64  constants, each at a multiple of 64
//	    index: recipe, program, and offset, size and CRC-32C of each constant
//
// A reader accepts its own version only: an artifact is rebuilt from its model
// in a moment, and a wrong guess about bytes is worse than a clear refusal.
package artifact
