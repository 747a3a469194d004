package main

import (
	"fmt"
	"syscall"
)

// highWaterBytes is how much may wait for the agent before processes are no longer read: they then block on full pipes.
const highWaterBytes = 256 << 10

// sampleMs is how often usage is read where the kernel keeps no peak.
const sampleMs = 250

// supervisor is one loop over the agent's socket, the processes' pipes and the news of ended children. Being one loop is what
// keeps the order of everything that is written.
type supervisor struct {
	socket  int
	wake    int // readable after a SIGCHLD
	in      inbox
	out     outbox
	console console
	cgroup  *cgroup
	ownEnv  []string
	isInit  bool

	processes []*process
	reaped    uint64 // children, ours and orphans
	polled    []pollFd
	sampling  bool
	ended     bool
}

// run serves the agent until it says end (nil) or is gone or talks nonsense (the reason).
func (s *supervisor) run() error {
	s.sampling = s.cgroup.needsSampling()
	if err := s.out.addJSON(kindHello, hello{Protocol: 1, Cgroup: s.cgroup.version}); err != nil {
		return err
	}
	for !s.ended {
		s.out.send(s.socket)
		if err := s.wait(); err != nil {
			return fmt.Errorf("wait for the agent: %w", err)
		}
		if err := s.handleReady(); err != nil {
			return err
		}
	}
	return nil
}

const (
	polledWake = iota
	polledSocket
	polledConsole
	polledPipes
)

// isFull is true while the agent or the log's reader is behind.
func (s *supervisor) isFull() bool { return s.out.pending() >= highWaterBytes || s.console.blocked() }

func (s *supervisor) wait() error {
	s.polled = append(s.polled[:0], pollFd{fd: int32(s.wake), events: pollIn}, pollFd{fd: int32(s.socket)}, pollFd{fd: -1})
	if s.out.pending() < highWaterBytes && len(s.console.waiting) < highWaterBytes {
		s.polled[polledSocket].events |= pollIn
	}
	if s.out.pending() > 0 {
		s.polled[polledSocket].events |= pollOut
	}
	if s.console.blocked() {
		s.polled[polledConsole] = pollFd{fd: int32(s.console.fd), events: pollOut}
	}
	if !s.isFull() {
		for _, p := range s.processes {
			for i := range p.pipes {
				s.polled = append(s.polled, pollFd{fd: int32(p.pipes[i].fd), events: pollIn})
			}
		}
	}
	timeoutMs := -1
	if s.sampling {
		timeoutMs = sampleMs
	}
	return poll(s.polled, timeoutMs)
}

func (s *supervisor) handleReady() error {
	if s.sampling {
		s.cgroup.memory()
	}
	if s.polled[polledConsole].revents != 0 {
		s.console.resume()
	}
	events := s.polled[polledSocket].events & s.polled[polledSocket].revents
	isGone := s.polled[polledSocket].revents&(pollHup|pollErr) != 0
	// What the agent sent before it handed out an event stands before what the runtime writes about it.
	if events&pollIn != 0 && !isGone {
		if err := s.readCommands(false); err != nil {
			return err
		}
	}
	s.readReadyPipes()
	if s.polled[polledWake].revents != 0 {
		s.reap()
	}
	if isGone {
		return s.readCommands(true)
	}
	return nil
}

func (s *supervisor) readReadyPipes() {
	if len(s.polled) == polledPipes {
		return
	}
	for _, p := range s.processes {
		for j := range p.pipes {
			if s.isReady(p.pipes[j].fd) {
				s.copyOutput(p, &p.pipes[j], maxOutputBytes)
			}
		}
	}
	s.forgetFinished()
}

// isReady looks for the descriptor itself: a command may have changed the processes since they were polled.
func (s *supervisor) isReady(fd int) bool {
	for _, polled := range s.polled[polledPipes:] {
		if polled.fd == int32(fd) {
			return polled.revents != 0
		}
	}
	return false
}

// copyOutput reads once, at most limit bytes, and passes on what it got. It returns how much that was; 0 when there is nothing now.
func (s *supervisor) copyOutput(p *process, from *pipe, limit int) int {
	limit = min(limit, maxOutputBytes)
	frame := s.out.room(outputHeadBytes + limit)
	n, err := read(from.fd, frame[outputHeadBytes:])
	if err == syscall.EAGAIN {
		return 0
	}
	if err != nil || n == 0 {
		s.closePipe(p, from)
		return 0
	}
	putOutputHead(frame, from.stream, p.number, n)
	if from.stream == streamTelemetry {
		s.console.write(p.records.take(frame[outputHeadBytes : outputHeadBytes+n]))
	} else {
		s.console.write(frame[outputHeadBytes : outputHeadBytes+n])
	}
	s.out.commit(outputHeadBytes + n)
	return n
}

// closePipe ends one output of a process. The log gets what a record lacked of its end.
func (s *supervisor) closePipe(p *process, from *pipe) {
	if from.fd >= 0 && from.stream == streamTelemetry {
		s.console.write(p.records.finish())
	}
	from.close()
}

// drain passes on what a process has written until now, and not what it goes on to write meanwhile.
func (s *supervisor) drain(p *process) {
	for i := range p.pipes {
		from := &p.pipes[i]
		if from.fd < 0 {
			continue
		}
		for left := readableBytes(from.fd); left > 0; {
			n := s.copyOutput(p, from, left)
			if n == 0 {
				break
			}
			left -= n
		}
	}
}

// reap takes every ended child, ours and orphans alike, and reports ours; a stopped one is none. It returns false when no child is
// left.
func (s *supervisor) reap() bool {
	clearWake(s.wake)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return false
		case pid == 0:
			return true
		default:
			s.reaped++
			s.reportExit(pid, status)
		}
	}
}

func (s *supervisor) reportExit(pid int, status syscall.WaitStatus) {
	for _, p := range s.processes {
		if p.pid == pid && p.running {
			p.running = false
			s.drain(p)
			// An exit holds nothing that cannot be encoded.
			_ = s.out.addJSON(kindExit, describeExit(p.number, status, s.isOutOfMemory(p, status)))
		}
	}
	s.forgetFinished()
}

// isOutOfMemory tells whether the kernel has taken the process, or a child of it, since it started. A kill that is plainly its own
// is not told again of the processes beside it.
func (s *supervisor) isOutOfMemory(p *process, status syscall.WaitStatus) bool {
	if s.cgroup.oomKills() <= p.oomKillsSeen {
		return false
	}
	if status.Signaled() && status.Signal() == syscall.SIGKILL && !p.killed {
		for _, other := range s.processes {
			other.oomKillsSeen++
		}
	}
	return true
}

// forgetFinished lets go of processes that have ended and whose output has.
func (s *supervisor) forgetFinished() {
	kept := s.processes[:0]
	for _, p := range s.processes {
		if p.running || p.pipes.isOpen() {
			kept = append(kept, p)
		}
	}
	clear(s.processes[len(kept):])
	s.processes = kept
}
