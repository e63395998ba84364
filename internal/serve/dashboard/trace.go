package dashboard

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
)

var blank = regexp.MustCompile(`\{[^{}]*\}`)

// CheckTraceURL says what is wrong with the address of a viewer of traces, into which the pages put what a request is known by.
func CheckTraceURL(address string) error {
	holes := blank.FindAllString(address, -1)
	for _, h := range holes {
		if !slices.Contains([]string{"{trace_id}", "{span_id}", "{request_id}"}, h) {
			return fmt.Errorf("%s is not known; write {trace_id}, {span_id} or {request_id}", h)
		}
	}
	u, err := url.Parse(address) // a blank stands in no host: whoever names a request would choose where it leads
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%q is not an address such as https://jaeger.example/trace/{trace_id}", address)
	}
	if len(holes) == 0 {
		return fmt.Errorf("%q leads every request to the same place; write {trace_id} or {request_id} where its name belongs", address)
	}
	return nil
}
