package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"syscall"
)

// Kinds of frames, bounds and their meaning: crds/wire/supervisor.ts.
const (
	kindStart   = 'S'
	kindSignal  = 'K'
	kindReset   = 'R'
	kindWrite   = 'W'
	kindFlush   = 'F'
	kindList    = 'L'
	kindStop    = 'Z'
	kindGoOn    = 'C'
	kindEnd     = 'E'
	kindHello   = 'H'
	kindProcess = 'P'
	kindOutput  = 'O'
	kindExit    = 'X'
	kindDone    = 'D'

	maxFrameBytes  = 1 << 20
	maxOutputBytes = 64 << 10

	lengthBytes     = 4
	outputHeadBytes = lengthBytes + 1 + 1 + 4
)

var errConnectionEnded = errors.New("the agent closed the connection")

// inbox cuts what the socket brings into frames. Its buffer grows to the frame at hand and shrinks after it.
type inbox struct {
	buf   []byte
	start int
	end   int
}

const inboxBytes = 64 << 10

// fill reads once. It reports false when there is nothing to read now.
func (in *inbox) fill(fd int) (bool, error) {
	in.makeRoom()
	n, err := read(fd, in.buf[in.end:])
	switch {
	case err == syscall.EAGAIN:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read from the agent: %w", err)
	case n == 0:
		return false, errConnectionEnded
	}
	in.end += n
	return true, nil
}

func (in *inbox) makeRoom() {
	held := in.end - in.start
	wanted := inboxBytes
	if held >= lengthBytes {
		wanted = max(wanted, lengthBytes+int(min(binary.BigEndian.Uint32(in.buf[in.start:]), maxFrameBytes)))
	}
	if len(in.buf) != wanted && held < wanted {
		grown := make([]byte, wanted)
		copy(grown, in.buf[in.start:in.end])
		in.buf = grown
	} else if in.start > 0 {
		copy(in.buf, in.buf[in.start:in.end])
	} else {
		return
	}
	in.start, in.end = 0, held
}

// next returns the next whole frame, valid until fill is called; ok is false when it has not come whole.
func (in *inbox) next() (kind byte, payload []byte, ok bool, err error) {
	held := in.buf[in.start:in.end]
	if len(held) < lengthBytes {
		return 0, nil, false, nil
	}
	length := binary.BigEndian.Uint32(held)
	if length == 0 || length > maxFrameBytes {
		return 0, nil, false, fmt.Errorf("a frame of the agent has %d bytes, right is 1 to %d", length, maxFrameBytes)
	}
	size := lengthBytes + int(length)
	if len(held) < size {
		return 0, nil, false, nil
	}
	in.start += size
	return held[lengthBytes], held[lengthBytes+1 : size], true, nil
}

// outbox holds what the socket has not taken yet, in one buffer that is used again.
type outbox struct {
	buf    []byte
	sent   int
	broken bool
}

func (out *outbox) pending() int { return len(out.buf) - out.sent }

// room is space for n bytes at the end, which append or commit makes part of the box.
func (out *outbox) room(n int) []byte {
	if cap(out.buf)-len(out.buf) < n && out.sent > 0 {
		out.buf = out.buf[:copy(out.buf, out.buf[out.sent:])]
		out.sent = 0
	}
	if cap(out.buf)-len(out.buf) < n {
		grown := make([]byte, len(out.buf), max(2*cap(out.buf), len(out.buf)+n))
		copy(grown, out.buf)
		out.buf = grown
	}
	return out.buf[len(out.buf) : len(out.buf)+n]
}

func (out *outbox) commit(n int) {
	if !out.broken {
		out.buf = out.buf[:len(out.buf)+n]
	}
}

func (out *outbox) addJSON(kind byte, payload any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode frame %q: %w", kind, err)
	}
	out.add(kind, body)
	return nil
}

func (out *outbox) add(kind byte, body []byte) {
	size := lengthBytes + 1 + len(body)
	frame := out.room(size)
	binary.BigEndian.PutUint32(frame, uint32(1+len(body)))
	frame[lengthBytes] = kind
	copy(frame[lengthBytes+1:], body)
	out.commit(size)
}

// addFlush answers what is asked at every invocation: written by hand, it allocates nothing.
func (out *outbox) addFlush(id []byte, memory memoryReading) {
	var scratch [128]byte
	body := append(scratch[:0], `{"id":`...)
	body = append(body, id...)
	body = append(body, `,"peakBytes":`...)
	body = strconv.AppendUint(body, memory.PeakBytes, 10)
	body = append(body, `,"currentBytes":`...)
	body = strconv.AppendUint(body, memory.CurrentBytes, 10)
	out.add(kindFlush, append(body, '}'))
}

// putOutputHead writes the head of an output frame before n bytes that frame[outputHeadBytes:] holds already.
func putOutputHead(frame []byte, stream byte, process uint32, n int) {
	binary.BigEndian.PutUint32(frame, uint32(outputHeadBytes-lengthBytes+n))
	frame[lengthBytes] = kindOutput
	frame[lengthBytes+1] = stream
	binary.BigEndian.PutUint32(frame[lengthBytes+2:], process)
}

// send gives the socket what it takes now. A broken socket takes everything: its end is seen by reading.
func (out *outbox) send(fd int) {
	for out.pending() > 0 {
		n, err := write(fd, out.buf[out.sent:])
		if err == syscall.EAGAIN {
			return
		}
		if err != nil {
			out.broken = true
			break
		}
		out.sent += n
	}
	out.buf, out.sent = out.buf[:0], 0
	if cap(out.buf) > 2*highWaterBytes {
		out.buf = nil
	}
}
