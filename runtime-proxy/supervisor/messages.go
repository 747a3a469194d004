package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
)

type startProcess struct {
	Process          *uint32           `json:"process"`
	Argv             []string          `json:"argv"`
	Candidates       []string          `json:"candidates"`
	Env              map[string]string `json:"env"`
	Fallbacks        []envFallback     `json:"fallbacks"`
	WorkingDirectory string            `json:"workingDirectory"`
	OpenFiles        *uint64           `json:"openFiles"`
	TelemetryFd      *uint32           `json:"telemetryFd"`
}

// envFallback is left out where our own environment has one of Unless.
type envFallback struct {
	Unless []string          `json:"unless"`
	Env    map[string]string `json:"env"`
}

// Descriptors that may be asked for: 0 to 2 have their meaning, and every one up to it costs a start a system call.
const (
	minTelemetryFd = 3
	maxTelemetryFd = 255
)

type signalProcess struct {
	Process *uint32 `json:"process"`
	Signal  string  `json:"signal"`
}

type flush struct {
	ID json.Number `json:"id"`
}

type listDirectory struct {
	ID   json.Number `json:"id"`
	Path string      `json:"path"`
}

type directoryListing struct {
	ID      json.Number      `json:"id"`
	Entries []directoryEntry `json:"entries"`
}

type directoryEntry struct {
	Name        string `json:"name"`
	IsDirectory bool   `json:"isDirectory"`
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
	PeakBytes    uint64
	CurrentBytes uint64
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

// parseEmpty checks the payload of a frame that says all by its kind.
func parseEmpty(kind byte, payload []byte) error {
	if string(payload) == "{}" {
		return nil
	}
	return parse(kind, payload, &struct{}{})
}

// parseFlush returns the id as it was written: a number, which is valid until the next read of the inbox.
func parseFlush(payload []byte) ([]byte, error) {
	if id, ok := cutPlainFlush(payload); ok {
		return id, nil
	}
	var request flush
	if err := parse(kindFlush, payload, &request); err != nil {
		return nil, err
	}
	if request.ID == "" {
		return nil, errors.New("frame 'F' of the agent has no id")
	}
	return []byte(request.ID), nil
}

// cutPlainFlush knows the form that agents write, {"id":1234}, without allocating.
func cutPlainFlush(payload []byte) ([]byte, bool) {
	id, isObject := bytes.CutPrefix(payload, []byte(`{"id":`))
	id, isWhole := bytes.CutSuffix(id, []byte(`}`))
	if !isObject || !isWhole || len(id) == 0 || len(id) > 16 || id[0] == '0' {
		return nil, false
	}
	for _, digit := range id {
		if digit < '0' || digit > '9' {
			return nil, false
		}
	}
	return id, true
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
