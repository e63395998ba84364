package registry

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Records reads the records of topics that were written with a schema. It is what readers of topics need of a registry.
type Records struct {
	state *State
	log   Log
}

// NewRecords returns a reader's view of the registry that log feeds.
func NewRecords(state *State, log Log) *Records { return &Records{state, log} }

// Prepare makes the verdict over a batch certain before it is decoded: when a record names a schema that is not known here, the
// log is read to its end of now. A writer has an id only after the log has it, so what is unknown then was unknown when the
// record was written. It asks the brokers at most once a batch, and not at all for records without a schema. It fails only
// when ctx ends.
func (r *Records) Prepare(ctx context.Context, batch []*bus.Message) error {
	for _, m := range batch {
		id, _, ok := event.SchemaID(m.Value)
		if !ok {
			continue
		}
		if _, known := r.state.Schema(id); !known {
			return r.catchUp(ctx)
		}
	}
	return nil
}

// catchUp waits for brokers that are away: what cannot be judged now is judged later.
func (r *Records) catchUp(ctx context.Context) error {
	for {
		err := r.log.CatchUp(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(catchUpAgain):
		}
	}
}

const catchUpAgain = 200 * time.Millisecond

// Payload returns the JSON text of a record's payload, in memory of its own or that of the payload.
func (r *Records) Payload(id uint32, payload []byte) ([]byte, *event.Invalid) {
	s, ok := r.state.Schema(id)
	if !ok {
		return nil, &event.Invalid{Code: event.CodeSchema, Detail: fmt.Sprintf("there is no schema with id %d in the registry; register it and send the record again", id)}
	}
	if s.Type == JSON {
		return payload, nil
	}
	if err := s.compile(); err != nil {
		return nil, &event.Invalid{Code: event.CodeSchema, Detail: fmt.Sprintf("schema %d cannot be read here: %v", id, err)}
	}
	text, fault := s.avro.AppendJSON(make([]byte, 0, 2*len(payload)+128), payload)
	if fault != nil {
		return nil, &event.Invalid{Code: event.CodeFormat, Pointer: fault.Pointer, Detail: fmt.Sprintf("not written with schema %d: %s", id, fault.Detail)}
	}
	return text, nil
}

// Frame is a payload in the wire format.
func Frame(id uint32, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, id), payload...)
}
