package data

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mlc-go/mlc/ir/diag"
)

// CSVOptions say how a CSV file is read. In a DATA argument they are the keys
// target, header, skip, sep, missing, categorical and drop.
type CSVOptions struct {
	Target      string   // name, or number from 1, of the column to predict; "": the last; "none": no target
	NoHeader    bool     // header=no: the first row is data; columns are named c1, c2, ...
	Skip        int      // lines to pass over at the start
	Sep         rune     // between cells; 0: a comma, in .tsv files a tab
	Missing     []string // texts that stand for a missing value, beside the empty cell; nil: NA, N/A, NaN, null, ?
	Categorical []string // columns taken as text even where they hold numbers; the target: classes by name
	Drop        []string // columns left out
}

// defaultMissing are the usual spellings of a missing value.
var defaultMissing = []string{"NA", "N/A", "NaN", "nan", "null", "NULL", "?"}

func parseCSVOptions(file string, q url.Values) (o CSVOptions, err error) {
	if err := unknownKey(q, "target", "header", "skip", "sep", "missing", "categorical", "drop"); err != nil {
		return o, err
	}
	o.Target = q.Get("target")
	switch h := q.Get("header"); h {
	case "", "yes":
	case "no":
		o.NoHeader = true
	default:
		return o, diag.New(diag.Usage, "data option header=%s: want yes or no", h)
	}
	if s := q.Get("skip"); s != "" {
		if o.Skip, err = strconv.Atoi(s); err != nil || o.Skip < 0 {
			return o, diag.New(diag.Usage, "data option skip=%s: want a number of lines", s)
		}
	}
	if strings.HasSuffix(strings.TrimSuffix(file, ".gz"), ".tsv") {
		o.Sep = '\t'
	}
	if s := q.Get("sep"); s != "" {
		r := []rune(s)
		switch {
		case s == "tab" || s == `\t`:
			o.Sep = '\t'
		case s == "space":
			o.Sep = ' '
		case len(r) == 1 && r[0] != '"' && r[0] != '\n' && r[0] != '\r' && r[0] != '\uFFFD':
			o.Sep = r[0]
		default:
			return o, diag.New(diag.Usage, "data option sep=%s: want one character, tab or space", s)
		}
	}
	if q.Has("missing") {
		o.Missing = strings.Split(q.Get("missing"), ",")
	}
	list := func(key string) []string {
		if q.Get(key) == "" {
			return nil
		}
		return strings.Split(q.Get(key), ",")
	}
	o.Categorical, o.Drop = list("categorical"), list("drop")
	return o, nil
}

func openCSV(file string, q url.Values) (Dataset, error) {
	o, err := parseCSVOptions(file, q)
	if err != nil {
		return nil, err
	}
	r, err := openFile(file)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return ReadCSV(r, filepath.Base(file), o)
}

// sheet is a CSV file as text, column by column.
type sheet struct {
	file  string
	names []string
	cells [][]string // [column][row]
	lines []int      // of each row, from 1
}

// where names a row: rows count from 1, the header aside, as people count.
func (s *sheet) where(row int) string {
	return fmt.Sprintf("%s: row %d (line %d)", s.file, row+1, s.lines[row])
}

// ReadCSV reads a table whose columns become fields: columns of numbers f32[1]
// with NaN where a value is missing, columns of text str[1] with "" where
// it is missing, the target i64[] where it is a class (text, or whole numbers),
// else f32[1]. A column holds numbers if most of its cells do: a cell that is
// none is an error then, which names row and column, as are ragged rows and
// targets that are missing.
func ReadCSV(r io.Reader, file string, o CSVOptions) (Dataset, error) {
	s, err := readSheet(r, file, o)
	if err != nil {
		return nil, err
	}
	return s.table(o)
}

func readSheet(r io.Reader, file string, o CSVOptions) (*sheet, error) {
	fail := func(format string, a ...any) error {
		return &diag.Error{Kind: diag.BadData, File: file, Err: fmt.Errorf(format, a...)}
	}
	limit := &io.LimitedReader{R: r, N: maxBytes + 1}
	b := bufio.NewReaderSize(limit, 1<<16)
	if head, _ := b.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		b.Discard(3)
	}
	for i := range o.Skip {
		if _, err := b.ReadSlice('\n'); err == bufio.ErrBufferFull {
			return nil, fail("line %d: too long", i+1)
		} else if err != nil && !errors.Is(err, io.EOF) {
			return nil, fail("%v", err)
		}
	}
	c := csv.NewReader(b)
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = true
	if o.Sep != 0 {
		c.Comma = o.Sep
	}
	s := &sheet{file: file}
	for {
		rec, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			var p *csv.ParseError
			if errors.As(err, &p) {
				return nil, fail("line %d: %v", p.Line+o.Skip, p.Err)
			}
			return nil, fail("%v", err)
		}
		line, _ := c.FieldPos(0)
		line += o.Skip
		for i := range rec {
			rec[i] = strings.TrimSpace(rec[i])
		}
		switch {
		case s.names == nil && o.NoHeader:
			for i := range rec {
				s.names = append(s.names, "c"+strconv.Itoa(i+1))
			}
			s.cells = make([][]string, len(rec))
		case s.names == nil:
			s.names = slices.Clone(rec)
			s.cells = make([][]string, len(rec))
			if err := s.checkNames(line); err != nil {
				return nil, err
			}
			continue
		}
		if len(rec) != len(s.names) {
			return nil, &diag.Error{Kind: diag.BadData, File: fmt.Sprintf("%s: row %d (line %d)", file, len(s.lines)+1, line), Port: "ragged row",
				Have: fmt.Sprintf("%d cells", len(rec)), Want: fmt.Sprint(len(s.names))}
		}
		s.lines = append(s.lines, line)
		for i, v := range rec {
			s.cells[i] = append(s.cells[i], v)
		}
	}
	if limit.N <= 0 {
		return nil, diag.In(file, diag.Limit, fmt.Errorf("unpacks to more than %d bytes", maxBytes))
	}
	if len(s.lines) == 0 {
		return nil, fail("the data set is empty: no row of data")
	}
	return s, nil
}

func (s *sheet) checkNames(line int) error {
	seen := map[string]int{}
	for i, n := range s.names {
		if n == "" {
			n = "c" + strconv.Itoa(i+1)
			s.names[i] = n
		}
		if j, ok := seen[n]; ok {
			return &diag.Error{Kind: diag.BadData, File: fmt.Sprintf("%s: line %d", s.file, line), Err: fmt.Errorf("columns %d and %d are both named %q", j+1, i+1, n)}
		}
		seen[n] = i
	}
	return nil
}

// column finds a column by name, or by its number from 1.
func (s *sheet) column(option, name string) (int, error) {
	if i := slices.Index(s.names, name); i >= 0 {
		return i, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(s.names) {
		return n - 1, nil
	}
	have := s.names
	more := ""
	if len(have) > 12 {
		have, more = have[:12], ", ..."
	}
	return 0, diag.New(diag.Usage, "data option %s=%s: %s has no such column (have %s%s)", option, name, s.file, strings.Join(have, ", "), more)
}
