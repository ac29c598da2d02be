package mlc_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// documented are the packages whose every exported identifier has a comment and
// an example that runs; the others have an example of the package.
var documented = []string{".", "runtime", "codegen", "codegen/emit", "codegen/calib"}

// identifier is an exported name of a package.
type identifier struct {
	name   string // "Model.Run" of a method
	owner  string // the type that godoc lists it under, "" of variables and constants
	doc    bool
	listed bool // godoc shows examples of it: not so for variables and constants
}

// parseDir reads a package's files and its example files.
func parseDir(t *testing.T, dir string) (pkg, tests []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	for _, name := range names {
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			tests = append(tests, f)
		} else {
			pkg = append(pkg, f)
		}
	}
	return pkg, tests
}

// identifiers lists what a package exports, methods and interface methods too.
func identifiers(files []*ast.File) []identifier {
	var out []identifier
	for _, f := range files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				id := identifier{name: d.Name.Name, doc: d.Doc != nil, listed: true}
				if d.Recv != nil {
					id.owner = base(d.Recv.List[0].Type)
					id.name = id.owner + "." + id.name
				} else if r := d.Type.Results; r != nil {
					id.owner = base(r.List[0].Type)
				}
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(id.owner)) {
					out = append(out, id)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					out = append(out, ofSpec(d, s)...)
				}
			}
		}
	}
	return out
}

func ofSpec(d *ast.GenDecl, s ast.Spec) (out []identifier) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return nil
		}
		out = append(out, identifier{name: s.Name.Name, owner: s.Name.Name, doc: d.Doc != nil || s.Doc != nil || s.Comment != nil, listed: true})
		if it, ok := s.Type.(*ast.InterfaceType); ok {
			for _, m := range it.Methods.List {
				for _, n := range m.Names {
					out = append(out, identifier{s.Name.Name + "." + n.Name, s.Name.Name, m.Doc != nil || m.Comment != nil, true})
				}
			}
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if n.IsExported() {
				out = append(out, identifier{name: n.Name, doc: d.Doc != nil || s.Doc != nil || s.Comment != nil})
			}
		}
	}
	return out
}

// base is the name of the type that an expression is of or points to.
func base(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return base(e.X)
	case *ast.IndexExpr:
		return base(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// uses are the names after a dot in a function and in the functions of the same
// files that it calls.
func uses(f *ast.FuncDecl, all map[string]*ast.FuncDecl) map[string]bool {
	out, seen := map[string]bool{}, map[string]bool{}
	var walk func(*ast.FuncDecl)
	walk = func(f *ast.FuncDecl) {
		seen[f.Name.Name] = true
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				out[n.Sel.Name] = true
			case *ast.Ident:
				if g := all[n.Name]; g != nil && !seen[n.Name] {
					walk(g)
				}
			}
			return true
		})
	}
	walk(f)
	return out
}

// TestExamples: every exported identifier has a comment, and an example whose
// output is checked uses it: one that is named after it or after the type that
// godoc lists it under; for variables and constants, any of the package.
func TestExamples(t *testing.T) {
	for _, dir := range documented {
		pkg, tests := parseDir(t, dir)
		funcs, used := map[string]*ast.FuncDecl{}, map[string]map[string]bool{}
		for _, f := range tests {
			for _, d := range f.Decls {
				if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil {
					funcs[d.Name.Name] = d
				}
			}
		}
		for _, e := range doc.Examples(tests...) {
			if e.Output == "" && !e.EmptyOutput {
				t.Errorf("%s: Example%s checks no output: it does not run", dir, e.Name)
				continue
			}
			used[e.Name] = uses(funcs["Example"+e.Name], funcs)
		}
		names := slices.Sorted(maps.Keys(used))
		for _, id := range identifiers(pkg) {
			if !id.doc {
				t.Errorf("%s: %s has no comment", dir, id.name)
			}
			at := slices.IndexFunc(names, func(e string) bool { return shows(e, used[e], id) })
			if at < 0 {
				t.Errorf("%s: no example of %s: write Example%s", dir, id.name, strings.ReplaceAll(id.name, ".", "_"))
			}
		}
	}
	for _, dir := range []string{"codegen/tflite", "codegen/gosrc", "codegen/exe"} {
		_, tests := parseDir(t, dir)
		if !slices.ContainsFunc(doc.Examples(tests...), func(e *doc.Example) bool { return e.Output != "" }) {
			t.Errorf("%s: no example that runs", dir)
		}
	}
}

// shows says whether the example of this name, which uses these names, is one
// of id.
func shows(example string, uses map[string]bool, id identifier) bool {
	own := strings.ReplaceAll(id.name, ".", "_")
	short := id.name[strings.Index(id.name, ".")+1:]
	of := func(name string) bool {
		rest, ok := strings.CutPrefix(example, name)
		return name != "" && ok && (rest == "" || rest[0] == '_')
	}
	if id.name == id.owner && of(own) {
		return true // vet has seen that there is such a type
	}
	return uses[short] && (of(own) || of(id.owner) || !id.listed)
}

// TestNoExample: the rule above sees what is missing.
func TestNoExample(t *testing.T) {
	src := `package p

type T struct{}

func (T) Quiet() {}

// New is T.
func New() *T { return nil }

const C = 1
`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var undocumented, covered []string
	for _, id := range identifiers([]*ast.File{f}) {
		if !id.doc {
			undocumented = append(undocumented, id.name)
		}
		if shows("T_Quiet", map[string]bool{"New": true, "Quiet": true}, id) {
			covered = append(covered, id.name)
		}
	}
	if have := strings.Join(undocumented, " "); have != "T T.Quiet C" {
		t.Errorf("without a comment: %s", have)
	}
	if have := strings.Join(covered, " "); have != "T T.Quiet New" {
		t.Errorf("shown by ExampleT_Quiet: %s", have)
	}
}
