package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	codeNoCandidate       = "NoCandidate"
	codeInvalidEntrypoint = "InvalidEntrypoint"
	codeInvalidWorkingDir = "InvalidWorkingDir"
)

// launch is everything that the kernel needs to know of a process to start.
type launch struct {
	path string
	argv []string
	env  []string
	dir  string
}

// prepareLaunch finds the executable and the working directory, or says as os/exec would what is wrong with them.
func prepareLaunch(request *startProcess, ownEnv []string) (launch, *startError) {
	env := mergeEnv(ownEnv, withFallbacks(ownEnv, request.Env, request.Fallbacks))
	path, argv, failure := findExecutable(request, env)
	if failure != nil {
		return launch{}, failure
	}
	if err := checkDirectory(request.WorkingDirectory); err != nil {
		return launch{}, &startError{codeInvalidWorkingDir, "chdir " + request.WorkingDirectory + ": " + err.Error()}
	}
	return launch{path: path, argv: argv, env: env, dir: request.WorkingDirectory}, nil
}

func findExecutable(request *startProcess, env []string) (string, []string, *startError) {
	if request.Candidates != nil {
		for _, candidate := range request.Candidates {
			if info, err := os.Stat(candidate); err == nil && !info.IsDir() {
				return candidate, replaceFirst(request.Argv, candidate), nil
			}
		}
		message := "Couldn't find valid bootstrap(s): [" + strings.Join(request.Candidates, " ") + "]"
		return "", nil, &startError{codeNoCandidate, message}
	}
	if len(request.Argv) == 0 {
		return "", nil, &startError{codeInvalidEntrypoint, "exec: no command"}
	}
	name := request.Argv[0]
	if strings.Contains(name, "/") {
		return name, request.Argv, nil
	}
	if path, ok := lookPath(name, env, request.WorkingDirectory); ok {
		return path, request.Argv, nil
	}
	return "", nil, &startError{codeInvalidEntrypoint, "exec: " + strconv.Quote(name) + ": executable file not found in $PATH"}
}

func replaceFirst(argv []string, first string) []string {
	if len(argv) == 0 {
		return []string{first}
	}
	return append([]string{first}, argv[1:]...)
}

// lookPath searches the PATH that the process will have; a relative entry counts from its working directory.
func lookPath(name string, env []string, dir string) (string, bool) {
	if name == "" {
		return "", false
	}
	for _, entry := range strings.Split(envValue(env, "PATH"), ":") {
		if !filepath.IsAbs(entry) {
			entry = filepath.Join(dir, entry)
		}
		path := filepath.Join(entry, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && syscall.Access(path, accessExecute) == nil {
			return path, true
		}
	}
	return "", false
}

const accessExecute = 1

func checkDirectory(dir string) error {
	var stat syscall.Stat_t
	if err := syscall.Stat(dir, &stat); err != nil {
		return err
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFDIR {
		return syscall.ENOTDIR
	}
	return syscall.Access(dir, accessExecute)
}

// mergeEnv lays the agent's variables over our own, less what speaks of Kubernetes, of us, or of our user.
func mergeEnv(own []string, over map[string]string) []string {
	merged := make([]string, 0, len(own)+len(over))
	for _, entry := range own {
		name, _, _ := strings.Cut(entry, "=")
		_, replaced := over[name]
		if !replaced && !isOwnVariable(name) {
			merged = append(merged, entry)
		}
	}
	for name, value := range over {
		merged = append(merged, name+"="+value)
	}
	return merged
}

// withFallbacks adds what nobody has set: neither the agent nor, of what belongs together, anyone else.
func withFallbacks(own []string, over map[string]string, fallbacks []envFallback) map[string]string {
	all := make(map[string]string, len(over))
	maps.Copy(all, over)
	for _, fallback := range fallbacks {
		if slices.ContainsFunc(fallback.Unless, func(name string) bool { return hasVariable(own, name) }) {
			continue
		}
		for name, value := range fallback.Env {
			if _, isSet := over[name]; !isSet {
				all[name] = value
			}
		}
	}
	return all
}

func hasVariable(env []string, name string) bool {
	return slices.ContainsFunc(env, func(entry string) bool { return strings.HasPrefix(entry, name+"=") })
}

func isOwnVariable(name string) bool {
	return name == "HOME" || strings.HasPrefix(name, "KUBERNETES_") || strings.HasPrefix(name, "KUBELAMBDA_")
}

func envValue(env []string, name string) string {
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// forkExec starts the process in a session of its own with empty input.
// files are its descriptors by number.
func forkExec(l launch, files []uintptr, openFiles *uint64) (int, error) {
	stdin, err := openEmpty()
	if err != nil {
		return 0, err
	}
	defer syscall.Close(stdin)
	files[0] = uintptr(stdin)
	attr := &syscall.ProcAttr{
		Dir:   l.dir,
		Env:   l.env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	if openFiles != nil && syscall.Access(ownExecutable, accessExecute) == nil {
		return forkLimited(l, attr, *openFiles)
	}
	pid, err := syscall.ForkExec(l.path, l.argv, attr)
	if err != nil {
		return 0, err
	}
	markFirstVictim(strconv.Itoa(pid))
	if openFiles != nil {
		// Without /proc the limit comes an instant late; it fails only when the process has gone already.
		_ = limitOpenFiles(pid, *openFiles)
	}
	return pid, nil
}

// openEmpty is a descriptor with nothing to read, also where there is no /dev.
func openEmpty() (int, error) {
	if fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0); err == nil {
		return fd, nil
	}
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return 0, err
	}
	syscall.Close(ends[1])
	return ends[0], nil
}

// markFirstVictim makes the kernel take the function's processes before the supervisor when memory is short.
func markFirstVictim(pid string) {
	fd, err := syscall.Open("/proc/"+pid+"/oom_score_adj", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = write(fd, []byte("1000"))
	syscall.Close(fd)
}
