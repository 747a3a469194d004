package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"
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
	if len(s.polled) > polledPipes {
		s.readReadyPipes()
	}
	if s.polled[polledWake].revents != 0 {
		s.reap()
	}
	if s.polled[polledSocket].revents&(pollIn|pollHup|pollErr) != 0 {
		return s.readCommands(s.polled[polledSocket].revents&(pollHup|pollErr) != 0)
	}
	return nil
}

func (s *supervisor) readReadyPipes() {
	for i, p := range s.processes {
		for j := range p.pipes {
			if s.polled[polledPipes+2*i+j].revents != 0 {
				s.copyOutput(p, &p.pipes[j], maxOutputBytes)
			}
		}
	}
	s.forgetFinished()
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
		from.close()
		return 0
	}
	putOutputHead(frame, from.stream, p.number, n)
	s.console.write(frame[outputHeadBytes : outputHeadBytes+n])
	s.out.commit(outputHeadBytes + n)
	return n
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

// reap takes every ended child, ours and orphans alike, and reports ours. It returns false when no child is left.
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
			_ = s.out.addJSON(kindExit, describeExit(p.number, status, s.cgroup.oomKills() > p.oomKillsSeen))
		}
	}
	s.forgetFinished()
}

// forgetFinished lets go of processes that have ended and whose output has.
func (s *supervisor) forgetFinished() {
	kept := s.processes[:0]
	for _, p := range s.processes {
		if p.running || p.isOpen() {
			kept = append(kept, p)
		}
	}
	clear(s.processes[len(kept):])
	s.processes = kept
}

// readCommands obeys until nothing is left to read or too much waits to be sent. An agent that is gone has sent its last words.
func (s *supervisor) readCommands(isGone bool) error {
	for !s.ended && (isGone || s.out.pending() < highWaterBytes) {
		kind, payload, ok, err := s.in.next()
		if err != nil {
			return err
		}
		if ok {
			if err := s.obey(kind, payload); err != nil {
				return err
			}
			continue
		}
		more, err := s.in.fill(s.socket)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *supervisor) obey(kind byte, payload []byte) error {
	switch kind {
	case kindStart:
		return s.start(payload)
	case kindSignal:
		return s.signal(payload)
	case kindReset:
		if err := parse(kind, payload, &struct{}{}); err != nil {
			return err
		}
		if err := s.killAll(time.Now().Add(killDeadline)); err != nil {
			return err
		}
		return s.out.addJSON(kindDone, struct{}{})
	case kindWrite:
		s.console.write(payload)
		return nil
	case kindFlush:
		return s.flush(payload)
	case kindMemory:
		if err := parse(kind, payload, &struct{}{}); err != nil {
			return err
		}
		return s.out.addJSON(kindMemory, s.cgroup.memory())
	case kindEnd:
		s.ended = true
		return nil
	}
	return fmt.Errorf("the agent sent a frame of unknown kind %q", kind)
}

func (s *supervisor) start(payload []byte) error {
	var request startProcess
	if err := parse(kindStart, payload, &request); err != nil {
		return err
	}
	if request.Process == nil {
		return errors.New("frame 'S' of the agent names no process number")
	}
	if s.find(*request.Process) != nil {
		return fmt.Errorf("the agent used process number %d twice", *request.Process)
	}
	answer := processStarted{Process: *request.Process}
	started, failure := s.launch(&request)
	if failure != nil {
		answer.Error = failure
		return s.out.addJSON(kindProcess, answer)
	}
	s.processes = append(s.processes, started)
	answer.Pid = started.pid
	return s.out.addJSON(kindProcess, answer)
}

func (s *supervisor) launch(request *startProcess) (*process, *startError) {
	l, failure := prepareLaunch(request, s.ownEnv)
	if failure != nil {
		return nil, failure
	}
	pipes, stdout, stderr, err := openOutput()
	if err != nil {
		return nil, &startError{codeInvalidEntrypoint, "fork/exec " + l.path + ": " + err.Error()}
	}
	oomKills := s.cgroup.oomKills()
	pid, err := forkExec(l, stdout, stderr, request.OpenFiles)
	syscall.Close(stdout)
	syscall.Close(stderr)
	if err != nil {
		pipes[0].close()
		pipes[1].close()
		return nil, &startError{codeInvalidEntrypoint, "fork/exec " + l.path + ": " + err.Error()}
	}
	return &process{number: *request.Process, pid: pid, running: true, oomKillsSeen: oomKills, pipes: pipes}, nil
}

func (s *supervisor) find(number uint32) *process {
	for _, p := range s.processes {
		if p.number == number {
			return p
		}
	}
	return nil
}

// signal reaches the group of a process that runs. One that has just ended is no mistake of the agent's.
func (s *supervisor) signal(payload []byte) error {
	var request signalProcess
	if err := parse(kindSignal, payload, &request); err != nil {
		return err
	}
	signal, ok := signalByName[request.Signal]
	if !ok || request.Process == nil {
		return fmt.Errorf("frame 'K' of the agent has signal %q, right is a process number and SIGTERM, SIGKILL, SIGSTOP or SIGCONT", request.Signal)
	}
	if p := s.find(*request.Process); p != nil && p.running {
		_ = syscall.Kill(-p.pid, signal)
	}
	return nil
}

func (s *supervisor) flush(payload []byte) error {
	var request flush
	if err := parse(kindFlush, payload, &request); err != nil {
		return err
	}
	if request.ID == "" {
		return errors.New("frame 'F' of the agent has no id")
	}
	for _, p := range s.processes {
		s.drain(p)
	}
	return s.out.addJSON(kindFlush, request)
}
