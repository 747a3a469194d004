package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestOutOfMemoryIsToldOfWhomItConcerns plays ends of three processes beside one another and what the kernel counts meanwhile.
func TestOutOfMemoryIsToldOfWhomItConcerns(t *testing.T) {
	const killed, failed, ended = syscall.WaitStatus(9), syscall.WaitStatus(1 << 8), syscall.WaitStatus(0)
	type end struct {
		kills   int // counted by the kernel until then
		process int
		status  syscall.WaitStatus
		byUs    bool
		want    bool
	}
	cases := map[string][]end{
		"nothing was killed":                           {{0, 0, ended, false, false}, {0, 1, killed, false, false}},
		"lifecycle: the kernel took it":                {{1, 0, killed, false, true}},
		"the kernel took a child of it, which it told": {{1, 0, failed, false, true}},
		"the kernel took a child, we the rest":         {{1, 0, killed, true, true}, {1, 1, killed, true, true}},
		"the kernel took one, we the others":           {{1, 0, killed, false, true}, {1, 1, killed, true, false}, {1, 2, ended, false, false}},
		"the kernel took two, each its own":            {{2, 0, killed, false, true}, {2, 1, killed, false, true}, {2, 2, killed, true, false}},
	}
	for title, ends := range cases {
		root := writeTree(t, map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount,
			"sys/fs/cgroup/memory.current": "1\n", "sys/fs/cgroup/memory.events": "oom_kill 7\n",
		})
		s := &supervisor{cgroup: findCgroup(root)}
		for number := range 3 {
			s.processes = append(s.processes, &process{number: uint32(number), running: true, oomKillsSeen: s.cgroup.oomKills()})
		}
		for i, end := range ends {
			events := filepath.Join(root, "sys/fs/cgroup/memory.events")
			if err := os.WriteFile(events, []byte("oom 9\noom_kill "+strconv.Itoa(7+end.kills)+"\noom_group_kill 0\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			p := s.processes[end.process]
			p.killed = end.byUs
			if got := s.isOutOfMemory(p, end.status); got != end.want {
				t.Errorf("%s: end %d: got %v, want %v", title, i, got, end.want)
			}
		}
	}
}
