package main

import (
	"bytes"
	"encoding/binary"
	"strings"
	"syscall"
	"testing"
)

func socketPair(t *testing.T) (int, int) {
	t.Helper()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(ends[0]); syscall.Close(ends[1]) })
	return ends[0], ends[1]
}

func frameOf(kind byte, payload []byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)))
	return append(append(frame, kind), payload...)
}

// receive feeds the stream in pieces and collects the frames.
func receive(t *testing.T, stream []byte, piece int) ([]string, error) {
	t.Helper()
	ours, theirs := socketPair(t)
	var in inbox
	var got []string
	for len(stream) > 0 {
		n := min(piece, len(stream))
		if written, err := write(theirs, stream[:n]); err != nil || written != n {
			t.Fatalf("write: %d, %v", written, err)
		}
		stream = stream[n:]
		for {
			kind, payload, ok, err := in.next()
			if err != nil {
				return got, err
			}
			if ok {
				got = append(got, string(kind)+string(payload))
				continue
			}
			more, err := in.fill(ours)
			if err != nil {
				return got, err
			}
			if !more {
				break
			}
		}
	}
	return got, nil
}

func TestInboxCutsAStreamIntoFrames(t *testing.T) {
	large := bytes.Repeat([]byte("x"), maxFrameBytes-1)
	stream := bytes.Join([][]byte{frameOf('A', nil), frameOf('W', large), frameOf('B', []byte("{}")), frameOf('W', large[:70_000])}, nil)
	want := []string{"A", "W" + string(large), "B{}", "W" + string(large[:70_000])}
	for _, piece := range []int{1000, 64 << 10, 100_000} {
		got, err := receive(t, stream, piece)
		if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("pieces of %d: %d frames, %v", piece, len(got), err)
		}
	}
	small := bytes.Join([][]byte{frameOf('A', nil), frameOf('B', []byte("{}"))}, nil)
	for piece := 1; piece <= len(small); piece++ {
		if got, err := receive(t, small, piece); err != nil || strings.Join(got, "|") != "A|B{}" {
			t.Errorf("pieces of %d: %q, %v", piece, got, err)
		}
	}
}

func TestInboxRefusesLengthsOutOfBounds(t *testing.T) {
	for _, length := range []uint32{0, maxFrameBytes + 1, 1 << 31} {
		if _, err := receive(t, binary.BigEndian.AppendUint32(nil, length), 4); err == nil {
			t.Errorf("a frame of %d bytes was taken", length)
		}
	}
}

func TestInboxTellsTheEnd(t *testing.T) {
	ours, theirs := socketPair(t)
	_ = syscall.Shutdown(theirs, syscall.SHUT_WR)
	var in inbox
	if _, err := in.fill(ours); err != errConnectionEnded {
		t.Errorf("err = %v", err)
	}
}

func TestOutboxKeepsOrderWhileTheSocketIsFull(t *testing.T) {
	ours, theirs := socketPair(t)
	var out outbox
	var want, got []byte
	buf := make([]byte, 8192)
	for i := range 2000 {
		n := 1 + i*37%5000
		frame := out.room(n)
		for j := range frame {
			frame[j] = byte(i + j)
		}
		want = append(want, frame...)
		out.commit(n)
		out.send(ours)
		if i%3 == 0 {
			if n, err := read(theirs, buf); err == nil {
				got = append(got, buf[:n]...)
			}
		}
	}
	for out.pending() > 0 || len(got) < len(want) {
		n, err := read(theirs, buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
		out.send(ours)
	}
	if !bytes.Equal(got, want) {
		t.Error("what came is not what was sent")
	}
}

func TestOutboxForgetsWhatABrokenSocketCannotTake(t *testing.T) {
	ours, theirs := socketPair(t)
	syscall.Shutdown(theirs, syscall.SHUT_RDWR)
	var out outbox
	copy(out.room(3), "abc")
	out.commit(3)
	out.send(ours)
	out.room(3)
	out.commit(3)
	if out.pending() != 0 || !out.broken {
		t.Errorf("pending %d, broken %v", out.pending(), out.broken)
	}
}

func TestOutputPathAllocatesNothing(t *testing.T) {
	ours, theirs := socketPair(t)
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	null, err := syscall.Open("/dev/null", syscall.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{socket: ours, console: console{fd: null}, cgroup: &cgroup{version: "none"}}
	p := &process{number: 1, running: true, pipes: pipes{{ends[0], streamStdout}, {-1, streamStderr}, {-1, streamTelemetry}}}
	line := bytes.Repeat([]byte("y"), 4096)
	sink := make([]byte, 64<<10)
	allocations := testing.AllocsPerRun(200, func() {
		_, _ = write(ends[1], line)
		s.copyOutput(p, &p.pipes[0], maxOutputBytes)
		s.out.send(s.socket)
		_, _ = read(theirs, sink)
	})
	if allocations != 0 {
		t.Errorf("%v allocations a read", allocations)
	}
}

func TestConsoleKeepsWhatItsReaderDoesNotTake(t *testing.T) {
	ours, theirs := socketPair(t)
	c := console{fd: ours}
	text := bytes.Repeat([]byte("0123456789"), 100_000)
	c.write(text)
	if !c.blocked() {
		t.Fatal("a full socket took a million bytes")
	}
	var got []byte
	buf := make([]byte, 64<<10)
	for len(got) < len(text) {
		n, err := read(theirs, buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
		c.resume()
	}
	if !bytes.Equal(got, text) || c.blocked() {
		t.Error("what came is not what was written")
	}
}
