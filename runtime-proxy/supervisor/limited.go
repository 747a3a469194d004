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
)

// placeErrorFd gives the child a descriptor for the error of one that cannot become what it should be; success closes it. It is the
// first number that the process will not hold.
func placeErrorFd(files []uintptr, fd int) ([]uintptr, int) {
	for number := range files {
		if files[number] == closedInChild {
			files[number] = uintptr(fd)
			return files, number
		}
	}
	return append(files, uintptr(fd)), len(files)
}

// forkLimited starts the child and waits until it is what it should be.
func forkLimited(l launch, attr *syscall.ProcAttr, openFiles uint64) (int, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer syscall.Close(ends[0])
	files, errorFd := placeErrorFd(attr.Files, ends[1])
	// Variables go as arguments: some of them would change how this program itself behaves.
	head := []string{limitedName, strconv.Itoa(errorFd), strconv.FormatUint(openFiles, 10), l.path, strconv.Itoa(len(l.argv))}
	argv := append(head, l.argv...)
	attr.Files, attr.Env = files, nil
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
	if len(args) == 0 {
		return 1
	}
	errorFd, err := strconv.Atoi(args[0])
	if err != nil || errorFd <= syscall.Stderr {
		return 1
	}
	syscall.CloseOnExec(errorFd)
	errno := execLimited(args[1:])
	_, _ = write(errorFd, []byte(strconv.Itoa(int(errno))))
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
