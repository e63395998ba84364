package registry

import (
	"fmt"
	"net/http"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Fault is an error in the words of the registry's protocol.
type Fault struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (f *Fault) Error() string { return f.Message }

// Status is that of HTTP.
func (f *Fault) Status() int {
	switch {
	case f.Code == CodeAway:
		return http.StatusServiceUnavailable
	case f.Code >= 10_000:
		return f.Code / 100
	}
	return f.Code
}

// The codes. Where the protocol has none of its own, the status of HTTP stands for itself.
const (
	CodeNoSubject      = 40401
	CodeNoVersion      = 40402
	CodeNoSchema       = 40403
	CodeSubjectSoft    = 40404
	CodeSubjectNotSoft = 40405
	CodeVersionSoft    = 40406
	CodeVersionNotSoft = 40407
	CodeNoLevel        = 40408
	CodeNoMode         = 40409
	CodeIncompatible   = 409
	CodeBadSchema      = 42201
	CodeBadVersion     = 42202
	CodeBadLevel       = 42203
	CodeBadMode        = 42204
	CodeReadOnly       = 42205
	CodeBadSubject     = 42208
	CodeFull           = 42211
	CodeAway           = 50003
)

func faultf(code int, format string, args ...any) *Fault {
	return &Fault{code, fmt.Sprintf(format, args...)}
}

func noSubject(name string) *Fault {
	return faultf(CodeNoSubject, "Subject '%s' not found.", clip(name))
}
func noVersion(n int) *Fault { return faultf(CodeNoVersion, "Version %d not found.", n) }
func noSchema(id uint32) *Fault {
	return faultf(CodeNoSchema, "Schema %d not found", id)
}
func readOnly(name string) *Fault {
	return faultf(CodeReadOnly, "Subject '%s' is in read-only mode", clip(name))
}

func clip(s string) string { return words.Clip(s, 100) }
