package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// installCommand makes `supervisor install <directory>…` put the program itself to where containers start it: what a pod without an
// init container has for that, as a hook of its agent's container.
const installCommand = "install"

// ownPath is this very program.
const ownPath = "/proc/self/exe"

func install(source string, directories []string) error {
	if len(directories) == 0 {
		return errors.New("Cannot install the supervisor: no directory is named, right is: supervisor install <directory>…")
	}
	for _, directory := range directories {
		if err := installTo(source, directory); err != nil {
			return fmt.Errorf("Cannot install the supervisor to %q: %w", directory, err)
		}
	}
	return nil
}

// installTo is safe to repeat, and nobody finds half of a file.
func installTo(source string, directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	temporary := filepath.Join(directory, ".supervisor")
	if err := os.RemoveAll(temporary); err != nil {
		return err
	}
	to, err := os.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o555)
	if err != nil {
		return err
	}
	_, copied := io.Copy(to, from)
	if err := errors.Join(copied, to.Chmod(0o555), to.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(directory, "supervisor"))
}
