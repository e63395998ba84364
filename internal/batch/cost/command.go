package cost

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Prices are put in two steps, so that all of a list count from one moment on, however many records it takes and however slow the brokers are:
// records with prices wait for a small last one, which names them by their offsets and says from when on they count.

// command is what the control log carries: prices that wait, or those that cease to wait. One with both is of an earlier build and counts at once.
type command struct {
	Known   int64           `json:"known_ms,omitempty"`
	Prices  json.RawMessage `json:"prices,omitempty"`
	Waiting []int64         `json:"waiting,omitempty"` // offsets
}

// perCommand bounds the size of a record of the control log.
const perCommand = 200

// Offer writes prices as values of the control log, each to be appended under a key with Prefix. They count once Count has named them.
func Offer(prices []*Price) ([][]byte, error) {
	var out [][]byte
	for chunk := range slices.Chunk(prices, perCommand) {
		list, err := json.Marshal(chunk)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(command{Prices: list})
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// Count writes the command by which the prices that wait at some offsets count from known on.
func Count(offsets []int64, known time.Time) ([]byte, error) {
	return json.Marshal(command{Known: known.UnixMilli(), Waiting: offsets})
}

func readCommand(value []byte) (c command, prices []*Price, err error) {
	if err := json.Unmarshal(value, &c); err != nil {
		return c, nil, err
	}
	if c.Known < 0 || c.Known > 1<<43 { // the year 2248
		return c, nil, fmt.Errorf("known_ms %d is no time", c.Known)
	}
	if len(c.Waiting) > 0 {
		if c.Known == 0 || c.Prices != nil {
			return c, nil, errors.New("prices that cease to wait need known_ms, and no others beside them")
		}
		return c, nil, nil
	}
	doc, err := Read(fmt.Appendf(nil, `{"prices":%s}`, c.Prices), time.Time{})
	if err != nil {
		return c, nil, err
	}
	for _, p := range doc.Prices {
		p.Known = c.Known
	}
	return c, doc.Prices, nil
}
