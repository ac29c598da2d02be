package tflite

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestFlat reads a written tree by hand, as the FlatBuffers format describes
// it: a root offset, a table whose first word leads back to the list of its
// fields' places, forward offsets to what it refers to.
func TestFlat(t *testing.T) {
	root := (&table{}).i8(0, -3).i32(1, 7).put(2, "hello").put(3, []*table{(&table{}).put(0, []byte{1, 2, 3})}).flag(4, true).f32(5, 0.5).i32d(6, 1, 1)
	b := finish(root, "TFL3")
	if string(b[4:8]) != "TFL3" {
		t.Fatalf("identifier %q", b[4:8])
	}
	u32 := func(at int) int { return int(binary.LittleEndian.Uint32(b[at:])) }
	place := func(tab, slot int) int {
		list := tab - u32(tab)
		if int(binary.LittleEndian.Uint16(b[list:])) <= 4+2*slot {
			return 0
		}
		return int(binary.LittleEndian.Uint16(b[list+4+2*slot:]))
	}
	tab := u32(0)
	if tab%4 != 0 {
		t.Errorf("table at %d", tab)
	}
	if got := int8(b[tab+place(tab, 0)]); got != -3 {
		t.Errorf("field 0: %d", got)
	}
	if got := u32(tab + place(tab, 1)); got != 7 {
		t.Errorf("field 1: %d", got)
	}
	at := tab + place(tab, 2)
	s := at + u32(at)
	if got := string(b[s+4 : s+4+u32(s)]); got != "hello" || b[s+4+5] != 0 {
		t.Errorf("field 2: %q", got)
	}
	at = tab + place(tab, 3)
	v := at + u32(at)
	if u32(v) != 1 {
		t.Fatalf("field 3 has %d tables", u32(v))
	}
	inner := v + 4 + u32(v+4)
	at = inner + place(inner, 0)
	d := at + u32(at)
	if u32(d) != 3 || !bytes.Equal(b[d+4:d+7], []byte{1, 2, 3}) || (d+4)%16 != 0 {
		t.Errorf("payload at %d: %v", d+4, b[d+4:d+7])
	}
	if place(tab, 6) != 0 {
		t.Error("a field at its default is written")
	}
}
