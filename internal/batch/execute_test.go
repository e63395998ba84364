package batch

import (
	"testing"
	"time"
)

// Lines that could not be stored come before those that were written since, and none is there twice.
func TestLinesArePutBack(t *testing.T) {
	var e execution
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	e.log(at, "info", "first")
	e.log(at, "info", "second")
	_, lines := e.take(false, at)
	e.log(at, "info", "third")
	e.putBack(lines)
	_, lines = e.take(false, at)
	if len(lines) != 3 || lines[0].Event != "first" || lines[2].Event != "third" || lines[2].Line != 3 {
		t.Errorf("%+v", lines)
	}
	if _, again := e.take(false, at); len(again) != 0 {
		t.Errorf("taken twice: %+v", again)
	}
}
