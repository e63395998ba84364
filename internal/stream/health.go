package stream

import (
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Healthy is nil while the input is read and counted, else it says why it is not.
func (s *Service) Healthy() error {
	s.mu.RLock()
	failure := s.failure
	s.mu.RUnlock()
	if failure != nil {
		return failure
	}
	for _, l := range s.allLanes() {
		if err := l.refusal(); err != nil {
			return fmt.Errorf("the journal takes no units: %w", err)
		}
		if err := l.joins.refusal(); err != nil {
			return fmt.Errorf("%s takes no records of joined requests: %w", event.TopicCorrelations, err)
		}
	}
	return nil
}

// lagLimit is how far the rules may be behind for their alerts to be of today.
const lagLimit = time.Minute

func (s *Service) rulesProblems() (reasons []string) {
	if s.judge == nil {
		return nil
	}
	if fault := s.judge.fault.Load(); fault != nil {
		reasons = append(reasons, "the rules that count cannot be run, those of before go on: "+*fault)
	}
	if lag := s.rulesLag(time.Now()); lag > lagLimit {
		reasons = append(reasons, fmt.Sprintf("rules are judged %s behind: alerts come late, and nothing acts on them", lag.Round(time.Second)))
	}
	return reasons
}

// reachLimit is how far back duplicates must be recognised for the windows to be called healthy.
const reachLimit = 10 * time.Minute

// Problems says what an operator should know: reasons for which the service is degraded.
func (s *Service) Problems() (reasons []string) {
	s.mu.RLock()
	missing := s.missing
	s.mu.RUnlock()
	for _, t := range missing {
		reasons = append(reasons, fmt.Sprintf("topic %s does not exist: make it, or start hxp again, which makes it", t))
	}
	reasons = append(reasons, s.rulesProblems()...)
	reasons = append(reasons, s.groupProblems()...)
	parts := s.partitions()
	for _, src := range sortedSources(parts) {
		p := parts[src]
		if p.Again > 0 {
			reasons = append(reasons, fmt.Sprintf("windows of %s/%d are being counted again from the topic, %d records to go", src.Topic, src.Partition, p.Again))
		}
		if p.Unseen > 0 {
			reasons = append(reasons, fmt.Sprintf("%d records of %s/%d are not in the windows of this instance: it finds no snapshot of the instance that counted them, let all instances share the folder _state", p.Unseen, src.Topic, src.Partition))
		}
		if p.GapReason != "" {
			reasons = append(reasons, fmt.Sprintf("%d records of %s/%d are missing from the windows: %s", p.Lost, src.Topic, src.Partition, p.GapReason))
		}
		switch reach := time.Since(time.UnixMicro(p.Reach)); {
		case !p.Partial || reach >= reachLimit:
		case p.Blind > 0:
			reasons = append(reasons, fmt.Sprintf("%s/%d lost %d records before their identities were read again: events that repeat them count again", src.Topic, src.Partition, p.Blind))
		default:
			reasons = append(reasons, fmt.Sprintf("duplicates are recognised only %s back in %s/%d: raise duplicate_filter_bytes", reach.Round(time.Second), src.Topic, src.Partition))
		}
	}
	return reasons
}

// groupProblems says that nobody shares the partitions out, when that was tried.
func (s *Service) groupProblems() []string {
	m := s.membership()
	if m == nil {
		return nil
	}
	switch joined, trouble := m.Joined(); {
	case joined || trouble == nil:
		return nil
	case s.duties.alone():
		return []string{fmt.Sprintf("the group %s does not take this instance, which folds every partition: exact, but nothing is shared out: %s", Group, trouble)}
	default:
		return []string{fmt.Sprintf("the group %s does not take this instance, which waits for it: %s", Group, trouble)}
	}
}
