package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInstallsItselfWhereContainersStartIt(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "runtime")
	// As a run that was killed left it.
	if err := os.MkdirAll(filepath.Join(directory, ".supervisor"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := install(ownPath, []string{directory}); err != nil {
			t.Fatal(err)
		}
	}
	installed, err := os.Stat(filepath.Join(directory, "supervisor"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Stat(ownPath)
	if err != nil {
		t.Fatal(err)
	}
	if installed.Size() != own.Size() || installed.Mode().Perm() != 0o555 {
		t.Errorf("got %d bytes with mode %o, want %d with 555", installed.Size(), installed.Mode().Perm(), own.Size())
	}
	names, err := os.ReadDir(directory)
	if err != nil || len(names) != 1 {
		t.Errorf("got %v (%v), want the supervisor alone", names, err)
	}
}

func TestSaysWhereItCannotInstall(t *testing.T) {
	if err := install(ownPath, nil); err == nil || !strings.Contains(err.Error(), "no directory is named") {
		t.Errorf("got %v", err)
	}
	if err := install(ownPath, []string{"/proc/none"}); err == nil || !strings.Contains(err.Error(), `to "/proc/none"`) {
		t.Errorf("got %v", err)
	}
}
