package deliver

import (
	"errors"
	"fmt"
	"time"
)

// Failure is what became of a try that did not succeed.
type Failure struct {
	Err       error
	Final     bool          // it is of no use to try again
	Uncertain bool          // the line was cut behind the last byte: it may have arrived
	Gone      bool          // nobody is there any more, and no further message should come
	After     time.Duration // the other side asks not to be tried before
}

func (f *Failure) Error() string {
	switch {
	case f.Final:
		return "refused for good: " + f.Err.Error()
	case f.Uncertain:
		return "cut before the answer, it may have arrived: " + f.Err.Error()
	}
	return f.Err.Error()
}

func (f *Failure) Unwrap() error { return f.Err }

func later(format string, args ...any) error { return &Failure{Err: fmt.Errorf(format, args...)} }
func never(format string, args ...any) error {
	return &Failure{Err: fmt.Errorf(format, args...), Final: true}
}

// Final tells whether an error of a try is of the kind that stays.
func Final(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Final
}

// Uncertain tells whether what was sent may have arrived in spite of an error.
func Uncertain(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Uncertain
}
