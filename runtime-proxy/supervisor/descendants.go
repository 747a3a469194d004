package main

import (
	"os"
	"strconv"
	"strings"
)

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
