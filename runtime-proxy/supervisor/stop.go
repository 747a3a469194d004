package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopDeadline bounds the search for processes that fork and leave while they are looked for.
const stopDeadline = 5 * time.Second

// lookRounds bounds how often new processes are looked for before those that are known are dealt with.
const lookRounds = 50

// lookAgain is a pause that lets those run that are on the way to their stop.
const lookAgain = time.Millisecond

// stopAll stops every process of the container but this one; a stopped process makes no new one. Who stopped itself before is not
// told apart from them: it goes on with the others.
func (s *supervisor) stopAll() {
	if s.isInit {
		_ = syscall.Kill(-1, syscall.SIGSTOP)
		return
	}
	stopped := map[int]bool{}
	for deadline := time.Now().Add(stopDeadline); time.Now().Before(deadline); time.Sleep(lookAgain) {
		reaped := s.reaped
		isNew := stopNew(stopped)
		s.reap()
		// What ended meanwhile may have had a child before, and who is not stopped yet may be in the middle of making one.
		if !isNew && s.reaped == reaped && areStopped("/proc", stopped) && !stopNew(stopped) {
			return
		}
	}
}

func (s *supervisor) continueAll() {
	if s.isInit {
		_ = syscall.Kill(-1, syscall.SIGCONT)
		return
	}
	// All are found before the first goes on: what is stopped neither forks nor ends while we look.
	var stopped []int
	visitDescendants("/proc", os.Getpid(), func(pid int) { stopped = append(stopped, pid) })
	for _, pid := range stopped {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
}

// stopNew stops the processes below this one, each as soon as it is seen, and tells whether there was any that is not known to be
// stopped. The known are stopped again: the kernel lets a group go on whose last parent ends.
func stopNew(stopped map[int]bool) bool {
	isNew := false
	visitDescendants("/proc", os.Getpid(), func(pid int) {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		isNew = isNew || !stopped[pid]
		stopped[pid] = true
	})
	return isNew
}

// areStopped is false while one of them still runs. A process that waits for one that it is just making (state D) does not.
func areStopped(proc string, pids map[int]bool) bool {
	for pid := range pids {
		stat := readText(proc + "/" + strconv.Itoa(pid) + "/stat")
		if end := strings.LastIndexByte(stat, ')'); end >= 0 && len(stat) > end+2 && strings.IndexByte("TtDZX", stat[end+2]) < 0 {
			return false
		}
	}
	return true
}
