package stream

import (
	"errors"

	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// JoinedView is what is shown of a joined request.
type JoinedView = join.View

// JoinedAbout is what it is about.
type JoinedAbout = join.About

// ReadJoined shows the requests of a record of hxp-correlations as GET /correlations does, with what each is about.
func ReadJoined(value []byte, see func(about JoinedAbout, v *JoinedView)) error {
	d := decoder{src: value}
	if string(d.bytes(len(joinedMagic))) != joinedMagic || d.byte() != joinedVer {
		return errors.New("not joined records in a version that this program knows")
	}
	d.bytes(16) // the program that wrote it
	d.uvarint()
	d.uvarint()
	d.uvarint()
	if d.err != nil {
		return d.err
	}
	var r join.Record
	for src := d.src; len(src) > 0; {
		rest, err := r.Read(src)
		if err != nil {
			return err
		}
		v, about, err := r.Shown()
		if err != nil {
			return err
		}
		see(about, v)
		src = rest
	}
	return nil
}
