package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

func (j *judge) dir() string { return filepath.Join(j.opts.StateDir, "_state", "rules") }

// save begins to keep the state, when it is time or the last one, and when all that was decided is written. What is in the backlog is in
// no state: the journal has it. Before the engine has come past what hxp-alerts said at the start, the state of before is the
// better one: with it that is read again.
func (j *judge) save(last bool) {
	if !j.taken || !j.telling || len(j.backlog.units) > 0 || !last && time.Since(j.saver.last) < j.cfg.SnapshotEvery || !j.alerts.settled() || len(j.places.parts) == 0 {
		return
	}
	if j.keeping != nil && !last || j.engine.Judging() || j.saver.busy() {
		return
	}
	state, err := j.state()
	if err != nil {
		j.log.Error("state of the rules cannot be written", "error", err)
		return
	}
	for j.keeping = state; last && j.keeping != nil; {
		j.saveOn()
	}
}

// saveOn goes on with the state that is being kept. One that something made void is begun anew with the next second.
func (j *judge) saveOn() {
	if j.keeping.rules.Next() {
		return
	}
	if j.keeping.rules.Pieces != nil {
		j.saver.save(j.Service, j.dir(), j.keeping)
	}
	j.keeping = nil
}

// saver writes states of the judge beside its work, one at a time.
type saver struct {
	last   time.Time
	number int64
	work   sync.WaitGroup

	mu      sync.Mutex
	writing bool
	resumes []map[int32]int64 // of the states that are kept, newest first
	journal string
}

func (s *saver) path(dir string, number int64) string {
	return filepath.Join(dir, fmt.Sprintf("%020d", number))
}

func (s *saver) wait() { s.work.Wait() }

// kept notes a state that is on the disk.
func (s *saver) kept(number int64, at places) {
	resume := map[int32]int64{}
	for p, place := range at.parts {
		resume[p] = place.resume
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number = max(s.number, number)
	if s.journal != at.journal {
		s.journal, s.resumes = at.journal, nil
	}
	s.resumes = append([]map[int32]int64{resume}, s.resumes[:min(len(s.resumes), keptSnapshots-1)]...)
}

// goOn counts on from the states that are kept, be it by another instance.
func (s *saver) goOn(dir string) {
	numbers, err := snapshotOffsets(dir)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && len(numbers) > 0 {
		s.number = max(s.number, numbers[0])
	}
}

// judgeFloor is up to where the journal may be shortened so that the judge can still take up its state.
func (s *Service) judgeFloor(f snapshotFile, offset int64) int64 {
	if s.judge == nil {
		return offset
	}
	return min(offset, s.judge.floor(f.id, f.lane.number, offset))
}

// floor is the lowest offset of a partition of the journal that a judge's start may need, be it on another instance; most when none
// may.
func (j *judge) floor(journal string, partition int32, most int64) int64 {
	if tells, _ := j.duties.wants(tellerNumber); tells {
		return j.saver.floor(journal, partition)
	}
	numbers, _ := snapshotOffsets(j.dir()) // what cannot be read needs nothing
	for _, n := range numbers {
		if at, err := readPlaces(j.saver.path(j.dir(), n)); err == nil && at.journal == journal {
			most = min(most, at.parts[partition].resume)
		}
	}
	return most
}

// floor is the lowest offset of a partition of the journal that a restart may need.
func (s *saver) floor(journal string, partition int32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if journal != s.journal || len(s.resumes) == 0 {
		return 0
	}
	return s.resumes[len(s.resumes)-1][partition]
}

// busy tells whether a state is being written.
func (s *saver) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writing
}

// save writes a state; none may be under way.
func (s *saver) save(of *Service, dir string, state *judgeState) {
	s.mu.Lock()
	s.writing = true
	s.mu.Unlock()
	s.last = time.Now()
	number := s.number + 1
	s.work.Go(func() {
		err := s.write(dir, number, state)
		if err == nil {
			s.kept(number, state.places)
		} else {
			of.log.Error("state of the rules not written", "error", err)
		}
		s.mu.Lock()
		s.writing = false
		s.mu.Unlock()
	})
}

// write puts a state on the disk and removes those that are superfluous.
func (s *saver) write(dir string, number int64, state *judgeState) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := os.Lstat(s.path(dir, number)); err == nil {
		return fmt.Errorf("state %d is there already: another instance tells and keeps them, this one was asleep", number)
	}
	if err := atomicfile.WriteFunc(s.path(dir, number), state.write); err != nil {
		return err
	}
	numbers, err := snapshotOffsets(dir)
	if err != nil {
		return err
	}
	for _, old := range numbers[min(len(numbers), keptSnapshots):] {
		_ = os.Remove(s.path(dir, old))
	}
	return nil
}
