package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// writeTree makes the files of a recorded machine below a folder of the test's own.
func writeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	v2Mount    = "31 24 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n"
	sliceOfPod = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0c5d.slice"

	hybridMounts = "28 23 0:24 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n" +
		"32 28 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n" +
		"37 28 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	v1ContainerMount = "612 601 0:28 /kubepods/burstable/pod1/abc /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,memory\n"
)

func TestFindCgroup(t *testing.T) {
	cases := map[string]struct {
		files   map[string]string
		version string
		dir     string
		kills   uint64
		memory  memoryReading
	}{
		"v2 in a cgroup namespace": {
			files: map[string]string{
				"proc/self/cgroup":             "0::/\n",
				"proc/self/mountinfo":          v2Mount,
				"sys/fs/cgroup/memory.current": "20971520\n",
				"sys/fs/cgroup/memory.peak":    "41943040\n",
				"sys/fs/cgroup/memory.events":  "low 0\nhigh 0\nmax 31\noom 2\noom_kill 3\noom_group_kill 0\n",
			},
			version: "v2", dir: "sys/fs/cgroup", kills: 3, memory: memoryReading{PeakBytes: 41943040, CurrentBytes: 20971520},
		},
		"v2 before Linux 5.19, which keeps no peak": {
			files: map[string]string{
				"proc/self/cgroup":    "0::/kubepods.slice/pod1/abc\n",
				"proc/self/mountinfo": v2Mount,
				"sys/fs/cgroup/kubepods.slice/pod1/abc/memory.current": "1048576\n",
				"sys/fs/cgroup/kubepods.slice/pod1/abc/memory.events":  "oom 0\noom_kill 0\n",
			},
			version: "v2", dir: "sys/fs/cgroup/kubepods.slice/pod1/abc", memory: memoryReading{PeakBytes: 1048576, CurrentBytes: 1048576},
		},
		"v2, slices of systemd, the container's own cgroup mounted, no cgroup namespace": {
			files: map[string]string{
				"proc/self/cgroup": "0::" + sliceOfPod + "/cri-containerd-3f1a.scope\n",
				"proc/self/mountinfo": "1042 1031 0:27 " + sliceOfPod + "/cri-containerd-3f1a.scope /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - " +
					"cgroup2 cgroup rw,nsdelegate,memory_recursiveprot\n",
				"sys/fs/cgroup/memory.current": "73400320\n",
				"sys/fs/cgroup/memory.peak":    "99614720\n",
				"sys/fs/cgroup/memory.events":  "low 0\nhigh 0\nmax 114\noom 1\noom_kill 1\noom_group_kill 1\n",
			},
			version: "v2", dir: "sys/fs/cgroup", kills: 1, memory: memoryReading{PeakBytes: 99614720, CurrentBytes: 73400320},
		},
		"v2, slices of systemd, the whole tree of the machine mounted": {
			files: map[string]string{
				"proc/self/cgroup":                                                         "0::" + sliceOfPod + "/cri-containerd-3f1a.scope\n",
				"proc/self/mountinfo":                                                      v2Mount,
				"sys/fs/cgroup/cgroup.controllers":                                         "cpuset cpu io memory pids\n",
				"sys/fs/cgroup/kubepods.slice/memory.current":                              "999999999\n",
				"sys/fs/cgroup" + sliceOfPod + "/memory.current":                           "888888888\n",
				"sys/fs/cgroup" + sliceOfPod + "/memory.events":                            "oom_kill 9\n",
				"sys/fs/cgroup" + sliceOfPod + "/cri-containerd-3f1a.scope/memory.current": "73400320\n",
				"sys/fs/cgroup" + sliceOfPod + "/cri-containerd-3f1a.scope/memory.peak":    "99614720\n",
				"sys/fs/cgroup" + sliceOfPod + "/cri-containerd-3f1a.scope/memory.events":  "oom_kill 0\n",
			},
			version: "v2", dir: "sys/fs/cgroup" + sliceOfPod + "/cri-containerd-3f1a.scope",
			memory: memoryReading{PeakBytes: 99614720, CurrentBytes: 73400320},
		},
		"v2, a cgroup of its own below the container's, in a cgroup namespace": {
			files: map[string]string{
				"proc/self/cgroup":                  "0::/init\n",
				"proc/self/mountinfo":               v2Mount,
				"sys/fs/cgroup/memory.current":      "5000000\n",
				"sys/fs/cgroup/init/memory.current": "4000000\n",
				"sys/fs/cgroup/init/memory.peak":    "4500000\n",
				"sys/fs/cgroup/init/memory.events":  "oom_kill 2\n",
			},
			version: "v2", dir: "sys/fs/cgroup/init", kills: 2, memory: memoryReading{PeakBytes: 4500000, CurrentBytes: 4000000},
		},
		"v2, below the container's where the memory controller is not handed down: the container's": {
			files: map[string]string{
				"proc/self/cgroup":                "0::/init\n",
				"proc/self/mountinfo":             v2Mount,
				"sys/fs/cgroup/memory.current":    "5000000\n",
				"sys/fs/cgroup/memory.peak":       "5500000\n",
				"sys/fs/cgroup/init/cgroup.procs": "1\n",
			},
			version: "v2", dir: "sys/fs/cgroup", memory: memoryReading{PeakBytes: 5500000, CurrentBytes: 5000000},
		},
		"v2 in a cgroup namespace, the machine's tree mounted from outside, which is not ours": {
			files: map[string]string{
				"proc/self/cgroup":             "0::/\n",
				"proc/self/mountinfo":          "31 24 0:27 /../../.. /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
				"sys/fs/cgroup/memory.current": "999999999\n",
			},
			version: "none",
		},
		"v2 in a cgroup namespace, the machine's tree mounted besides": {
			files: map[string]string{
				"proc/self/cgroup":             "0::/\n",
				"proc/self/mountinfo":          "30 24 0:27 /../../.. /host/cgroup ro - cgroup2 cgroup rw\n" + v2Mount,
				"host/cgroup/memory.current":   "999999999\n",
				"sys/fs/cgroup/memory.current": "1000\n",
				"sys/fs/cgroup/memory.peak":    "2000\n",
			},
			version: "v2", dir: "sys/fs/cgroup", memory: memoryReading{PeakBytes: 2000, CurrentBytes: 1000},
		},
		"v1, the container's own cgroup mounted": {
			files: map[string]string{
				"proc/self/cgroup":                               "9:name=systemd:/kubepods/burstable/pod1/abc\n4:memory:/kubepods/burstable/pod1/abc\n0::/\n",
				"proc/self/mountinfo":                            v1ContainerMount,
				"sys/fs/cgroup/memory/memory.usage_in_bytes":     "8192\n",
				"sys/fs/cgroup/memory/memory.max_usage_in_bytes": "16384\n",
				"sys/fs/cgroup/memory/memory.oom_control":        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
			},
			version: "v1", dir: "sys/fs/cgroup/memory", kills: 1, memory: memoryReading{PeakBytes: 16384, CurrentBytes: 8192},
		},
		"v1 beside an empty unified hierarchy, all of the machine visible": {
			files: map[string]string{
				"proc/self/cgroup":                                              "4:memory:/process_api/49\n0::/\n",
				"proc/self/mountinfo":                                           hybridMounts,
				"sys/fs/cgroup/memory/memory.usage_in_bytes":                    "999999999\n",
				"sys/fs/cgroup/memory/process_api/49/memory.usage_in_bytes":     "4096\n",
				"sys/fs/cgroup/memory/process_api/49/memory.max_usage_in_bytes": "12288\n",
				"sys/fs/cgroup/unified/cgroup.procs":                            "1\n",
			},
			version: "v1", dir: "sys/fs/cgroup/memory/process_api/49", memory: memoryReading{PeakBytes: 12288, CurrentBytes: 4096},
		},
		"nothing mounted": {
			files:   map[string]string{"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "28 23 0:24 / / rw - ext4 /dev/vda rw\n"},
			version: "none",
		},
		"no /proc":        {files: map[string]string{}, version: "none"},
		"lines cut short": {files: map[string]string{"proc/self/cgroup": "0:\nx\n", "proc/self/mountinfo": "1 2 3\n - \na b c d e - cgroup2\n"}, version: "none"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			root := writeTree(t, c.files)
			found := findCgroup(root)
			dir := ""
			if c.dir != "" {
				dir = filepath.Join(root, c.dir)
			}
			if found.version != c.version || found.dir != dir {
				t.Fatalf("found %q at %q, want %q at %q", found.version, found.dir, c.version, dir)
			}
			if kills := found.oomKills(); kills != c.kills {
				t.Errorf("oomKills() = %d, want %d", kills, c.kills)
			}
			if memory := found.memory(); memory != c.memory {
				t.Errorf("memory() = %+v, want %+v", memory, c.memory)
			}
		})
	}
}

func TestPeakWithoutAFileIsTheLargestUsageRead(t *testing.T) {
	root := writeTree(t, map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2Mount, "sys/fs/cgroup/memory.current": "300\n",
	})
	found := findCgroup(root)
	if !found.needsSampling() {
		t.Fatal("needsSampling() = false without memory.peak")
	}
	found.memory()
	if err := os.WriteFile(filepath.Join(root, "sys/fs/cgroup/memory.current"), []byte("200\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := found.memory(), (memoryReading{PeakBytes: 300, CurrentBytes: 200}); got != want {
		t.Errorf("memory() = %+v, want %+v", got, want)
	}
}

func TestParseCgroupMountsUnescapes(t *testing.T) {
	got := parseCgroupMounts(`31 24 0:27 /a\040b /sys/fs\134x rw - cgroup2 cgroup rw`)
	if want := []cgroupMount{{"v2", "/a b", `/sys/fs\x`}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
