package main

import (
	"os"
	"path/filepath"
	"strings"
)

// cgroup reads what the kernel counted of this container's memory. The zero value counts nothing.
type cgroup struct {
	version string // "v1", "v2" or "none"
	dir     string
	current countFile
	peak    countFile
	events  countFile
	// sampledPeak stands for memory.peak, which cgroup v2 has only since Linux 5.19.
	sampledPeak uint64
}

// findCgroup looks for the memory cgroup that this process is in, as far as the file tree below root shows it.
func findCgroup(root string) *cgroup {
	memberships := readText(root + "/proc/self/cgroup")
	for _, mount := range parseCgroupMounts(readText(root + "/proc/self/mountinfo")) {
		path, ok := parseMembership(memberships, mount.version)
		if !ok {
			continue
		}
		for _, dir := range mount.candidates(path) {
			if _, err := os.Stat(filepath.Join(root, dir, currentFile(mount.version))); err == nil {
				return openCgroup(mount.version, filepath.Join(root, dir))
			}
		}
	}
	return &cgroup{version: "none"}
}

func currentFile(version string) string {
	if version == "v2" {
		return "memory.current"
	}
	return "memory.usage_in_bytes"
}

// cgroupMount is a mounted hierarchy: root is the cgroup that its mount point shows.
type cgroupMount struct {
	version string
	root    string
	point   string
}

// parseCgroupMounts reads /proc/self/mountinfo: the unified hierarchy first, then v1's with the memory controller.
func parseCgroupMounts(mountinfo string) []cgroupMount {
	var v2, v1 []cgroupMount
	for _, line := range strings.Split(mountinfo, "\n") {
		before, after, ok := strings.Cut(line, " - ")
		fields, kinds := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 5 || len(kinds) < 3 {
			continue
		}
		mount := cgroupMount{root: unescapeMount(fields[3]), point: unescapeMount(fields[4])}
		switch {
		case hasParentRoot(mount.root):
			// It shows cgroups above our namespace's: the way from there down to ours cannot be known.
		case kinds[0] == "cgroup2":
			mount.version = "v2"
			v2 = append(v2, mount)
		case kinds[0] == "cgroup" && hasOption(kinds[2], "memory"):
			mount.version = "v1"
			v1 = append(v1, mount)
		}
	}
	return append(v2, v1...)
}

// parseMembership reads /proc/self/cgroup: "0::/path" for v2, "4:memory:/path" for v1.
func parseMembership(memberships, version string) (string, bool) {
	for _, line := range strings.Split(memberships, "\n") {
		fields := strings.SplitN(line, ":", 3)
		if len(fields) != 3 {
			continue
		}
		unified := fields[0] == "0" && fields[1] == ""
		if (version == "v2" && unified) || (version == "v1" && hasOption(fields[1], "memory")) {
			return fields[2], true
		}
	}
	return "", false
}

// candidates are the folders that may show the cgroup at path. With a cgroup namespace, or where only the container's own cgroup
// is mounted, it is the mount point itself, whatever the path says.
func (mount cgroupMount) candidates(path string) []string {
	if relative, ok := below(mount.root, path); ok {
		return []string{filepath.Join(mount.point, relative), mount.point}
	}
	return []string{mount.point}
}

func hasParentRoot(path string) bool { return path == "/.." || strings.HasPrefix(path, "/../") }

func below(parent, path string) (string, bool) {
	if parent == "/" || parent == path {
		return strings.TrimPrefix(path, parent), true
	}
	relative, ok := strings.CutPrefix(path, parent+"/")
	return relative, ok
}

func hasOption(list, option string) bool {
	for _, entry := range strings.Split(list, ",") {
		if entry == option {
			return true
		}
	}
	return false
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func unescapeMount(text string) string { return mountEscapes.Replace(text) }

// openCgroup keeps the files open: they are read again at every invocation.
func openCgroup(version, dir string) *cgroup {
	c := &cgroup{version: version, dir: dir, current: openCount(filepath.Join(dir, currentFile(version)))}
	if version == "v2" {
		c.peak = openCount(filepath.Join(dir, "memory.peak"))
		c.events = openCount(filepath.Join(dir, "memory.events"))
	} else {
		c.peak = openCount(filepath.Join(dir, "memory.max_usage_in_bytes"))
		c.events = openCount(filepath.Join(dir, "memory.oom_control"))
	}
	return c
}

func (c *cgroup) isThere() bool { return c.version == "v1" || c.version == "v2" }

// oomKills is how many processes of the cgroup the kernel has killed for want of memory.
func (c *cgroup) oomKills() uint64 {
	if !c.isThere() {
		return 0
	}
	return c.events.read("oom_kill ")
}

// memory reads usage and peak, bytes. Without memory.peak the peak is the largest usage that was read.
func (c *cgroup) memory() memoryReading {
	if !c.isThere() {
		return memoryReading{}
	}
	current := c.current.read("")
	c.sampledPeak = max(c.sampledPeak, current)
	return memoryReading{PeakBytes: max(c.peak.read(""), c.sampledPeak), CurrentBytes: current}
}

// needsSampling is true where the kernel keeps no peak.
func (c *cgroup) needsSampling() bool { return c.version == "v2" && !c.peak.isOpen() }

func readText(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}
