//go:build !linux

package app

import "time"

func sleepUntil(due time.Time) { time.Sleep(time.Until(due)) }
