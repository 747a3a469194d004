package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"syscall"
)

type startProcess struct {
	Process          *uint32           `json:"process"`
	Argv             []string          `json:"argv"`
	Candidates       []string          `json:"candidates"`
	Env              map[string]string `json:"env"`
	WorkingDirectory string            `json:"workingDirectory"`
	OpenFiles        *uint64           `json:"openFiles"`
}

type signalProcess struct {
	Process *uint32 `json:"process"`
	Signal  string  `json:"signal"`
}

type flush struct {
	ID json.Number `json:"id"`
}

type hello struct {
	Protocol int    `json:"protocol"`
	Cgroup   string `json:"cgroup"`
}

type startError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type processStarted struct {
	Process uint32      `json:"process"`
	Pid     int         `json:"pid,omitempty"`
	Error   *startError `json:"error,omitempty"`
}

type processExit struct {
	Process     uint32 `json:"process"`
	Status      *int   `json:"status,omitempty"`
	Signal      string `json:"signal,omitempty"`
	OutOfMemory bool   `json:"outOfMemory"`
}

type memoryReading struct {
	PeakBytes    uint64 `json:"peakBytes"`
	CurrentBytes uint64 `json:"currentBytes"`
}

// parse reads one JSON object of the agent. A value of a wrong type ends the connection: the agent is not what we think it is.
func parse(kind byte, payload []byte, into any) error {
	if trimmed := bytes.TrimLeft(payload, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return fmt.Errorf("frame %q of the agent is not a JSON object", kind)
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return fmt.Errorf("frame %q of the agent is not the JSON it should be: %w", kind, err)
	}
	return nil
}

var signalByName = map[string]syscall.Signal{
	"SIGTERM": syscall.SIGTERM,
	"SIGKILL": syscall.SIGKILL,
	"SIGSTOP": syscall.SIGSTOP,
	"SIGCONT": syscall.SIGCONT,
}

// describeExit words the end of a process as Go words it.
func describeExit(process uint32, status syscall.WaitStatus, outOfMemory bool) processExit {
	exit := processExit{Process: process, OutOfMemory: outOfMemory}
	if status.Signaled() {
		exit.Signal = status.Signal().String()
		if status.CoreDump() {
			exit.Signal += " (core dumped)"
		}
		return exit
	}
	code := status.ExitStatus()
	exit.Status = &code
	return exit
}
