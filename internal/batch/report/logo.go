package report

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// readLogo reads a PNG. The PDF library takes its pixels as they are packed, so that only what it knows is let through.
func readLogo(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxLogo+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxLogo:
		return nil, fmt.Errorf("%s has more than %d KiB; it goes into every report", path, maxLogo>>10)
	}
	if err := checkPNG(b); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

// checkPNG looks at the chunks of a PNG without unpacking it.
func checkPNG(b []byte) error {
	if !bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")) || len(b) < 33 || string(b[12:16]) != "IHDR" || binary.BigEndian.Uint32(b[8:]) != 13 {
		return errors.New("it is no PNG")
	}
	w, h := binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])
	switch {
	case w == 0 || h == 0 || w > maxLogoSide || h > maxLogoSide:
		return fmt.Errorf("it has %d × %d pixels; 1 to %d each are taken", w, h, maxLogoSide)
	case b[24] != 8 || b[28] != 0:
		return errors.New("save it as a PNG with 8 bits for each colour, not interlaced")
	}
	for rest := b[8:]; ; {
		if len(rest) < 12 {
			return errors.New("the PNG is cut off")
		}
		n := binary.BigEndian.Uint32(rest)
		if uint64(n)+12 > uint64(len(rest)) {
			return errors.New("the PNG is cut off")
		}
		if string(rest[4:8]) == "IEND" {
			return nil
		}
		rest = rest[12+n:]
	}
}

// logoSize is how many pixels a checked PNG has.
func logoSize(b []byte) (w, h float64) {
	return float64(binary.BigEndian.Uint32(b[16:])), float64(binary.BigEndian.Uint32(b[20:]))
}
