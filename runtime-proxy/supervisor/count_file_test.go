package main

import "testing"

func TestNumberAfter(t *testing.T) {
	cases := map[string]struct {
		text, key string
		want      uint64
	}{
		"one number":                  {"20971520\n", "", 20971520},
		"without a line's end":        {"7", "", 7},
		"the largest that has room":   {"18446744073709551605", "", 18446744073709551605},
		"one that has no room":        {"99999999999999999999999", "", 0},
		"none":                        {"max\n", "", 0},
		"nothing":                     {"", "", 0},
		"a key":                       {"oom 2\noom_kill 3\noom_group_kill 1\n", "oom_kill ", 3},
		"a key that begins another":   {"oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "oom_kill ", 1},
		"a key that is not there":     {"oom_kill_disable 5\n", "oom_kill ", 0},
		"a key without a number":      {"oom_kill \n", "oom_kill ", 0},
		"a key in a line's middle":    {"x oom_kill 4\n", "oom_kill ", 0},
		"a key with what is no digit": {"oom_kill -1\n", "oom_kill ", 0},
	}
	for title, c := range cases {
		if got := numberAfter([]byte(c.text), c.key); got != c.want {
			t.Errorf("%s: got %d, want %d", title, got, c.want)
		}
	}
}
