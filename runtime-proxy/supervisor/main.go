// Command supervisor is process 1 of a function's container. It does what the agent of the pod says over a unix socket: starts
// processes, signals or kills them, copies what they print, and reports how they ended. All decisions are the agent's.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	connectDeadline = 30 * time.Second
	// maxSocketPathBytes is what the kernel takes.
	maxSocketPathBytes = 107
	// lastWordsMs bounds how long the agent and the log's reader are given to take what is left at the end.
	lastWordsMs = 1000
)

func main() {
	if isLimitedChild() {
		os.Exit(becomeLimited(os.Args[1:]))
	}
	if len(os.Args) > 1 && os.Args[1] == installCommand {
		if err := install(ownPath, os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "supervisor: "+err.Error())
			os.Exit(1)
		}
		return
	}
	if err := supervise(os.Getenv("KUBELAMBDA_SOCKET")); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor: "+err.Error())
		os.Exit(1)
	}
}

func supervise(socketPath string) error {
	// Function code runs as the same user: it must not read our memory or environment.
	if err := prctl(prSetDumpable, 0); err != nil {
		return fmt.Errorf("Cannot close own memory to function code: %w", err)
	}
	isInit := os.Getpid() == 1
	if !isInit {
		if err := prctl(prSetChildSubreaper, 1); err != nil {
			return fmt.Errorf("Cannot become the parent of orphans: %w", err)
		}
	}
	catchSignals()
	wake, err := wakeOnChildren()
	if err != nil {
		return fmt.Errorf("Cannot watch for ended children: %w", err)
	}
	socket, err := connect(socketPath, time.Now().Add(connectDeadline))
	if err != nil {
		return err
	}
	if err := syscall.SetNonblock(syscall.Stdout, true); err == nil {
		defer syscall.SetNonblock(syscall.Stdout, false)
	}
	s := &supervisor{
		socket:  socket,
		wake:    wake,
		console: console{fd: syscall.Stdout},
		cgroup:  findCgroup(""),
		ownEnv:  os.Environ(),
		isInit:  isInit,
	}
	reason := s.run()
	killed := s.killAll(time.Now().Add(killDeadline))
	s.sayLastWords()
	if reason == nil {
		return killed
	}
	return fmt.Errorf("Killed every process: %w", errors.Join(reason, killed))
}

// connect waits until the agent listens.
func connect(path string, deadline time.Time) (int, error) {
	if path == "" {
		return 0, errors.New("Cannot find the agent: KUBELAMBDA_SOCKET is not set, right is the path of its socket")
	}
	if len(path) > maxSocketPathBytes {
		return 0, fmt.Errorf("Cannot connect to the agent at %q: the path has %d bytes, right is %d at most", path, len(path), maxSocketPathBytes)
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 25*time.Millisecond) {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("Cannot connect to the agent at %q: %w", path, err)
		}
		err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
		if err == nil {
			return fd, syscall.SetNonblock(fd, true)
		}
		syscall.Close(fd)
		mayCome := err == syscall.ENOENT || err == syscall.ECONNREFUSED || err == syscall.EAGAIN || err == syscall.EINTR
		if !mayCome || time.Now().After(deadline) {
			return 0, fmt.Errorf("Cannot connect to the agent at %q: %w", path, err)
		}
		time.Sleep(pause)
	}
}

// catchSignals makes the usual ways to end a process mean nothing: the agent alone decides. Caught and not ignored, since a
// process would inherit what is ignored.
func catchSignals() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGALRM,
		syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	go func() {
		for range caught {
		}
	}()
}

// wakeOnChildren is a descriptor that is readable after children have ended.
func wakeOnChildren() (int, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return 0, err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			// A full pipe wakes as well.
			_, _ = write(ends[1], []byte{0})
		}
	}()
	return ends[0], nil
}

func clearWake(fd int) {
	var scratch [64]byte
	for {
		if n, err := read(fd, scratch[:]); err != nil || n < len(scratch) {
			return
		}
	}
}

// sayLastWords gives agent and log what they have not taken yet.
func (s *supervisor) sayLastWords() {
	deadline := time.Now().Add(lastWordsMs * time.Millisecond)
	for (s.out.pending() > 0 || s.console.blocked()) && time.Now().Before(deadline) {
		s.out.send(s.socket)
		s.console.resume()
		fds := []pollFd{{fd: -1}, {fd: -1}}
		if s.out.pending() > 0 {
			fds[0] = pollFd{fd: int32(s.socket), events: pollOut}
		}
		if s.console.blocked() {
			fds[1] = pollFd{fd: int32(s.console.fd), events: pollOut}
		}
		if fds[0].fd < 0 && fds[1].fd < 0 {
			return
		}
		if poll(fds, lastWordsMs) != nil {
			return
		}
	}
}
