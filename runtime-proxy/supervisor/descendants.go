package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// visitDescendants calls visit for every process below ancestor, each as soon as it is seen, since
// a moment later it may have made another and ended. proc is a mounted /proc. Kernels that keep no lists of children are asked for
// all processes.
func visitDescendants(proc string, ancestor int, visit func(pid int)) {
	children, ok := listChildren(proc, ancestor)
	if !ok {
		children = listDescendants(proc, ancestor)
	}
	visitAll(children, visit)
	for ; ok && len(children) > 0; children = children[1:] {
		grandchildren, _ := listChildren(proc, children[0])
		visitAll(grandchildren, visit)
		children = append(children, grandchildren...)
	}
}

// visitAll begins with the newest, which has been looked at least.
func visitAll(pids []int, visit func(pid int)) {
	for _, pid := range slices.Backward(pids) {
		visit(pid)
	}
}

// listChildren reads the lists of all threads of a process; ok is false where the kernel has none.
func listChildren(proc string, pid int) (children []int, ok bool) {
	tasks := proc + "/" + strconv.Itoa(pid) + "/task"
	threads, _ := os.ReadDir(tasks)
	for _, thread := range threads {
		text, err := os.ReadFile(tasks + "/" + thread.Name() + "/children")
		ok = ok || err == nil
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children, ok
}

// listDescendants reads proc (a mounted /proc) for every process that has ancestor among its parents. Zombies are in it: one whose
// first thread alone has ended looks like them and runs on.
func listDescendants(proc string, ancestor int) []int {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	children := map[int][]int{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if parent, ok := parseParent(readText(proc + "/" + entry.Name() + "/stat")); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var found []int
	for queue := children[ancestor]; len(queue) > 0; queue = queue[1:] {
		found = append(found, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return found
}

// parseParent takes the parent from /proc/<pid>/stat; the name before it may hold spaces and brackets.
func parseParent(stat string) (int, bool) {
	end := strings.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}
