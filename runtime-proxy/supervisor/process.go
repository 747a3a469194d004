package main

import "syscall"

const (
	streamStdout = 1
	streamStderr = 2
)

// process is one that the agent asked for. Its pipes may outlive it: grandchildren can hold them.
type process struct {
	number       uint32
	pid          int
	running      bool
	oomKillsSeen uint64
	pipes        [2]pipe
}

// pipe is the read end of a process's stdout or stderr; fd is -1 once it has ended.
type pipe struct {
	fd     int
	stream byte
}

func (p *process) isOpen() bool { return p.pipes[0].fd >= 0 || p.pipes[1].fd >= 0 }

func (p *pipe) close() {
	if p.fd >= 0 {
		syscall.Close(p.fd)
		p.fd = -1
	}
}

// openOutput makes the pipes of a process; only our ends are non-blocking.
func openOutput() (own [2]pipe, childStdout, childStderr int, err error) {
	var stdout, stderr [2]int
	if err := syscall.Pipe2(stdout[:], syscall.O_CLOEXEC); err != nil {
		return own, 0, 0, err
	}
	if err := syscall.Pipe2(stderr[:], syscall.O_CLOEXEC); err != nil {
		syscall.Close(stdout[0])
		syscall.Close(stdout[1])
		return own, 0, 0, err
	}
	_ = syscall.SetNonblock(stdout[0], true)
	_ = syscall.SetNonblock(stderr[0], true)
	own = [2]pipe{{stdout[0], streamStdout}, {stderr[0], streamStderr}}
	return own, stdout[1], stderr[1], nil
}
