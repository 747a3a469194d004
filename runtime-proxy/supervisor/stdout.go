package main

import "syscall"

// console is the supervisor's own standard output: what the pod's log shows. It never makes the loop wait.
type console struct {
	fd      int
	waiting []byte
	broken  bool
	// midLine is true after output that does not end its line.
	midLine bool
}

func (c *console) blocked() bool { return len(c.waiting) > 0 }

var lineEnd = []byte{'\n'}

// writeLine writes what has to begin a line of its own: one that a process has not finished ends before it.
func (c *console) writeLine(p []byte) {
	if c.midLine && len(p) > 0 {
		c.write(lineEnd)
	}
	c.write(p)
}

// write keeps what the reader of the log does not take now. A reader that is gone takes everything.
func (c *console) write(p []byte) {
	if c.broken || len(p) == 0 {
		return
	}
	c.midLine = p[len(p)-1] != '\n'
	if !c.blocked() {
		p = p[c.give(p):]
	}
	c.waiting = append(c.waiting, p...)
}

func (c *console) resume() {
	n := c.give(c.waiting)
	if c.broken || n == len(c.waiting) {
		c.waiting = nil
		return
	}
	c.waiting = c.waiting[:copy(c.waiting, c.waiting[n:])]
}

func (c *console) give(p []byte) int {
	given := 0
	for given < len(p) {
		n, err := write(c.fd, p[given:])
		if err == syscall.EAGAIN {
			return given
		}
		if err != nil {
			c.broken = true
			return len(p)
		}
		given += n
	}
	return given
}
