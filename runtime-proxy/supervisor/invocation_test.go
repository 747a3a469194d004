package main

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// bed is a supervisor with an agent and a process that are this test.
type bed struct {
	s         *supervisor
	agent     int
	stdout    int
	telemetry int
	scratch   []byte
}

func layBed(t testing.TB) *bed {
	t.Helper()
	sockets, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	null, err := syscall.Open("/dev/null", syscall.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	wake, err := wakeOnChildren()
	if err != nil {
		t.Fatal(err)
	}
	own, child, err := openOutput(true)
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{socket: sockets[0], wake: wake, console: console{fd: null}, cgroup: findCgroup("")}
	s.processes = []*process{{number: 1, running: true, pipes: own}}
	t.Cleanup(func() {
		own.close()
		child.close()
		for _, fd := range []int{sockets[0], sockets[1], null} {
			syscall.Close(fd)
		}
	})
	return &bed{s: s, agent: sockets[1], stdout: child[0].fd, telemetry: child[2].fd, scratch: make([]byte, 64<<10)}
}

// turn is one turn of the loop of run.
func (b *bed) turn(t testing.TB) {
	b.s.out.send(b.s.socket)
	if err := b.s.wait(); err != nil {
		t.Fatal(err)
	}
	if err := b.s.handleReady(); err != nil {
		t.Fatal(err)
	}
	b.s.out.send(b.s.socket)
}

var (
	logLine    = bytes.Repeat([]byte("y"), 200)
	logRecord  = []byte(record(textWithTime, strings.Repeat("z", 200)))
	startFrame = frameOf(kindWrite, []byte("START RequestId: x Version: $LATEST\n"))
	endFrames  = slices.Concat(
		frameOf(kindFlush, []byte(`{"id":123456}`)),
		frameOf(kindWrite, []byte("END RequestId: x\nREPORT RequestId: x\n")),
	)
)

// invoke does what an invocation asks of a supervisor (but stop and go on, whose cost outside process 1 is a look at /proc).
func (b *bed) invoke(t testing.TB) {
	_, _ = write(b.agent, startFrame)
	b.turn(t)
	_, _ = write(b.stdout, logLine)
	_, _ = write(b.telemetry, logRecord)
	b.turn(t)
	_, _ = write(b.agent, endFrames)
	b.turn(t)
	_, _ = read(b.agent, b.scratch)
}

func TestInvocationAllocatesNothing(t *testing.T) {
	b := layBed(t)
	if allocations := testing.AllocsPerRun(500, func() { b.invoke(t) }); allocations != 0 {
		t.Errorf("%v allocations an invocation", allocations)
	}
}

func BenchmarkInvocation(b *testing.B) {
	bed := layBed(b)
	b.ReportAllocs()
	for b.Loop() {
		bed.invoke(b)
	}
}

func TestAnswersAreWrittenAsJSON(t *testing.T) {
	b := layBed(t)
	b.s.out.addFlush([]byte("17"), memoryReading{PeakBytes: 1<<64 - 1, CurrentBytes: 0})
	want := frameOf('F', []byte(`{"id":17,"peakBytes":18446744073709551615,"currentBytes":0}`))
	if !bytes.Equal(b.s.out.buf, want) {
		t.Errorf("got %q, want %q", b.s.out.buf, want)
	}
}

func TestParseFlush(t *testing.T) {
	cases := map[string]struct {
		payload, id string
		isWrong     bool
	}{
		"as agents write it": {payload: `{"id":1}`, id: "1"},
		"many digits":        {payload: `{"id":9007199254740991}`, id: "9007199254740991"},
		"with spaces":        {payload: `{ "id" : 7 }`, id: "7"},
		"more members":       {payload: `{"id":7,"x":{}}`, id: "7"},
		"zero":               {payload: `{"id":0}`, id: "0"},
		"a text":             {payload: `{"id":"x"}`, isWrong: true},
		"no id":              {payload: `{}`, isWrong: true},
		"a number cut":       {payload: `{"id":}`, isWrong: true},
		"two zeros":          {payload: `{"id":00}`, isWrong: true},
		"no object":          {payload: `[1]`, isWrong: true},
	}
	for title, c := range cases {
		if id, err := parseFlush([]byte(c.payload)); string(id) != c.id || (err != nil) != c.isWrong {
			t.Errorf("%s: got %q, %v", title, id, err)
		}
	}
}

func TestWhatTheAgentSentFirstIsWrittenFirst(t *testing.T) {
	b := layBed(t)
	var log [2]int
	if err := syscall.Pipe2(log[:], syscall.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		syscall.Close(log[0])
		syscall.Close(log[1])
	})
	b.s.console.fd = log[1]
	_, _ = write(b.agent, startFrame)
	_, _ = write(b.stdout, logLine)
	b.turn(t)
	written := make([]byte, 1000)
	n, _ := read(log[0], written)
	if want := "START RequestId: x Version: $LATEST\n" + string(logLine); string(written[:n]) != want {
		t.Errorf("the log has %q", written[:n])
	}
}
