package main

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"strings"
	"testing"
)

func record(kind uint32, text string) string {
	head := binary.BigEndian.AppendUint32(nil, kind)
	head = binary.BigEndian.AppendUint32(head, uint32(len(text)))
	if kind&recordHasTime != 0 {
		head = binary.BigEndian.AppendUint64(head, 1_700_000_000_000_000)
	}
	return string(head) + text
}

const textWithTime = 0xa55a0003

// textOf feeds the stream in pieces, ends it, and returns what the log shows.
func textOf(stream string, piece int) string {
	var r recordReader
	var text strings.Builder
	for len(stream) > 0 {
		n := min(piece, len(stream))
		text.Write(r.take([]byte(stream[:n])))
		stream = stream[n:]
	}
	text.Write(r.finish())
	return text.String()
}

func TestRecordsAreLinesOfTheLog(t *testing.T) {
	long := strings.Repeat("0123456789", 30_000)
	cases := map[string]struct{ stream, want string }{
		"telemetry-api 4: a text":       {record(textWithTime, "hello"), "hello\n"},
		"one that ends its line":        {record(textWithTime, "hello\n"), "hello\n"},
		"of many lines":                 {record(textWithTime, "Error: x\n  at a\n  at b"), "Error: x\n  at a\n  at b\n"},
		"an empty one":                  {record(textWithTime, ""), "\n"},
		"JSON with a level":             {record(0xa55a0012, `{"a":1}`), `{"a":1}` + "\n"},
		"without a time":                {record(0xa55a0001, "old"), "old\n"},
		"several":                       {record(textWithTime, "a") + record(0xa55a0000, "b") + record(0xa55a001f, "c"), "a\nb\nc\n"},
		"garbage before":                {"garbage\n" + record(textWithTime, "a"), "garbage\na\n"},
		"garbage between":               {record(textWithTime, "a") + "\x00\xa5x" + record(textWithTime, "b"), "a\n\x00\xa5xb\n"},
		"garbage that nearly is a head": {"\xa5\x5a\x00\x20" + record(textWithTime, "a"), "\xa5\x5a\x00\x20a\n"},
		"a length out of all bounds":    {"\xa5\x5a\x00\x03\xff\xff\xff\xff" + record(textWithTime, "a"), "\xa5\x5a\x00\x03\xff\xff\xff\xffa\n"},
		"nothing but garbage":           {"no record at all", "no record at all"},
		"a head that is cut":            {"\xa5\x5a\x00\x03\x00", "\xa5\x5a\x00\x03\x00"},
		"the beginning of a magic":      {"x\xa5\x5a", "x\xa5\x5a"},
		"a record that is cut":          {record(textWithTime, "hello")[:18], "he\n"},
		"a record cut after its head":   {record(textWithTime, "hello")[:16], ""},
		"one too long to be held":       {record(textWithTime, long) + record(textWithTime, "a"), long + "\na\n"},
		"a long one that ends its line": {record(textWithTime, long+"\n") + record(textWithTime, "a"), long + "\na\n"},
		"a long one that is cut":        {record(textWithTime, long)[:290_016], long[:290_000] + "\n"},
		"a long one cut after its head": {record(textWithTime, long)[:16], ""},
		"a head within a record":        {record(textWithTime, "a"+record(textWithTime, "b")), "a" + record(textWithTime, "b") + "\n"},
	}
	for title, c := range cases {
		for _, piece := range []int{1, 3, 17, 4096, 1 << 20} {
			if got := textOf(c.stream, piece); got != c.want {
				t.Errorf("%s, in pieces of %d: got %d bytes %.60q, want %d bytes %.60q", title, piece, len(got), got, len(c.want), c.want)
			}
		}
	}
}

func TestRecordsDoNotDependOnHowTheyAreCut(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for range 2000 {
		var stream strings.Builder
		for range random.Intn(6) {
			if random.Intn(3) == 0 {
				garbage := make([]byte, random.Intn(12))
				for i := range garbage {
					garbage[i] = "\xa5\x5a\x00\x03\n"[random.Intn(5)]
				}
				stream.Write(garbage)
			} else {
				stream.WriteString(record(recordMagic|uint32(random.Intn(32)), strings.Repeat("x", random.Intn(40))))
			}
		}
		whole := textOf(stream.String(), 1<<20)
		if cut := textOf(stream.String(), 1+random.Intn(9)); cut != whole {
			t.Fatalf("%q: cut %q, whole %q", stream.String(), cut, whole)
		}
	}
}

func TestRecordsHoldLittle(t *testing.T) {
	var r recordReader
	head := []byte(record(textWithTime, strings.Repeat("x", 4<<20)))
	for piece := range bytesOf(head, 64<<10) {
		r.take(piece)
		if cap(r.held)+cap(r.text) > 8*maxHeldRecordBytes {
			t.Fatalf("%d bytes are held", cap(r.held)+cap(r.text))
		}
	}
	// A record that never comes whole is held, and nothing more.
	r.take([]byte(record(textWithTime, strings.Repeat("x", maxHeldRecordBytes))[:100]))
	if len(r.held) != 100 {
		t.Errorf("%d bytes are held of 100", len(r.held))
	}
}

func bytesOf(p []byte, piece int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(p) > 0 {
			n := min(piece, len(p))
			if !yield(p[:n]) {
				return
			}
			p = p[n:]
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(record(textWithTime, "hello")), 3)
	f.Add([]byte("\xa5\x5a\x00\x03\x00\x00"), 1)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		whole := textOf(string(stream), len(stream)+1)
		if cut := textOf(string(stream), 1+min(max(piece, 0), 1<<16)); cut != whole {
			t.Errorf("cut %q, whole %q", cut, whole)
		}
		if len(whole) > 2*len(stream)+1 || (bytes.IndexByte(stream, 0xa5) < 0 && whole != string(stream)) {
			t.Errorf("%q became %q", stream, whole)
		}
	})
}
