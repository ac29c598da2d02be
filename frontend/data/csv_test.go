package data_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mlc-go/mlc/frontend/data"
	"github.com/mlc-go/mlc/ir/diag"
	"github.com/mlc-go/mlc/ir/dtype"
	"github.com/mlc-go/mlc/ir/tensor"
)

// write makes a file in a fresh folder.
func write(t *testing.T, name, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// show gives all values of a field: numbers as float64, text as string.
func show(t *testing.T, d data.Dataset, name string) []any {
	t.Helper()
	i := data.Index(d, name)
	if i < 0 {
		t.Fatalf("no field %q in %v", name, d.Fields())
	}
	rows := make([]int, d.Len())
	for k := range rows {
		rows[k] = k
	}
	b, err := data.Read(d, rows...)
	if err != nil {
		t.Fatal(err)
	}
	var out []any
	if b[i].DType() == dtype.String {
		for _, s := range b[i].Strings() {
			out = append(out, s)
		}
		return out
	}
	for k := range b[i].Len() {
		if v := b[i].Float(k); math.IsNaN(v) {
			out = append(out, "NaN")
		} else {
			out = append(out, v)
		}
	}
	return out
}

// What each reading must come to is read off the text by hand.
func TestCSV(t *testing.T) {
	for _, c := range []struct {
		name, file, text, query string
		fields                  string // NAME:type[dims], * marks the target
		values                  map[string][]any
	}{
		{"numbers, the last column is the target", "a.csv", "x,y,z\n1,2.5,0\n-3e2,.5,1\n", "",
			"x:f32[1] y:f32[1] z:i64[]*", map[string][]any{"x": {1.0, -300.0}, "y": {2.5, 0.5}, "z": {0.0, 1.0}}},
		{"a target of broken numbers is a value", "a.csv", "x,y\n1,2\n2,2.5\n", "", "x:f32[1] y:f32[1]*", map[string][]any{"y": {2.0, 2.5}}},
		{"text target: classes in order", "a.csv", "x,y\n1,b\n2,a\n3,b\n", "", "x:f32[1] y:i64[]*", map[string][]any{"y": {1.0, 0.0, 1.0}}},
		{"target by name and by number", "a.csv", "y,x\n1,2\n0,3\n", "?target=y", "y:i64[]* x:f32[1]", map[string][]any{"y": {1.0, 0.0}}},
		{"target by number", "a.csv", "y,x\n1,2\n0,3\n", "?target=1", "y:i64[]* x:f32[1]", nil},
		{"no target", "a.csv", "y,x\n1,2\n", "?target=none", "y:f32[1] x:f32[1]", nil},
		{"no header", "a.csv", "1,2\n3,4\n", "?header=no", "c1:f32[1] c2:i64[]*", map[string][]any{"c1": {1.0, 3.0}}},
		{"scikit-learn's files", "iris.csv", "150,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n4.9,3.0,1.4,0.2,2\n", "?skip=1&header=no",
			"c1:f32[1] c2:f32[1] c3:f32[1] c4:f32[1] c5:i64[]*", map[string][]any{"c5": {0.0, 2.0}}},
		{"missing numbers are NaN", "a.csv", "x,y\n,0\nNA,1\n?,1\n7,0\n", "", "x:f32[1] y:i64[]*", map[string][]any{"x": {"NaN", "NaN", "NaN", 7.0}}},
		{"missing by own spelling", "a.csv", "x,y\n-,0\n7,0\n", "?missing=-", "x:f32[1] y:i64[]*", map[string][]any{"x": {"NaN", 7.0}}},
		{"text", "a.csv", "x,y\nred,0\n,1\nblue,1\n", "", "x:str[1] y:i64[]*", map[string][]any{"x": {"red", "", "blue"}}},
		{"numbers as text", "a.csv", "x,y\n10,0\n9,1\n", "?categorical=x", "x:str[1] y:i64[]*", map[string][]any{"x": {"10", "9"}}},
		{"classes that do not start at 0, by size", "a.csv", "x,y\n1,10\n2,9\n3,11\n", "?categorical=y", "x:f32[1] y:i64[]*", map[string][]any{"y": {1.0, 0.0, 2.0}}},
		{"drop", "a.csv", "id,x,y\na,1,0\nb,2,1\n", "?drop=id", "x:f32[1] y:i64[]*", nil},
		{"drop the last: the one before is the target", "a.csv", "x,y,id\n1,0,a\n2,1,b\n", "?drop=id", "x:f32[1] y:i64[]*", nil},
		{"quotes, blanks, a byte order mark, Windows line ends", "a.csv", "\ufeff\"x, of a\", y\r\n\"1\", 0\r\n2,1\r\n", "", "x, of a:f32[1] y:i64[]*", map[string][]any{"x, of a": {1.0, 2.0}}},
		{"blank lines are no rows", "a.csv", "x,y\n\n1,0\n\n2,1\n", "", "x:f32[1] y:i64[]*", map[string][]any{"x": {1.0, 2.0}}},
		{"semicolons", "a.csv", "x;y\n1;0\n", "?sep=;", "", nil}, // see below: ; cannot stand in a query
		{"semicolons, escaped", "a.csv", "x;y\n1;0\n", "?sep=%3B", "x:f32[1] y:i64[]*", nil},
		{"tabs by suffix", "a.tsv", "x\ty\n1\t0\n", "", "x:f32[1] y:i64[]*", nil},
		{"a column without a name", "a.csv", ",y\n1,0\n", "", "c1:f32[1] y:i64[]*", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := data.Open(write(t, c.file, c.text)+c.query, data.Options{})
			if c.fields == "" {
				if diag.KindOf(err) != diag.Usage {
					t.Fatalf("have %v, want a usage error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var fs []string
			for _, f := range d.Fields() {
				s := fmt.Sprintf("%s:%v%v", f.Name, f.DType, f.Dims)
				if f.Target {
					s += "*"
				}
				fs = append(fs, s)
			}
			if have := strings.Join(fs, " "); have != c.fields {
				t.Errorf("fields\n%s, want\n%s", have, c.fields)
			}
			for name, want := range c.values {
				if have := show(t, d, name); !reflect.DeepEqual(have, want) {
					t.Errorf("%s is %v, want %v", name, have, want)
				}
			}
		})
	}
}

func TestCSVFaults(t *testing.T) {
	for _, c := range []struct {
		name, text, query string
		kind              diag.Kind
		say               string
	}{
		{"ragged row", "x,y\n1,0\n\n1,2,3\n", "", diag.BadData, "a.csv: row 2 (line 4): ragged row: have 3 cells, want 2"},
		{"short row", "x,y\n1,0\n1\n", "", diag.BadData, "a.csv: row 2 (line 3): ragged row: have 1 cells, want 2"},
		{"ragged after skipped lines", "#\n#\n1,0\n1\n", "?skip=2&header=no", diag.BadData, "a.csv: row 2 (line 4): ragged row: have 1 cells, want 2"},
		{"bad number", "x,y\n1,0\n2,1\nabc,1\n", "", diag.BadData, `a.csv: row 3 (line 4): column "x": "abc" is no number (categorical=x makes the column text, missing=abc a missing value)`},
		{"number too large", "x,y\n1,0\n2,1\n1e99,1\n", "", diag.BadData, `"1e99" is no number`},
		{"infinity", "x,y\n1,0\n2,1\ninf,1\n", "", diag.BadData, `"inf" is no number`},
		{"target missing", "x,y\n1,0\n2,\n", "", diag.BadData, `a.csv: row 2 (line 3): column "y": the target is missing`},
		{"two faults at once", "x,z,y\n1,1,0\n2,q,\n3,3,1\n", "", diag.BadData, "a.csv: row 2 (line 3): column \"z\": \"q\" is no number (categorical=z makes the column text, missing=q a missing value)\na.csv: row 2 (line 3): column \"y\": the target is missing"},
		{"empty file", "", "", diag.BadData, "a.csv: the data set is empty: no row of data"},
		{"header only", "x,y\n", "", diag.BadData, "a.csv: the data set is empty: no row of data"},
		{"skips everything", "x,y\n1,2\n", "?skip=9", diag.BadData, "a.csv: the data set is empty: no row of data"},
		{"open quote", "x,y\n\"1,0\n", "", diag.BadData, "a.csv: line 2: extraneous or missing \" in quoted-field"},
		{"twice the same name", "x,x\n1,0\n", "", diag.BadData, `a.csv: line 1: columns 1 and 2 are both named "x"`},
		{"unknown target", "x,y\n1,0\n", "?target=z", diag.Usage, "data option target=z: a.csv has no such column (have x, y)"},
		{"target number out of range", "x,y\n1,0\n", "?target=3", diag.Usage, "data option target=3: a.csv has no such column (have x, y)"},
		{"unknown option", "x,y\n1,0\n", "?tagret=y", diag.Usage, `data option "tagret": unknown (have target, header, skip, sep, missing, categorical, drop)`},
		{"option twice", "x,y\n1,0\n", "?target=y&target=x", diag.Usage, "target is given twice"},
		{"header", "x,y\n1,0\n", "?header=maybe", diag.Usage, "data option header=maybe: want yes or no"},
		{"skip", "x,y\n1,0\n", "?skip=-1", diag.Usage, "data option skip=-1: want a number of lines"},
		{"nothing left", "x,y\n1,0\n", "?drop=x,y", diag.BadData, "a.csv: no column is left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := data.Open(write(t, "a.csv", c.text)+c.query, data.Options{})
			if err == nil {
				t.Fatal("no error")
			}
			if diag.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.say) {
				t.Errorf("have %v: %v, want %v: %s", diag.KindOf(err), err, c.kind, c.say)
			}
		})
	}
}

// A data set that is read says where a sample came from.
func TestCSVWhere(t *testing.T) {
	d, err := data.Open(write(t, "a.csv", "x,y\n1,0\n\n2,3\n"), data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = data.CheckLabels(d, 2)
	if have, want := errText(err), `a.csv: row 2 (line 4): label "y": have 3, want 0..1`; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	if err := data.CheckLabels(d, 4); err != nil {
		t.Error(err)
	}
}

func errText(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// Whatever the bytes, ReadCSV gives a consistent data set or an error of kind
// BadData.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"x,y\n1,0\n2,1\n", "a;b\n\"q\"\"\";2\n", "1,2\n3\n", "\ufeffx\n\n\n1", ",,\n1,NA,b\n", "x,y\n1e400,1\n"} {
		f.Add([]byte(s), false, uint8(0))
		f.Add([]byte(s), true, uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, noHeader bool, skip uint8) {
		d, err := data.ReadCSV(strings.NewReader(string(b)), "f.csv", data.CSVOptions{NoHeader: noHeader, Skip: int(skip % 4)})
		if err != nil {
			if diag.KindOf(err) != diag.BadData {
				t.Fatalf("%v: %v", diag.KindOf(err), err)
			}
			return
		}
		rows := make([]int, d.Len())
		for i := range rows {
			rows[i] = i
			d.Where(i)
		}
		batch, err := data.Read(d, rows...)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range batch {
			fd := d.Fields()[i]
			if c.Dim(0) != d.Len() {
				t.Fatalf("field %d of %v in %d rows", i, c.Dims(), d.Len())
			}
			if fd.IsLabel() && fd.Classes != nil {
				for _, v := range tensor.Slice[int64](&c) {
					if v < 0 || int(v) >= len(fd.Classes) {
						t.Fatalf("label %d of %d classes", v, len(fd.Classes))
					}
				}
			}
		}
		if _, err := data.Inspect(d); err != nil {
			t.Fatal(err)
		}
		if _, err := data.Fit(d, data.FitOptions{}); err != nil && diag.KindOf(err) != diag.BadData {
			t.Fatalf("%v: %v", diag.KindOf(err), err)
		}
	})
}
