package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestMergeEnv(t *testing.T) {
	own := []string{"PATH=/bin", "HOME=/root", "KUBERNETES_PORT=x", "KUBELAMBDA_SOCKET=y", "HOMEPAGE=kept", "A=old", "WEIRD"}
	got := mergeEnv(own, map[string]string{"A": "$(B)\n", "HOME": "/h"})
	slices.Sort(got)
	if want := []string{"A=$(B)\n", "HOME=/h", "HOMEPAGE=kept", "PATH=/bin", "WEIRD"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFallbacksYieldToWhateverIsThere(t *testing.T) {
	own := []string{"WEB_IDENTITY=file", "B=own"}
	fallbacks := []envFallback{
		{Unless: []string{"ROLE", "WEB_IDENTITY"}, Env: map[string]string{"LEFT_OUT": "x"}},
		{Unless: []string{"ROLE"}, Env: map[string]string{"A": "fallback", "C": "fallback"}},
	}
	over := map[string]string{"A": "agent"}
	got := withFallbacks(own, over, fallbacks)
	if want := map[string]string{"A": "agent", "C": "fallback"}; !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(over) != 1 {
		t.Errorf("the agent's own are changed: %q", over)
	}
	if got := withFallbacks(own, nil, fallbacks); got["C"] != "fallback" {
		t.Errorf("without variables of the agent: %q", got)
	}
}

func TestLookPathCountsRelativeEntriesFromTheWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	tool := filepath.Join(dir, "bin", "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		name, path, want string
	}{
		"relative entry":        {"tool", "none:bin", tool},
		"absolute entry":        {"tool", dir + "/bin", tool},
		"not there":             {"tool", dir, ""},
		"a folder of that name": {"sub", dir + "/bin", ""},
		"an empty name":         {"", dir + "/bin", ""},
		"no PATH":               {"tool", "", ""},
	}
	for title, c := range cases {
		if got, _ := lookPath(c.name, []string{"PATH=" + c.path}, dir); got != c.want {
			t.Errorf("%s: got %q, want %q", title, got, c.want)
		}
	}
}

func TestDescribeExit(t *testing.T) {
	status := 3
	cases := map[string]struct {
		status syscall.WaitStatus
		want   processExit
	}{
		"an exit status":       {3 << 8, processExit{Process: 1, Status: &status}},
		"a signal":             {9, processExit{Process: 1, Signal: "killed"}},
		"a signal with a core": {11 | 0x80, processExit{Process: 1, Signal: "segmentation fault (core dumped)"}},
	}
	for title, c := range cases {
		got := describeExit(1, c.status, false)
		sameStatus := (got.Status == nil) == (c.want.Status == nil) && (got.Status == nil || *got.Status == *c.want.Status)
		if got.Signal != c.want.Signal || !sameStatus {
			t.Errorf("%s: got %+v", title, got)
		}
	}
}
