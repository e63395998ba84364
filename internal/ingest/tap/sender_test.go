package tap

import (
	"context"
	"errors"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

type writer func(msgs []*bus.Message) error

func (w writer) Send(_ context.Context, msgs []*bus.Message) error { return w(msgs) }

// Only what a write took counts as delivered, in whatever words it fails.
func TestSenderTellsWhatFailed(t *testing.T) {
	broken := errors.New("broken")
	good := []byte(`{"event_id":"1","event_type":"llm_request","timestamp":"2026-05-01T00:00:00Z","data":{"model":"m"}}`)
	for _, tt := range []struct {
		name    string
		fails   error
		refused int
		want    error
	}{
		{"all is well", nil, 1, nil},
		{"one is too large", &bus.SendError{Errs: []error{bus.ErrTooLarge, nil}}, 2, nil},
		{"the brokers are away", &bus.SendError{Errs: []error{nil, bus.ErrAway}, First: 1}, 0, bus.ErrAway},
		{"the write as a whole fails", broken, 0, broken},
	} {
		s := &sender{connect: func(context.Context) (Writer, error) {
			return writer(func([]*bus.Message) error { return tt.fails }), nil
		}}
		refused, err := s.Send(t.Context(), [][]byte{good, []byte("no event"), good})
		if !errors.Is(err, tt.want) || err == nil && refused != tt.refused {
			t.Errorf("%s: %d refused, %v", tt.name, refused, err)
		}
	}
}
