package main

import (
	"os"
	"strconv"
	"syscall"
)

// A limit has to hold from a process's first instruction, and the parent could not take back one that it lent. So the child begins as
// this program, limits itself, and becomes what it should be.

const (
	ownExecutable = "/proc/self/exe"
	// limitedName is the argv[0] by which this program knows that it is such a child.
	limitedName = "kubelambda-limited"
	// limitedErrorFd takes the error of a child that cannot become what it should be; success closes it.
	limitedErrorFd = 3
)

// forkLimited starts the child and waits until it is what it should be.
func forkLimited(l launch, attr *syscall.ProcAttr, openFiles uint64) (int, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer syscall.Close(ends[0])
	// Variables go as arguments: some of them would change how this program itself behaves.
	argv := append([]string{limitedName, strconv.FormatUint(openFiles, 10), l.path, strconv.Itoa(len(l.argv))}, l.argv...)
	attr.Files = append(attr.Files, uintptr(ends[1]))
	attr.Env = nil
	pid, err := syscall.ForkExec(ownExecutable, append(argv, l.env...), attr)
	syscall.Close(ends[1])
	if err != nil {
		return 0, err
	}
	var text [16]byte
	if n, _ := read(ends[0], text[:]); n > 0 {
		errno, _ := strconv.Atoi(string(text[:n]))
		return 0, syscall.Errno(errno)
	}
	return pid, nil
}

// becomeLimited is the child's side: it returns only the status with which to end.
func becomeLimited(args []string) int {
	syscall.CloseOnExec(limitedErrorFd)
	err := execLimited(args)
	_, _ = write(limitedErrorFd, []byte(strconv.Itoa(int(err))))
	return 1
}

func execLimited(args []string) syscall.Errno {
	if len(args) < 3 {
		return syscall.EINVAL
	}
	openFiles, err := strconv.ParseUint(args[0], 10, 64)
	count, countErr := strconv.Atoi(args[2])
	if err != nil || countErr != nil || count < 0 || count > len(args)-3 {
		return syscall.EINVAL
	}
	markFirstVictim("self")
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own); err == nil {
		openFiles = min(openFiles, own.Max)
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: openFiles, Max: openFiles})
	}
	errno, _ := syscall.Exec(args[1], args[3:3+count], args[3+count:]).(syscall.Errno)
	return errno
}

func isLimitedChild() bool { return len(os.Args) > 0 && os.Args[0] == limitedName }
