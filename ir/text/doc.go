// Package text reads and writes the .mir form of a Module, by the grammar in
// docs/mir.md. Printing is total (a module that is wrong prints too) and
// deterministic, and what is printed reads back: print, parse, print gives the
// same text. Parsing checks each node by inference as it goes, so that a fault
// is reported with its line. The package must not know an operator; the table
// is passed in.
//
//	m, err := text.Parse(src, "lenet.mir", op.Builtin(), text.Options{})
//	fmt.Print(text.String(m))
package text
