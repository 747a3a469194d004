package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

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
		return s.reset(payload)
	case kindWrite:
		s.console.writeLine(payload)
		return nil
	case kindFlush:
		return s.flush(payload)
	case kindList:
		return s.list(payload)
	case kindStop, kindGoOn:
		return s.stopOrGoOn(kind, payload)
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
	if fd := request.TelemetryFd; fd != nil && (*fd < minTelemetryFd || *fd > maxTelemetryFd) {
		return fmt.Errorf("frame 'S' of the agent has telemetry descriptor %d, right is %d to %d", *fd, minTelemetryFd, maxTelemetryFd)
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
	own, child, err := openOutput(request.TelemetryFd != nil)
	if err != nil {
		return nil, &startError{codeInvalidEntrypoint, "fork/exec " + l.path + ": " + err.Error()}
	}
	oomKills := s.cgroup.oomKills()
	pid, err := forkExec(l, child.descriptors(request.TelemetryFd), request.OpenFiles)
	child.close()
	if err != nil {
		own.close()
		return nil, &startError{codeInvalidEntrypoint, "fork/exec " + l.path + ": " + err.Error()}
	}
	return &process{number: *request.Process, pid: pid, running: true, oomKillsSeen: oomKills, pipes: own}, nil
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
		p.killed = p.killed || signal == syscall.SIGKILL
		_ = syscall.Kill(-p.pid, signal)
	}
	return nil
}

func (s *supervisor) reset(payload []byte) error {
	if err := parseEmpty(kindReset, payload); err != nil {
		return err
	}
	if err := s.killAll(time.Now().Add(killDeadline)); err != nil {
		return err
	}
	return s.out.addJSON(kindDone, struct{}{})
}

func (s *supervisor) flush(payload []byte) error {
	id, err := parseFlush(payload)
	if err != nil {
		return err
	}
	for _, p := range s.processes {
		s.drain(p)
	}
	s.out.addFlush(id, s.cgroup.memory())
	return nil
}

func (s *supervisor) list(payload []byte) error {
	var request listDirectory
	if err := parse(kindList, payload, &request); err != nil {
		return err
	}
	if request.ID == "" {
		return errors.New("frame 'L' of the agent has no id")
	}
	return s.out.addJSON(kindList, directoryListing{ID: request.ID, Entries: readDirectory(request.Path)})
}

func (s *supervisor) stopOrGoOn(kind byte, payload []byte) error {
	if err := parseEmpty(kind, payload); err != nil {
		return err
	}
	if kind == kindStop {
		s.stopAll()
	} else {
		s.continueAll()
	}
	return nil
}
