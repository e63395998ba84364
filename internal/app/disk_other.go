//go:build !linux

package app

import "syscall"

// diskUsage is not known here.
func diskUsage(string) (used float64, known bool) { return 0, false }

// syncDisk writes everything that the system holds back: there is no call for one file system here.
func syncDisk(string) error { return syscall.Sync() }
