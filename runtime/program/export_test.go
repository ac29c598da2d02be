package program

import "io"

// Run is Main for a program that lies in the file self.
func Run(self string, args []string, in io.Reader, out, errw io.Writer) int {
	a := &app{name: "prog", in: in, out: out, err: errw}
	return a.run(self, self, args)
}
