package main

import "encoding/binary"

// Records of the runtime clients, framed, big-endian: uint32 type (0xa55a0000, bit 0 text, bit 1 a time is there, bits 2 to 4 level),
// uint32 length of the text, uint64 time in microseconds where bit 1 says so, text.

const (
	recordMagic     = 0xa55a0000
	recordMagicMask = 0xffffffe0
	recordHasTime   = 1 << 1
	recordHeadBytes = 8
	recordTimeBytes = 8
	// maxHeldRecordBytes: up to here a record goes to the log in one piece, a longer one as it comes.
	maxHeldRecordBytes = 256 << 10
	// maxRecordBytes: what says that it is longer is no record.
	maxRecordBytes = 16 << 20
)

// recordReader takes the texts out of a stream of records, each as lines that end. What is no record goes through as it is.
type recordReader struct {
	held []byte // not yet understood or not yet whole
	text []byte // what take returns
	// left is what is still to come of a record that is too long to be held.
	left     uint32
	lastByte byte // of that record's text until now
}

// take returns the text that is whole by now, valid until the next call.
func (r *recordReader) take(p []byte) []byte {
	r.text = r.text[:0]
	if cap(r.held)+cap(r.text) > 4*maxHeldRecordBytes && len(r.held) == 0 {
		r.held, r.text = nil, nil
	}
	r.held = append(r.held, p...)
	used := 0
	for used < len(r.held) {
		n := r.takeOne(r.held[used:])
		if n == 0 {
			break
		}
		used += n
	}
	r.held = r.held[:copy(r.held, r.held[used:])]
	return r.text
}

// takeOne takes a record, garbage, or a part of either from the front; it returns how much, 0 when more has to come first.
func (r *recordReader) takeOne(p []byte) int {
	if r.left > 0 {
		return r.takePart(p[:min(uint64(len(p)), uint64(r.left))])
	}
	if n := garbageBytes(p); n > 0 {
		r.text = append(r.text, p[:n]...)
		return n
	}
	head, length, ok := parseRecordHead(p)
	switch {
	case !ok:
		return 0
	case length > maxHeldRecordBytes:
		r.left, r.lastByte = length, '\n'
		return head
	case uint64(len(p)) < uint64(head)+uint64(length):
		return 0
	}
	r.text = append(r.text, p[head:head+int(length)]...)
	if length == 0 || r.text[len(r.text)-1] != '\n' {
		r.text = append(r.text, '\n')
	}
	return head + int(length)
}

func (r *recordReader) takePart(p []byte) int {
	r.text = append(r.text, p...)
	r.left -= uint32(len(p))
	r.lastByte = p[len(p)-1]
	if r.left == 0 && r.lastByte != '\n' {
		r.text = append(r.text, '\n')
	}
	return len(p)
}

// finish returns what the stream's end has cut off: of a record what there is of its text, as a line.
func (r *recordReader) finish() []byte {
	r.text = r.text[:0]
	head, _, isRecord := parseRecordHead(r.held)
	if isRecord {
		r.text = append(r.text, r.held[head:]...)
	} else {
		r.text = append(r.text, r.held...)
	}
	isCut := (isRecord && len(r.held) > head) || (r.left > 0 && r.lastByte != '\n')
	if isCut && (len(r.text) == 0 || r.text[len(r.text)-1] != '\n') {
		r.text = append(r.text, '\n')
	}
	r.held, r.left = nil, 0
	return r.text
}

// parseRecordHead reads the head of a record; ok is false when it is not one or not there whole.
func parseRecordHead(p []byte) (headBytes int, textBytes uint32, ok bool) {
	if len(p) < recordHeadBytes {
		return 0, 0, false
	}
	kind := binary.BigEndian.Uint32(p)
	headBytes = recordHeadBytes
	if kind&recordHasTime != 0 {
		headBytes += recordTimeBytes
	}
	return headBytes, binary.BigEndian.Uint32(p[4:]), mayBeginRecord(p) && len(p) >= headBytes
}

// garbageBytes counts what comes before the first place where a record may begin.
func garbageBytes(p []byte) int {
	for i := range p {
		if mayBeginRecord(p[i:]) {
			return i
		}
	}
	return len(p)
}

func mayBeginRecord(p []byte) bool {
	switch len(p) {
	case 1:
		return p[0] == recordMagic>>24
	case 2:
		return p[0] == recordMagic>>24 && p[1] == recordMagic>>16&0xff
	case 3:
		return p[0] == recordMagic>>24 && p[1] == recordMagic>>16&0xff && p[2] == 0
	}
	isRecord := binary.BigEndian.Uint32(p)&recordMagicMask == recordMagic
	return isRecord && (len(p) < recordHeadBytes || binary.BigEndian.Uint32(p[4:]) <= maxRecordBytes)
}
