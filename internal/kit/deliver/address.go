package deliver

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
)

// CheckAddress tells why a text is no mail address such as anna@example.org. Names beside the address are not taken, nor quoted local
// parts, nor anything but ASCII: what is left cannot be more than one address, nor hold a header or a command.
func CheckAddress(a string) error {
	if len(a) > 254 {
		return fmt.Errorf("it has %d bytes; an address has at most 254", len(a))
	}
	for i := range len(a) {
		if a[i] <= ' ' || a[i] > '~' || strings.IndexByte(`"(),:;<>[\]`, a[i]) >= 0 {
			return fmt.Errorf("%q has no place in it; write anna@example.org alone", a[i:i+1])
		}
	}
	local, domain, ok := strings.Cut(a, "@")
	if !ok || local == "" || domain == "" || strings.Contains(domain, "@") {
		return errors.New("write anna@example.org, with one @ between name and domain")
	}
	if len(local) > 64 {
		return fmt.Errorf("the part before the @ has %d bytes; 64 are the most", len(local))
	}
	parsed, err := mail.ParseAddress(a)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "mail: "))
	}
	if parsed.Address != a {
		return errors.New("write anna@example.org alone")
	}
	return nil
}

// domainOf is what stands behind the @ of a checked address.
func domainOf(a string) string { return a[strings.LastIndexByte(a, '@')+1:] }
