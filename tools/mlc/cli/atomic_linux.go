package cli

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// unnamedFile opens a file without a name in dir; publish gives it one,
// replacing what is there. Error: the file system has no such files, or there is
// no /proc (as in a chroot) to name one through.
func unnamedFile(dir string) (*os.File, func(path string) error, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, nil, err
	}
	f := os.NewFile(uintptr(fd), dir+"/(unnamed)")
	self := fmt.Sprintf("/proc/self/fd/%d", fd)
	if _, err := os.Lstat(self); err != nil {
		f.Close()
		return nil, nil, err
	}
	publish := func(path string) error {
		link := func(to string) error {
			return unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, to, unix.AT_SYMLINK_FOLLOW)
		}
		if err := link(path); err != unix.EEXIST {
			return err
		}
		// linkat does not replace: link beside, then rename over.
		tmp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
		if err := link(tmp); err != nil {
			return err
		}
		if err := os.Rename(tmp, path); err != nil {
			os.Remove(tmp)
			return err
		}
		return nil
	}
	return f, publish, nil
}
