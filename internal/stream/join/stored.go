package join

import "github.com/hxp-enterprise/hxp/internal/event"

// Stored brings the events of a request together that lie in the hours at rest.
type Stored struct{ record Record }

// maxStored bounds the parts of a request that are shown.
const maxStored = 1000

// Add takes an event in, which may be used again afterwards. It is false when there are too many.
func (s *Stored) Add(e *event.Event) bool {
	if len(s.record.Parts) >= maxStored {
		return false
	}
	s.record.Parts = append(s.record.Parts, event.AppendCompact(nil, e))
	return true
}

// View is what is shown of them, to a tenant alone unless it is "", nil without any. Nobody knows when such a request was closed.
func (s *Stored) View(tenant string) (*View, error) {
	record, ok := s.record, true
	if tenant != "" {
		record, ok = s.record.Only(tenant)
	}
	if !ok || len(record.Parts) == 0 {
		return nil, nil
	}
	record.Closed = true
	v, err := record.View()
	if err != nil {
		return nil, err
	}
	v.Tier, v.ClosedAt = "batch", nil
	return v, nil
}
