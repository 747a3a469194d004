package main

import (
	"errors"
	"syscall"
	"time"
)

// killDeadline bounds a reset. A process that outlives SIGKILL for so long hangs in the kernel: only the container's end helps.
const killDeadline = 5 * time.Second

// killAgainMs is how long ended processes are awaited before the rest is looked for and killed again.
const killAgainMs = 20

// killAll kills every process of the container but this one, reaps them and reports ends and output.
func (s *supervisor) killAll(deadline time.Time) error {
	for {
		s.killOnce()
		if !s.reap() {
			break
		}
		if time.Now().After(deadline) {
			return errors.New("processes outlive SIGKILL: the kernel does not let them go")
		}
		if err := poll([]pollFd{{fd: int32(s.wake), events: pollIn}}, killAgainMs); err != nil {
			return err
		}
	}
	for _, p := range s.processes {
		s.drain(p)
		for i := range p.pipes {
			s.closePipe(p, &p.pipes[i])
		}
	}
	s.forgetFinished()
	return nil
}

// killOnce: as process 1 one call reaches all, and none can fork out of it. Elsewhere processes are stopped until no new one is
// seen, so that none forks on while the others die.
func (s *supervisor) killOnce() {
	for _, p := range s.processes {
		p.killed = p.killed || p.running
	}
	if s.isInit {
		_ = syscall.Kill(-1, syscall.SIGKILL)
		return
	}
	for _, p := range s.processes {
		if p.running {
			_ = syscall.Kill(-p.pid, syscall.SIGKILL)
		}
	}
	stopped := map[int]bool{}
	for range lookRounds {
		if !stopNew(stopped) {
			break
		}
	}
	for pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
