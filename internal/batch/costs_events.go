package batch

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Costs from raw events, each identity once.

// partField is the field that tells a part; key, feature and prompt_version stand in what the catalogue does not know, the times in the time.
var partField = map[string]event.Field{"model": event.Model, "tenant": event.Tenant, "user_id": event.UserID, "endpoint": event.Endpoint, "operation": event.Operation, "session_id": event.SessionID, "host": event.Host}

// extraParts are those that the catalogue does not know.
var extraParts = []string{"key", "feature", "prompt_version"}

// costOfEvents adds an hour from its raw events, and from its base when some have left.
func (s *Service) costOfEvents(ctx context.Context, q *costQuery, hour int64, table *cost.Table) error {
	files, base, _, err := s.deps.Hours.HourSnapshot(ctx, hour)
	if err != nil {
		return err
	}
	if len(base) > 0 && !timeOf(hour).Before(q.from) { // all that is known of them is the hour, so they count at its start
		if err := q.addBase(hour, base, table); err != nil {
			return err
		}
	}
	return s.costOfFiles(ctx, q, hour, files, table)
}

// costOfFiles adds the requests of an hour that stand in files.
func (s *Service) costOfFiles(ctx context.Context, q *costQuery, hour int64, files []event.LakeFile, table *cost.Table) error {
	if files = requestFiles(files); len(files) == 0 {
		return nil
	}
	if !q.rows.take(rowsOf(files)) {
		return tooMuch("group_by", "it takes more than %d raw events; ask for a shorter time, or group by one of model, tenant, endpoint and user_id (and hour, day, month), which stored hours tell", maxCostRows)
	}
	found, err := s.folder.spending(ctx, hour, files, q)
	if err != nil {
		return err
	}
	for _, t := range found {
		table.Merge(t.table)
	}
	return nil
}

// requestFiles are the files that hold requests.
func requestFiles(files []event.LakeFile) []event.LakeFile {
	return slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool {
		k, _ := event.KindOfTopic(f.Topic)
		return k != event.LLMRequest
	})
}

// spender is what one reader adds up. It has one owner.
type spender struct {
	w        *work
	q        *costQuery
	table    *cost.Table
	times    []string // parts of the key that the hour tells
	key      []string
	keep     []int32
	requests agg.Requests
	usage    []agg.Usage
	extras   map[string]extras
	ev       event.Event // scratch
}

// spending adds up the requests of an hour.
func (f *folder) spending(ctx context.Context, hour int64, files []event.LakeFile, q *costQuery) ([]*spender, error) {
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return nil, err
	}
	defer w.close()
	requests, _ := w.byKind()
	return forEach(ctx, w, w.units(requests, true), q.columns, func() *spender {
		return &spender{w: w, q: q, table: cost.NewTable(q.by), times: q.timesOf(hour), key: q.timesOf(hour), extras: map[string]extras{}}
	}, (*spender).add)
}

// columns are what the question needs to read.
func (q *costQuery) columns(event.Kind) event.LakeColumns {
	c := event.ColumnsOf(event.LakeOffset) | agg.RequestColumns&^event.FieldsOf(event.DurationMS, event.TTFT, event.TPOT, event.UserID, event.SessionID)
	for _, part := range q.by {
		if f, ok := partField[part]; ok {
			c |= event.FieldsOf(f)
		} else if slices.Contains(extraParts, part) {
			c |= event.ColumnsOf(event.LakeMetadata, event.LakeExtra)
		}
	}
	return c
}

func (p *spender) add(s *source, b *event.LakeBlock) (err error) {
	if p.keep, err = p.w.choose(s, b, p.keep[:0]); err != nil {
		return err
	}
	p.requests.Prepare(b, p.w.lateness)
	p.usage = append(p.usage[:0], agg.Usage{})
	times := b.Column(event.LakeTime)
	from, to := p.q.from.UnixMicro(), p.q.to.UnixMicro()
	zero := []int32{0}
	for _, row := range p.keep {
		if t := times.Int(int(row)); t < from || t >= to {
			continue
		}
		for i, part := range p.q.by {
			if p.times[i] == "" {
				if p.key[i], err = p.value(b, int(row), part); err != nil {
					return err
				}
			}
		}
		p.usage[0] = agg.Usage{}
		p.requests.AddUsage(p.usage, zero, []int32{row})
		p.q.add(p.table, p.key, &p.usage[0])
	}
	return nil
}

// value is what a row says of a part of the key.
func (p *spender) value(b *event.LakeBlock, row int, part string) (string, error) {
	if f, ok := partField[part]; ok {
		if v := b.Field(f).Text(row); v != agg.AllModels { // as in the fold, nobody stands in place of the total
			return v, nil
		}
		return "", nil
	}
	more, err := p.unknown(b, row)
	meta := p.extrasOf(b.Column(event.LakeMetadata).Text(row))
	switch part {
	case "key":
		return firstText(more.KeyAlias, more.Key, meta.KeyAlias, meta.Key), err
	case "prompt_version":
		return firstText(more.PromptVersion, meta.PromptVersion), err
	}
	return firstText(more.Feature, meta.Feature), err
}

// unknown are the fields of a row that the catalogue does not know.
func (p *spender) unknown(b *event.LakeBlock, row int) (extras, error) {
	text := b.Column(event.LakeExtra)
	if !text.Has(row) {
		return extras{}, nil
	}
	p.ev.Reset()
	p.ev.Kind = b.Kind
	err := b.SplitExtra(text.Text(row), &p.ev)
	return p.extrasOf(string(p.ev.Extra)), err
}

func firstText(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

// extras are fields that the catalogue does not know and chargeback does: the name of the key that a request was made with, the feature that
// it was made for, and the version of the prompt that asked.
type extras struct {
	KeyAlias      string
	Key           string
	Feature       string
	PromptVersion string
}

// mostExtras bounds the texts whose fields are remembered: most requests of a source say the same.
const mostExtras = 10_000

func (p *spender) extrasOf(text string) extras {
	if !strings.Contains(text, "key") && !strings.Contains(text, "feature") && !strings.Contains(text, "prompt_version") {
		return extras{}
	}
	if x, ok := p.extras[text]; ok {
		return x
	}
	var all map[string]any
	_ = json.Unmarshal([]byte(text), &all) // what is no object tells nothing
	x := extras{}
	for name, to := range map[string]*string{"key_alias": &x.KeyAlias, "key": &x.Key, "feature": &x.Feature, "prompt_version": &x.PromptVersion} {
		if s, ok := all[name].(string); ok && !strings.Contains(s, "\x00") && len(s) <= 256 {
			*to = s
		}
	}
	if len(p.extras) >= mostExtras {
		clear(p.extras)
	}
	p.extras[strings.Clone(text)] = x
	return x
}
