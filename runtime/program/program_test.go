package program_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/codegen"
	"github.com/mlc-go/mlc/codegen/exe"
	"github.com/mlc-go/mlc/ir/tensor"
	"github.com/mlc-go/mlc/runtime/program"
)

// two doubles a matrix and adds vectors of open length.
const two = `module "two" opset {ai.onnx 28}
meta "mlc.classes" = "[\"cat\",\"dog\",\"cow\",\"hen\"]"
dim N 0..*
func main(%a: f32[2,2], %b: i64[N]) -> (%y: f32[2,2], %"s/0": i64[N]) {
	%y = Add %a, %a : f32[2,2]
	%s = Add %b, %b : i64[N]
	return %y, %s
}
`

// one has one input and one output.
const one = `module "one" opset {ai.onnx 28}
func main(%x: f32[3]) -> (%y: f32[3]) {
	%y = Add %x, %x : f32[3]
	return %y
}
`

// executable writes a model behind something that stands for the stub.
func executable(t *testing.T, mir string) string {
	t.Helper()
	a, err := codegen.Build(context.Background(), codegen.Bytes([]byte(mir)), codegen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	art, err := a.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	n, err := exe.Write(&b, []byte("stub"), art)
	if err != nil || n != int64(b.Len()) || n != int64(program.Align+len(art)+64) {
		t.Fatalf("%d bytes of %d: %v", n, b.Len(), err)
	}
	return file(t, "prog", b.Bytes())
}

func file(t *testing.T, name string, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// raw is float32s as bytes.
func raw(vs ...float32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func npy(t *testing.T, x tensor.Tensor) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tensor.WriteNPY(&b, x); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInputs reads every form, from files and from standard input.
func TestInputs(t *testing.T) {
	self := executable(t, one)
	x := tensor.MustOf([]float32{1, 2.5, -3}, 3)
	pb, err := tensor.EncodePB("x", tensor.V(x))
	if err != nil {
		t.Fatal(err)
	}
	const want = "y: f32[3] = 2 5 -6\n"
	for ext, b := range map[string][]byte{
		".npy": npy(t, x), ".pb": pb, ".raw": raw(1, 2.5, -3), ".bin": raw(1, 2.5, -3), ".json": []byte("[1, 2.5,-3]"), ".JSON": []byte(`{"x": [1,2.5,-3]}`),
	} {
		f := file(t, "in"+ext, b)
		for _, args := range [][]string{{f}, {"x=" + f}, {"--threads", "2", f}, {"-"}, {}, {"x=-"}} {
			var out, errs bytes.Buffer
			if rc := program.Run(self, args, bytes.NewReader(b), &out, &errs); rc != 0 || out.String() != want || errs.Len() != 0 {
				t.Errorf("%s %q: exit code %d, have %q, errors %q", ext, args, rc, out.String(), errs.String())
			}
		}
	}
}

// TestCommand: outputs in every form, several inputs and outputs, and what is
// refused, with the exit code by its kind.
func TestCommand(t *testing.T) {
	self, single := executable(t, two), executable(t, one)
	dir := t.TempDir()
	kept := file(t, "kept.npy", npy(t, tensor.MustOf([]float32{1, 2, 3}, 3)))
	for _, c := range []struct {
		self  string
		args  string
		stdin string
		rc    int
		want  string // within standard output, or standard error where rc is not 0
	}{
		{self, "a=2x2xf32=1,2,3,4 b=3xi64=1,2,3", "", 0, "y: f32[2,2] = 2 4 6 8\ns/0: i64[3] = 2 4 6\n"},
		{self, "2x2xf32=1,2,3,4 zeros", "", 0, "s/0: i64[1] = 0\n"},
		{self, "b=zeros 2x2xf32=1,2,3,4", "", 0, "y: f32[2,2] = 2 4 6 8\n"},
		{self, "", `{"a": [[1,2],[3,"nan"]], "b": [5]}`, 0, "y: f32[2,2] = 2 4 6 NaN\ns/0: i64[1] = 10\n"},
		{self, "--json", `{"a": [[1,2],[3,"nan"]], "b": [5]}`, 0, `{"schema":"mlc.program/1","outputs":[{"name":"y","dtype":"f32","dims":[2,2],"data":[2,4,6,"NaN"]},{"name":"s/0","dtype":"i64","dims":[1],"data":[10]}]}`},
		{self, "--top 2 2x2xf32=1,2,3,4 4xi64=1,2,3,4", "", 0, "       3  8  hen\n       2  6  cow\n"},
		{self, "--top 1 --json 2x2xf32=1,2,3,4 zeros", "", 0, `"top":[{"index":3,"value":8,"class":"hen"}]`},
		{self, "zeros zeros -o " + dir + "/out", "", 0, ""},
		{self, "--help", "", 0, "  b: i64[N]\ngives\n  y: f32[2,2]\n  s/0: i64[N]\nclasses\n  cat, dog, cow, hen\n"},
		{self, "--version", "", 0, "compiler: mlc "},
		{single, "-o - zeros", "", 0, "NUMPY"},
		{single, "-o " + dir + "/y.npy zeros", "", 0, ""},

		{self, "zeros", "", 2, `input "b": no value given, want i64[N]`},
		{self, "zeros zeros zeros", "", 2, "more values than inputs, which are a, b"},
		{self, "zeros zeros -o x.npy", "", 2, "name a folder"},
		{self, "zeros zeros --threads 0", "", 2, "--threads 0"},
		{self, "zeros zeros --nosuch", "", 2, "nosuch"},
		{single, "nothere", "", 2, "no such file, and no value"},
		{single, "nothere.npy", "", 3, "nothere.npy"},
		{single, "2xf32=1,2", "", 3, "have 2, want 3"},
		{single, "3xi64=1,2,3", "", 3, "i64"},
		{single, "", "[1,[2],3]", 3, "lists of unequal length or depth"},
		{single, "", "[[1,2,3],[],[]]", 3, "lists of unequal length or depth"},
		{single, "", "[1,2,3] 4", 3, "something follows the JSON value"},
		{single, file(t, "more.json", []byte("[1,2,3][4]")), "", 3, "something follows the JSON value"},
		{single, "", "[1,2,{}]", 3, "element 2: have an object, want a value of type f32"},
		{single, "", "{\"x\": [1,2,3]}]", 3, "something follows the JSON value"},
		{single, "", `{"z": [1,2,3]}`, 3, "the object has other keys"},
		{single, "", "[1,2", 3, `input "x"`},
		{single, "", "x", 3, `input "x"`},
		{single, dir, "", 2, "is a folder, want a file"},
		{single, file(t, "in.txt", nil), "", 4, "supported: .npy"},
		{single, "z=nothere.npy", "", 2, `no input "z" (inputs are x)`},
		{single, "-", "", 3, "standard input is empty"},
		{single, "", "", 3, "standard input is empty"},
		{single, "zeros -o " + dir + "/nosuch/y.npy", "", 2, "-o " + dir + "/nosuch/y.npy: no such file"},
		{single, kept + " -o " + kept, "", 2, "is an input, want another file"},
		{single, "x=" + kept + " -o " + kept, "", 2, "is an input, want another file"},
		{single, file(t, "short.raw", raw(1, 2)), "", 3, "8 raw bytes"},
	} {
		var out, errs bytes.Buffer
		rc := program.Run(c.self, strings.Fields(c.args), strings.NewReader(c.stdin), &out, &errs)
		have := out.String()
		if c.rc != 0 {
			have = errs.String()
		}
		if rc != c.rc || !strings.Contains(have, c.want) || c.rc != 0 && !strings.HasPrefix(have, "prog: ") {
			t.Errorf("%q %q: exit code %d, want %d; have\n%s%swant\n%s", c.args, c.stdin, rc, c.rc, &out, &errs, c.want)
		}
	}
	for _, f := range []string{"y.npy", "out/y.npy", "out/s_0.npy"} {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := tensor.ReadNPY(bytes.NewReader(b), 1<<20); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// full is an output that takes so many bytes.
type full int

func (f *full) Write(b []byte) (int, error) {
	if len(b) > int(*f) {
		return int(*f), errors.New("no space left")
	}
	*f -= full(len(b))
	return len(b), nil
}

// TestOutputLost: a result that could not be printed is an error in every form,
// however little of it was lost.
func TestOutputLost(t *testing.T) {
	self := executable(t, one)
	for _, args := range []string{"zeros", "zeros --json", "zeros --top 1", "zeros -o -", "--help", "--version"} {
		var out, errs bytes.Buffer
		if rc := program.Run(self, strings.Fields(args), nil, &out, &errs); rc != 0 {
			t.Fatal(args, rc, errs.String())
		}
		for _, room := range []full{0, full(out.Len() - 1)} {
			errs.Reset()
			if rc := program.Run(self, strings.Fields(args), nil, &room, &errs); rc != 2 || errs.String() != "prog: standard output: no space left\n" {
				t.Errorf("%s: exit code %d, %q", args, rc, errs.String())
			}
		}
	}
}

// TestClassesDamaged: names that are none are not taken for no names.
func TestClassesDamaged(t *testing.T) {
	var out, errs bytes.Buffer
	rc := program.Run(executable(t, strings.Replace(two, `[\"cat\"`, `[7`, 1)), []string{"zeros", "zeros"}, nil, &out, &errs)
	if rc != 3 || !strings.Contains(errs.String(), "metadata mlc.classes") {
		t.Errorf("exit code %d, %q", rc, errs.String())
	}
}

// TestDamage: a program that was stripped, cut or flipped says so, whichever
// byte it is; nothing runs on it.
func TestDamage(t *testing.T) {
	b, err := os.ReadFile(executable(t, one))
	if err != nil {
		t.Fatal(err)
	}
	run := func(b []byte) (int, string) {
		var out, errs bytes.Buffer
		rc := program.Run(file(t, "prog", b), []string{"zeros"}, nil, &out, &errs)
		return rc, errs.String()
	}
	for _, n := range []int{0, 1, 63, 64, program.Align, len(b) - 1} {
		want := "holds no model: it was stripped, or cut"
		if n == 0 {
			want = "have 0 bytes"
		}
		if rc, msg := run(b[:n]); rc != 3 || !strings.Contains(msg, want) {
			t.Errorf("the first %d bytes: exit code %d, %q", n, rc, msg)
		}
	}
	if rc, msg := run(append(bytes.Clone(b), 0)); rc != 3 || !strings.Contains(msg, "holds no model") {
		t.Errorf("a byte more: exit code %d, %q", rc, msg)
	}
	if rc, msg := run(b[1:]); rc != 3 || !strings.Contains(msg, "is damaged: have") {
		t.Errorf("a byte less before it: exit code %d, %q", rc, msg)
	}
	art := program.Align
	for at := art; at < len(b); at += 7 {
		c := bytes.Clone(b)
		c[at] ^= 4
		rc, msg := run(c)
		if rc == 0 { // zeros between the parts: only the digest tells
			var out, errs bytes.Buffer
			rc = program.Run(file(t, "prog", c), []string{"--version"}, nil, &out, &errs)
			if msg = errs.String(); rc == 0 && at >= len(b)-4 {
				continue // the last four bytes mean nothing
			}
		}
		if rc != 3 || !strings.Contains(msg, "damaged") && !strings.Contains(msg, "holds no model") && !strings.Contains(msg, "not an mlc artifact") && !strings.Contains(msg, "format version") {
			t.Errorf("byte %d of %d flipped: exit code %d, %q", at, len(b), rc, msg)
		}
	}
}

// grey sums up its pixels in the class high; frame finds one box in any picture;
// both take what the test of mlc run takes in testdata/script/picture.txt.
const (
	grey = `module "grey" opset {ai.onnx 28} meta "mlc.classes" = "[\"low\", \"high\"]"
func main(%image: u8[1,3,4]) -> (%y: f32[1,2]) {
	%f = Cast %image {to=1} : f32[1,3,4]
	%s = const i64[2] [1, 12]
	%r = Reshape %f, %s : f32[1,12]
	%w = const f32[12,2] [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
	%y = MatMul %r, %w : f32[1,2]
	return %y
}
`
	frame = `module "frame" opset {ai.onnx 28} meta "mlc.task" = "{\"detect\": {\"background\": 0, \"iou\": 0.4}, \"labels\": [\"none\", \"thing\"]}"
func main(%x: f32[1,4,4,3]) -> (%boxes: f32[1,2,4], %scores: f32[1,2,2]) {
	%k = const f32[1,2,4] [0.25, 0.25, 0.75, 2, 0.25, 0.25, 0.75, 1.5]
	%l = const f32[1,2,2] [0.25, 0.75, 0.4, 0.6]
	%z = const f32[] [0]
	%m = Mul %x, %z : f32[1,4,4,3]
	%t = ReduceSum %m {keepdims=0} : f32[]
	%boxes = Add %k, %t : f32[1,2,4]
	%scores = Add %l, %t : f32[1,2,2]
	return %boxes, %scores
}
`
)

// TestPictures: a model that takes pictures takes them as files and on standard
// input, beside tensors as before; others say that they do not.
func TestPictures(t *testing.T) {
	high, seer, plain := executable(t, grey), executable(t, frame), executable(t, one)
	p := image.NewGray(image.Rect(0, 0, 4, 3))
	for i := range p.Pix {
		p.Pix[i] = 10
	}
	var small, large, jpg bytes.Buffer
	for b, err := range map[*bytes.Buffer]error{&small: png.Encode(&small, p), &large: png.Encode(&large, image.NewGray(image.Rect(0, 0, 40, 20))), &jpg: jpeg.Encode(&jpg, p, nil)} {
		if err != nil || b.Len() == 0 {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"p.png": small.Bytes(), "L.PNG": large.Bytes(), "q.jpeg": jpg.Bytes(), "bad.jpg": jpg.Bytes()[:40], "no.png": []byte("GIF89a"), "x.raw": bytes.Repeat([]byte{10}, 12)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, c := range []struct {
		self  string
		args  string
		stdin string
		rc    int
		want  string // all of standard output, or within standard error where rc is not 0
	}{
		{high, "p.png", "", 0, "p.png: 4 x 3\n       1  120         high\n       0  0           low\n"},
		{high, "image=p.png --top 1 --threads 2", "", 0, "p.png: 4 x 3\n       1  120         high\n"},
		{high, "q.jpeg p.png --top 1", "", 0, "q.jpeg: 4 x 3\n       1  120         high\np.png: 4 x 3\n       1  120         high\n"},
		{high, "--top 1", small.String(), 0, "-: 4 x 3\n       1  120         high\n"},
		{high, "--top 1 -", jpg.String(), 0, "-: 4 x 3\n       1  120         high\n"},
		{high, "x.raw", "", 0, "y: f32[1,2] = 0 120\n"},
		{high, "", "[[[1,2,3,4],[0,0,0,0],[0,0,0,0]]]", 0, "y: f32[1,2] = 0 10\n"},
		{seer, "L.PNG", "", 0, "L.PNG: 40 x 20, 1 found\n       1  0.75        thing  10.0,5.0 to 30.0,20.0\n"},

		{high, "p.png x.raw", "", 2, "p.png: a picture beside other inputs"},
		{high, "p.png -o y.npy", "", 2, "what pictures show is printed"},
		{high, "nosuch.png", "", 2, "open nosuch.png: no such file"},
		{high, "bad.jpg", "", 3, "bad.jpg: the picture is damaged"},
		{high, "no.png", "", 3, "no.png: is no picture"},
		{high, "-", small.String()[:30], 3, "-: the picture is damaged"},
		{plain, "p.png", "", 4, "p.png: unsupported: pictures: have a model that takes f32[3] and says not how pictures become that"},
		{plain, "-", small.String(), 3, `input "x"`},
	} {
		var out, errs bytes.Buffer
		rc := program.Run(c.self, strings.Fields(c.args), strings.NewReader(c.stdin), &out, &errs)
		if rc != c.rc || rc == 0 && out.String() != c.want || rc != 0 && !strings.Contains(errs.String(), c.want) {
			t.Errorf("%q: exit code %d, want %d; have\n%s%swant\n%s", c.args, rc, c.rc, &out, &errs, c.want)
		}
		if rc == 0 && errs.Len() != 0 {
			t.Errorf("%q says %s", c.args, &errs)
		}
	}
	run := func(self string, args ...string) (string, string) {
		t.Helper()
		var out, errs bytes.Buffer
		if rc := program.Run(self, args, nil, &out, &errs); rc != 0 {
			t.Errorf("%q: exit code %d, %s", args, rc, &errs)
		}
		return out.String(), errs.String()
	}
	if out, errs := run(high, "--json", "L.PNG"); !strings.HasPrefix(out, `{"schema":"mlc.program/1","pictures":[{"file":"L.PNG","width":40,"height":20,"seconds":`) ||
		!strings.HasSuffix(out, `"classes":[{"index":0,"label":"low","score":0},{"index":1,"label":"high","score":0}]}]}`+"\n") ||
		errs != "prog: L.PNG: stretched from 40 x 20 to the model's 4 x 3 pixels\n" {
		t.Errorf("have %s%s", out, errs)
	}
	if out, _ := run(seer, "--json", "L.PNG"); !strings.Contains(out, `"boxes":[{"index":1,"label":"thing","score":0.75,"box":[10,5,30,20]}]`) {
		t.Errorf("have %s", out)
	}
	for self, want := range map[string]string{high: "brought to 4 x 3 pixels,\nand the classes", seer: "and the objects", plain: "usage: prog [x=]FILE [flags]\n\n"} {
		if out, _ := run(self, "--help"); !strings.Contains(out, want) || strings.Contains(out, "prog PICTURE... [flags]") != (self != plain) {
			t.Errorf("have %s", out)
		}
	}
	var out, errs bytes.Buffer
	if rc := program.Run(executable(t, strings.Replace(frame, "detect", "detekt", 1)), []string{"zeros"}, nil, &out, &errs); rc != 3 || !strings.Contains(errs.String(), "metadata mlc.task") {
		t.Errorf("a wrong task: exit code %d, %s", rc, &errs)
	}
}
