package data

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// maxBytes bounds what one data set may hold in memory.
const maxBytes int64 = 8 << 30

// Forms is what Open takes, for messages and help.
const Forms = "FILE.csv[?target=NAME&header=no&skip=LINES&...], idx:IMAGES,LABELS, npz:FILE[?target=NAME], a folder of test_data_set_*, random:N"

// Options say what Open cannot see in the data.
type Options struct {
	Seed   uint64  // of random:N
	Fields []Field // of random:N: what the model takes; classes of integer targets by the number of Classes
}

// Open reads a data set. The forms are
//
//	FILE.csv[.gz]?KEY=VALUE&...   see CSVOptions for the keys
//	idx:IMAGES,LABELS             uint8 [h,w] pictures and their labels, plain or gz
//	npz:FILE[?target=NAME]        arrays whose first axes agree
//	FOLDER                        holding test_data_set_N/{input,output}_M.pb
//	random:N                      N samples of what Options.Fields tells
//
// Errors are of kind BadData for what is in the files and Usage for spec.
func Open(spec string, o Options) (Dataset, error) {
	kind, rest, has := strings.Cut(spec, ":")
	switch {
	case has && kind == "idx":
		images, labels, ok := strings.Cut(rest, ",")
		if !ok {
			return nil, diag.New(diag.Usage, "data %q: want idx:IMAGES,LABELS", spec)
		}
		return openIDX(images, labels)
	case has && kind == "npz":
		file, q, err := query(rest)
		if err != nil {
			return nil, err
		}
		return openNPZ(file, q)
	case has && kind == "random":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 {
			return nil, diag.New(diag.Usage, "data %q: want random:N with N at least 1", spec)
		}
		return Random(n, o.Seed, o.Fields)
	}
	file, q, err := query(spec)
	if err != nil {
		return nil, err
	}
	if st, err := os.Stat(file); err == nil && st.IsDir() {
		if len(q) > 0 {
			return nil, diag.New(diag.Usage, "data %q: a folder takes no options", spec)
		}
		return openSets(file)
	}
	switch strings.ToLower(filepath.Ext(strings.TrimSuffix(file, ".gz"))) {
	case ".csv", ".tsv", ".txt", ".data":
		return openCSV(file, q)
	}
	return nil, diag.New(diag.Usage, "data %q: unknown form (have %s)", spec, Forms)
}

// query parts FILE?KEY=VALUE&... A file whose name holds a question mark is
// taken as it is where it exists.
func query(s string) (file string, q url.Values, err error) {
	if _, err := os.Stat(s); err == nil {
		return s, nil, nil
	}
	file, raw, has := strings.Cut(s, "?")
	if !has {
		return s, nil, nil
	}
	if strings.Contains(raw, ";") {
		return "", nil, diag.New(diag.Usage, "data %q: a semicolon in an option is written %%3B", s)
	}
	if q, err = url.ParseQuery(raw); err != nil {
		return "", nil, diag.New(diag.Usage, "data %q: %v", s, err)
	}
	for k, v := range q {
		if len(v) > 1 {
			return "", nil, diag.New(diag.Usage, "data %q: %s is given twice", s, k)
		}
	}
	return file, q, nil
}

// unknownKey finds the first key, in order, that is not among known.
func unknownKey(q url.Values, known ...string) error {
	var keys []string
	for k := range q {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !slices.Contains(known, k) {
			return diag.New(diag.Usage, "data option %q: unknown (have %s)", k, strings.Join(known, ", "))
		}
	}
	return nil
}

// openFile opens a file, unpacked if it is gzip.
func openFile(file string) (io.ReadCloser, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, diag.In(file, diag.BadData, cause(err))
	}
	r := bufio.NewReaderSize(f, 1<<16)
	head, _ := r.Peek(2)
	if len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return &opened{r, f, nil}, nil
	}
	z, err := gzip.NewReader(r)
	if err != nil {
		f.Close()
		return nil, diag.In(file, diag.BadData, err)
	}
	return &opened{z, f, z}, nil
}

// cause drops the path that messages name already.
func cause(err error) error {
	if p, ok := err.(*os.PathError); ok {
		return p.Err
	}
	return err
}

type opened struct {
	io.Reader
	f *os.File
	z *gzip.Reader
}

func (o *opened) Close() error { return o.f.Close() }

// readAll reads a whole file, unpacked if it is gzip, up to maxBytes.
func readAll(file string) ([]byte, error) {
	r, err := openFile(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, diag.In(file, diag.BadData, cause(err))
	}
	if int64(len(b)) > maxBytes {
		return nil, diag.In(file, diag.Limit, fmt.Errorf("unpacks to more than %d bytes", maxBytes))
	}
	return b, nil
}
