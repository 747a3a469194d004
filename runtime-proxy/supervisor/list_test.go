package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestReadDirectoryFollowsLinks(t *testing.T) {
	root := writeTree(t, map[string]string{"d/b": "", "d/B": "", "d/sub/x": "", "file": ""})
	for name, target := range map[string]string{"d/a-link": "sub", "d/c-link": "../file", "d/z-broken": "nowhere", "to-d": "d"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []directoryEntry{{"B", false}, {"a-link", true}, {"b", false}, {"c-link", false}, {"sub", true}, {"z-broken", false}}
	for _, path := range []string{"d", "to-d", "d/"} {
		if got := readDirectory(filepath.Join(root, path)); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{filepath.Join(root, "none"), filepath.Join(root, "file"), filepath.Join(root, "fifo"), "", "a\x00b"} {
		if got := readDirectory(path); got == nil || len(got) != 0 {
			t.Errorf("%q: got %v, want no entries", path, got)
		}
	}
}

func TestReadDirectoryFitsInAFrame(t *testing.T) {
	root := t.TempDir()
	for i := range maxListedEntries + 10 {
		// A byte that has to be escaped, 240 times.
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("%05d", i)+strings.Repeat("\x01", 240)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listed := readDirectory(root)
	body, err := json.Marshal(directoryListing{ID: "9007199254740991", Entries: listed})
	if err != nil || 1+len(body) > maxFrameBytes {
		t.Errorf("%d bytes for %d entries, %v", len(body), len(listed), err)
	}
	if len(listed) < 600 || !strings.HasPrefix(listed[len(listed)-1].Name, fmt.Sprintf("%05d", len(listed)-1)) {
		t.Errorf("%d entries, not the first", len(listed))
	}
}

func TestReadDirectoryIsBounded(t *testing.T) {
	root := t.TempDir()
	for i := range maxListedEntries + 10 {
		if err := os.WriteFile(filepath.Join(root, fmt.Sprintf("%05d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if listed := readDirectory(root); len(listed) != maxListedEntries || listed[maxListedEntries-1].Name != "04095" {
		t.Errorf("%d entries", len(listed))
	}
}
