package main

import (
	"slices"
	"testing"
)

func TestListDescendants(t *testing.T) {
	proc := writeTree(t, map[string]string{
		"10/stat":   "10 (supervisor) S 1 10 10 0",
		"11/stat":   "11 (a) b) (c) S 10 11 11 0",
		"12/stat":   "12 (sh) Z 11 12 12 0",
		"13/stat":   "13 (sleep) T 12 13 13 0",
		"20/stat":   "20 (other) S 1 20 20 0",
		"21/stat":   "cut",
		"self/stat": "10 (supervisor) S 1 10 10 0",
	})
	got := listDescendants(proc, 10)
	slices.Sort(got)
	if want := []int{11, 12, 13}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestVisitDescendants(t *testing.T) {
	cases := map[string]map[string]string{
		"by lists of children": {
			"10/task/10/children": "11 12 ", "10/task/17/children": "15",
			"11/task/11/children": "13 ", "13/task/13/children": "14 ", "20/task/20/children": "21 ",
		},
		"without lists": {
			"10/stat": "10 (s) S 1 ", "11/stat": "11 (a) S 10 ", "12/stat": "12 (a) S 10 ", "15/stat": "15 (a) S 10 ",
			"13/stat": "13 (a) S 11 ", "14/stat": "14 (a) S 13 ", "20/stat": "20 (a) S 1 ", "21/stat": "21 (a) S 20 ",
		},
	}
	for title, files := range cases {
		var got []int
		visitDescendants(writeTree(t, files), 10, func(pid int) { got = append(got, pid) })
		if title == "by lists of children" && (slices.Index(got, 11) > slices.Index(got, 13) || slices.Index(got, 13) > slices.Index(got, 14)) {
			t.Errorf("%s: %v, a child before its parent", title, got)
		}
		slices.Sort(got)
		if want := []int{11, 12, 13, 14, 15}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", title, got, want)
		}
	}
}

func TestAreStopped(t *testing.T) {
	proc := writeTree(t, map[string]string{
		"1/stat": "1 (a) T 10 ", "2/stat": "2 (b) D 10 ", "3/stat": "3 (c) Z 10 ", "4/stat": "4 (R) R) S 10 ", "5/stat": "5 (T) R 10 ",
	})
	cases := map[string]struct {
		pids []int
		want bool
	}{
		"none": {nil, true}, "stopped, made one, ended, gone": {[]int{1, 2, 3, 99}, true}, "one sleeps": {[]int{1, 4}, false}, "one runs": {[]int{5, 1}, false},
	}
	for title, c := range cases {
		pids := map[int]bool{}
		for _, pid := range c.pids {
			pids[pid] = true
		}
		if got := areStopped(proc, pids); got != c.want {
			t.Errorf("%s: got %v", title, got)
		}
	}
}
