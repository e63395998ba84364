package stream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// membership is this instance's place in the group that shares out the partition numbers. The group decides who works, never what
// counts: that is for the journal.
type membership struct {
	*bus.Member
	instance string
	unlock   func() error // of the place
}

const (
	// rivalsPatience bounds the question who else is in the group, which a start waits for.
	rivalsPatience = 3 * time.Second
	// groupPatience is how long an instance that the group does not take works on nothing.
	groupPatience = 30 * time.Second
	// mostPlaces is how many instances of one host find a name of their own in one state folder.
	mostPlaces = 64
)

// enroll makes this instance a member of the group. An instance that finds no other begins with all numbers, so nobody who is alone
// waits for a group.
func (s *Service) enroll(ctx context.Context) error {
	m := &membership{unlock: func() error { return nil }}
	if m.instance = s.cfg.Instance; m.instance == "" {
		m.instance, m.unlock = s.place()
	}
	ask, cancel := context.WithTimeout(ctx, rivalsPatience)
	rivals, err := s.bus.Rivals(ask, Group, m.instance)
	cancel()
	if err != nil {
		s.log.Warn("who else is in the group is not known, every partition is folded here until it is", "group", Group, "error", err)
	}
	s.duties.everything(rivals == 0)
	m.Member, err = s.bus.Join(bus.MemberOptions{
		Group: Group, Instance: m.instance, Topics: append([]string{event.TopicPanes}, inputTopics...), Session: s.cfg.session(),
		Given: func(numbers []int32) {
			s.log.Info("partition numbers are given", "numbers", numbers)
			s.metrics.shared.Inc()
			s.duties.give(numbers)
		},
		Taken: func(ctx context.Context, numbers []int32) {
			s.log.Info("partition numbers go to others", "numbers", numbers)
			s.duties.take(ctx, numbers)
		},
		Lost: func() {
			s.log.Warn("the group took this instance for dead, others may fold its partitions", "group", Group)
			s.duties.everything(false)
		},
	})
	if err != nil {
		_ = m.unlock() // nothing was written
		return err
	}
	s.mu.Lock()
	s.member = m
	s.mu.Unlock()
	return nil
}

// resign leaves the group. Lanes have ended.
func (s *Service) resign() {
	if m := s.membership(); m != nil {
		m.Close()
		_ = m.unlock()
	}
}

func (s *Service) membership() *membership {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.member
}

// attend sees to it until ctx ends that an instance that the group does not take folds everything after a while.
func (s *Service) attend(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	since := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		joined, trouble := s.membership().Joined()
		switch {
		case joined:
			since = time.Now()
		case time.Since(since) > groupPatience && !s.duties.alone():
			s.log.Error("the group does not take this instance, every partition is folded here", "group", Group, "error", trouble)
			s.duties.everything(true)
		}
	}
}

// place is a name for this instance that it has again when it starts again, and the lock that keeps it: the host, the state folder,
// and the first free number of that. Without one the instance is a member without a name.
func (s *Service) place() (name string, unlock func() error) {
	none := func() error { return nil }
	host, err := os.Hostname()
	if err != nil {
		return "", none
	}
	dir := filepath.Join(s.opts.StateDir, "_state", "members")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.log.Warn("no name in the group can be kept", "dir", dir, "error", err)
		return "", none
	}
	host = unfit.ReplaceAllString(host, "-")
	host = host[:min(len(host), 200)]
	path, _ := filepath.Abs(dir) // else it is relative, and tells less
	folder := sha256.Sum256([]byte(path))
	for n := range mostPlaces {
		name := fmt.Sprintf("%s-%x-%d", host, folder[:4], n)
		unlock, err := atomicfile.Lock(filepath.Join(dir, name))
		if err == nil {
			return name, unlock
		}
		if !errors.Is(err, atomicfile.ErrLocked) {
			s.log.Warn("no name in the group can be kept", "dir", dir, "error", err)
			break
		}
	}
	return "", none
}

// unfit is what the name of a member may not have.
var unfit = regexp.MustCompile(`[^a-zA-Z0-9._-]`)

// session is how long a silent member keeps its numbers.
func (c *Config) session() time.Duration {
	if c.Session == 0 {
		return 10 * time.Second
	}
	return c.Session
}
