package prom

import (
	"slices"
	"strings"
)

var (
	used         = func(free, all float64) (float64, float64) { return all - free, all }
	machineRAM   = &ratio{as: "memory_usage", of: used}
	machineDisks = &ratio{as: "disk_usage", of: used}
)

// node are the families of Prometheus' node exporter.
//
// The CPU is busy when it is not idle: one minus the mean of the idle seconds a second of each core. That needs the series
// of one mode only, so it is right also where remote write brings the modes apart.
var node = table{
	"node_cpu_seconds_total":            {{as: "cpu_usage", how: asRate, fold: mean, only: idle, turn: busy}},
	"node_memory_MemAvailable_bytes":    {{how: asPart, ratio: machineRAM, side: 0}, {as: "memory_available_bytes", how: asValue}},
	"node_memory_MemTotal_bytes":        {{how: asPart, ratio: machineRAM, side: 1}, {as: "memory_total_bytes", how: asValue}},
	"node_filesystem_avail_bytes":       {{how: asPart, ratio: machineDisks, side: 0, only: realDisk}},
	"node_filesystem_size_bytes":        {{how: asPart, ratio: machineDisks, side: 1, only: realDisk}},
	"node_network_receive_bytes_total":  {{as: "network_receive_bytes_per_second", how: asRate, fold: sum, only: realNetwork}},
	"node_network_transmit_bytes_total": {{as: "network_transmit_bytes_per_second", how: asRate, fold: sum, only: realNetwork}},
	"node_disk_read_bytes_total":        {{as: "disk_read_bytes_per_second", how: asRate, fold: sum, only: wholeDisk}},
	"node_disk_written_bytes_total":     {{as: "disk_written_bytes_per_second", how: asRate, fold: sum, only: wholeDisk}},
	"node_load1":                        value("load1", mean),
	"node_load5":                        value("load5", mean),
	"node_load15":                       value("load15", mean),
}

func idle(s *Sample) bool { return s.label("mode") == "idle" }

// busy is the percentage of time that is not idle. Readings lie never exactly as far apart as their times say.
func busy(idle float64) float64 { return min(max(100*(1-idle), 0), 100) }

// notDisks are file systems that lie in memory, in another file or in the kernel.
var notDisks = []string{"tmpfs", "devtmpfs", "ramfs", "squashfs", "iso9660", "overlay", "rootfs", "fuse.lxcfs", "autofs", "nsfs", "proc", "sysfs", "cgroup", "cgroup2", "efivarfs"}

func realDisk(s *Sample) bool { return !slices.Contains(notDisks, s.label("fstype")) }

// notNetworks are the beginnings of names of interfaces whose traffic stays in the machine or is counted on another one.
var notNetworks = []string{"lo", "veth", "docker", "br-", "virbr", "cni", "flannel", "cali", "tunl", "cilium", "lxc", "dummy", "ifb", "vnet"}

func realNetwork(s *Sample) bool { return RealNetwork(s.label("device")) }
func wholeDisk(s *Sample) bool   { return WholeDisk(s.label("device")) }

// RealNetwork tells by its name whether the traffic of an interface leaves the machine and is counted on no other one.
func RealNetwork(device string) bool { return !begins(device, notNetworks) }

// WholeDisk leaves out what lies on another device: device mapper, software RAID, loops, RAM; and what is no disk.
func WholeDisk(device string) bool { return !begins(device, notWhole) }

var notWhole = []string{"dm-", "md", "loop", "ram", "zram", "sr", "fd"}

func begins(name string, list []string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return strings.HasPrefix(name, p) })
}
