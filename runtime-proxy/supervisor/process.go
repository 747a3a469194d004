package main

import "syscall"

const (
	streamStdout    = 1
	streamStderr    = 2
	streamTelemetry = 3
)

// process is one that the agent asked for. Its pipes may outlive it: grandchildren can hold them.
type process struct {
	number       uint32
	pid          int
	running      bool
	killed       bool // by us, not by the kernel
	oomKillsSeen uint64
	pipes        pipes
	records      recordReader // of its telemetry pipe
}

// pipe is the read end of one output of a process; fd is -1 once it has ended, or when there is none.
type pipe struct {
	fd     int
	stream byte
}

func (p *pipe) close() {
	if p.fd >= 0 {
		syscall.Close(p.fd)
		p.fd = -1
	}
}

// pipes are a process's stdout, stderr and telemetry.
type pipes [3]pipe

func (p *pipes) close() {
	for i := range p {
		p[i].close()
	}
}

func (p *pipes) isOpen() bool { return p[0].fd >= 0 || p[1].fd >= 0 || p[2].fd >= 0 }

// openOutput makes the pipes of a process, the third only withTelemetry; only our ends are non-blocking.
func openOutput(withTelemetry bool) (own, child pipes, err error) {
	for i := range own {
		own[i], child[i] = pipe{-1, byte(streamStdout + i)}, pipe{-1, byte(streamStdout + i)}
	}
	for i := range own {
		if i == streamTelemetry-streamStdout && !withTelemetry {
			break
		}
		var ends [2]int
		if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
			own.close()
			child.close()
			return own, child, err
		}
		own[i].fd, child[i].fd = ends[0], ends[1]
		_ = syscall.SetNonblock(ends[0], true)
	}
	return own, child, nil
}

// closedInChild is an entry of ProcAttr.Files that leaves the child nothing under its number.
const closedInChild = ^uintptr(0)

// descriptors is what the child holds, by number, but for its input at 0: telemetry where it was asked for, and nothing between.
func (p *pipes) descriptors(telemetryFd *uint32) []uintptr {
	held := []uintptr{closedInChild, uintptr(p[0].fd), uintptr(p[1].fd)}
	if telemetryFd == nil {
		return held
	}
	for len(held) < int(*telemetryFd) {
		held = append(held, closedInChild)
	}
	return append(held, uintptr(p[2].fd))
}
