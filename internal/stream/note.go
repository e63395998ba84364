package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// maxNoted is as long as other texts may be, in bytes. What is longer is told apart by what it begins with and a hash.
const maxNoted = 1 << 10

// noted is a text that the catalogue does not know, as the event has it: among its data, else in its metadata. The name stands in quotes.
func noted(e *event.Event, name string) string {
	for _, object := range [...][]byte{e.Extra, e.Metadata} {
		if !bytes.Contains(object, []byte(name)) { // nearly always
			continue
		}
		if text := event.TextMember(object, name[1:len(name)-1]); text != "" {
			return shortened(text)
		}
	}
	return ""
}

// shortened keeps the memory of whoever tells texts apart within bounds.
func shortened(text string) string {
	if len(text) <= maxNoted {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return strings.ToValidUTF8(text[:maxNoted/4], "") + "… sha256:" + hex.EncodeToString(sum[:])
}
