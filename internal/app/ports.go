package app

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// freePorts refuses to begin where ports of what is to run are taken, and names all of them. Found later, one of them would end a process that
// already works: in its folder, and on the topics of the hxp that has the ports.
func (c *Config) freePorts(set *settings, names []string) error {
	parts, err := (&system{set: *set}).choose(names)
	if err != nil {
		return err
	}
	var taken []string
	for _, l := range c.listeners() {
		if !parts.chosen[l.name] {
			continue
		}
		door, err := net.Listen("tcp", c.Addr(l.name))
		switch {
		case err == nil:
			_ = door.Close() // it was opened to see that it can be
		case errors.Is(err, syscall.EADDRINUSE):
			taken = append(taken, fmt.Sprintf("%s on %s", l.name, c.Addr(l.name)))
		}
	}
	if len(taken) == 0 {
		return nil // other errors tell of themselves where the port is opened for good
	}
	return fmt.Errorf("cannot listen on %d of the ports: address already in use: %s (`hxp doctor` says by whom, and which settings choose others)", len(taken), strings.Join(taken, ", "))
}
