package main

import (
	"syscall"
	"unsafe"
)

// System calls that package syscall has no function for. Numbers are the same in meaning on every Linux architecture.

const (
	pollIn  = 0x1
	pollOut = 0x4
	pollErr = 0x8
	pollHup = 0x10

	prSetDumpable       = 4
	prSetChildSubreaper = 36

	fionread = 0x541b
)

type pollFd struct {
	fd      int32
	events  int16
	revents int16
}

// poll waits for one of fds, at most timeoutMs (negative: for ever). An interrupted wait is a wait that found nothing.
func poll(fds []pollFd, timeoutMs int) error {
	for i := range fds {
		fds[i].revents = 0
	}
	var timeout *syscall.Timespec
	if timeoutMs >= 0 {
		ts := syscall.NsecToTimespec(int64(timeoutMs) * 1e6)
		timeout = &ts
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(fds))), uintptr(len(fds)),
		uintptr(unsafe.Pointer(timeout)), 0, 0, 0)
	if errno != 0 && errno != syscall.EINTR {
		return errno
	}
	return nil
}

func prctl(option, value uintptr) error {
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, option, value, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// limitOpenFiles sets soft and hard RLIMIT_NOFILE of another process.
func limitOpenFiles(pid int, files uint64) error {
	limit := syscall.Rlimit{Cur: files, Max: files}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE,
		uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// readableBytes is what a pipe holds now.
func readableBytes(fd int) int {
	var n int32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, uintptr(fd), fionread, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// read and write go on after an interruption; n is 0 whenever err is set.
func read(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if err == syscall.EINTR {
			continue
		}
		return max(n, 0), err
	}
}

func write(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, p)
		if err == syscall.EINTR {
			continue
		}
		return max(n, 0), err
	}
}
