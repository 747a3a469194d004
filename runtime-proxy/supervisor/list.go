package main

import (
	"os"
	"path/filepath"
)

const (
	maxListedEntries = 4096
	// maxListedBytes keeps a listing within a frame, however its names have to be escaped (six bytes for one at worst).
	maxListedBytes = maxFrameBytes - 1024
	maxEscapedByte = 6
	entryBytes     = 40
)

// readDirectory lists a directory in byte order of names, as much of it as an answer may hold. What is no directory, or not to be
// read, has no entries. A link counts as what it leads to.
func readDirectory(path string) []directoryEntry {
	listed := []directoryEntry{}
	if !isDirectory(path) {
		return listed
	}
	// What could be read before an error counts.
	entries, _ := os.ReadDir(path)
	left := maxListedBytes
	for _, entry := range entries[:min(len(entries), maxListedEntries)] {
		left -= entryBytes + maxEscapedByte*len(entry.Name())
		if left < 0 {
			break
		}
		leadsToDirectory := entry.IsDir() || (entry.Type()&os.ModeSymlink != 0 && isDirectory(filepath.Join(path, entry.Name())))
		listed = append(listed, directoryEntry{Name: entry.Name(), IsDirectory: leadsToDirectory})
	}
	return listed
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
