package main

import (
	"bytes"
	"syscall"
)

// countFile is a file in which the kernel counts: one number, or lines of a word and a number. The zero value is none, and counts 0.
type countFile struct {
	fdPlusOne int
}

// openCount opens what is there; what is not counts 0.
func openCount(path string) countFile {
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return countFile{}
	}
	return countFile{fd + 1}
}

func (f countFile) isOpen() bool { return f.fdPlusOne > 0 }

// countFileBytes is more than any of the files has.
const countFileBytes = 1024

// read returns the number after key at the start of a line; with an empty key the first.
func (f countFile) read(key string) uint64 {
	if !f.isOpen() {
		return 0
	}
	var text [countFileBytes]byte
	n, err := syscall.Pread(f.fdPlusOne-1, text[:], 0)
	if err != nil {
		return 0
	}
	return numberAfter(text[:n], key)
}

func numberAfter(text []byte, key string) uint64 {
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		if len(line) > len(key) && string(line[:len(key)]) == key {
			return leadingNumber(line[len(key):])
		}
		text = rest
	}
	return 0
}

// leadingNumber is 0 for what is no number, or one that has no room.
func leadingNumber(text []byte) uint64 {
	var n uint64
	for _, digit := range text {
		if digit < '0' || digit > '9' {
			break
		}
		if n > (1<<64-1-9)/10 {
			return 0
		}
		n = 10*n + uint64(digit-'0')
	}
	return n
}
