package agg

import (
	"testing"
	"unsafe"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// request makes a settled llm_request with everything that a cell counts.
func request(user, session string, ns int64) *event.Event {
	e := &event.Event{Kind: event.LLMRequest}
	e.SetText(event.UserID, user)
	e.SetText(event.SessionID, session)
	e.SetInt(event.DurationMS, ns)
	e.SetInt(event.TTFT, ns/10)
	e.SetInt(event.TPOT, ns/100)
	e.SetInt(event.PromptTokens, 1200)
	e.SetInt(event.CompletionTokens, 345)
	e.SetInt(event.TotalTokens, 1545)
	e.SetBool(event.Success, true)
	e.SetInt(event.Cost, 1_234_567)
	return e
}

// A replayed sparse trace makes about one cell for each event.
func TestSmallCell(t *testing.T) {
	if n := unsafe.Sizeof(Cell{}); n > 400 {
		t.Errorf("an empty cell takes %d bytes, want at most 400", n)
	}
	e := request("user-1", "session-1", 1_234_567_891)
	if n := testing.AllocsPerRun(10, func() { kept = new(Cell); kept.Add(e, false) }); n != 1 {
		t.Errorf("a cell of one request takes %v allocations, want 1", n)
	}
	var c Cell
	c.Add(e, false)
	if n := len(c.Append(nil)); n > 64 {
		t.Errorf("a cell of one request is encoded in %d bytes, want about 60", n)
	}
	var d Cell
	if rest, err := d.Decode(c.Append(nil)); err != nil || len(rest) != 0 || !d.Equal(&c) {
		t.Errorf("Decode: %v, %d bytes left", err, len(rest))
	}
	t.Log(unsafe.Sizeof(Cell{}), len(c.Append(nil)))
}
