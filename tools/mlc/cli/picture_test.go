package cli_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/tools/mlc/cli"
)

// side paints 28 x 28 pixels, one half bright, as a reader of idx files and of
// pictures may see them.
func side(right bool, i int) []byte {
	out := make([]byte, 28*28)
	for p := range out {
		v := (p*31 + i*17) % 60
		if (p%28 >= 14) == right {
			v += 180
		}
		out[p] = byte(v)
	}
	return out
}

// TestTrainedPicture: what mlc train makes of pictures takes picture files as
// they are, of its size or another.
func TestTrainedPicture(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, b []byte) {
		if err := os.WriteFile(at(name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const n = 64
	images, labels := []byte{0, 0, 8, 3}, []byte{0, 0, 8, 1}
	for _, d := range []uint32{n, 28, 28} {
		images = binary.BigEndian.AppendUint32(images, d)
	}
	labels = binary.BigEndian.AppendUint32(labels, n)
	for i := range n {
		images, labels = append(images, side(i%2 == 1, i)...), append(labels, byte(i%2))
	}
	write("images.idx", images)
	write("labels.idx", labels)
	run := func(args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if code := cli.Main(cli.Registry{}, args, strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("mlc %v: exit code %d: %s", args, code, errs.String())
		}
		return out.String(), errs.String()
	}
	run("train", "-q", "--model", "lenet", "--data", "idx:"+at("images.idx")+","+at("labels.idx"), "--val-split", "0", "--epochs", "3", "--batch", "16", "--lr", "0.01", "-o", at("lenet.onnx"))
	for name, scale := range map[string]int{"same.png": 1, "larger.png": 3} {
		p := image.NewGray(image.Rect(0, 0, 28*scale, 28*scale))
		pix := side(true, 3)
		for y := range 28 * scale {
			for x := range 28 * scale {
				p.SetGray(x, y, color.Gray{Y: pix[y/scale*28+x/scale]})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, p); err != nil {
			t.Fatal(err)
		}
		write(name, b.Bytes())
		out, errs := run("run", at("lenet.onnx"), at(name), "--top", "3")
		if !regexp.MustCompile(`(?s)^[^\n]*: \d+ x \d+\n +1  [^\n]*\n +0  [^\n]*\n$`).MatchString(out) {
			t.Errorf("%s: have %q, want class 1 before class 0", name, out)
		}
		if said := strings.Contains(errs, "stretched from 84 x 84 to the model's 28 x 28"); said != (scale == 3) {
			t.Errorf("%s: it says %q", name, errs)
		}
	}
}
