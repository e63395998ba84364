package batch

import (
	"context"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// What users said of answers, read from the raw events of an hour.

// judgement is what a user said of one answer.
type judgement struct {
	score    float64
	scored   bool
	accepted bool // a thumb up, or a score of 4 or 5 and no thumb down
}

// judgements adds those of one hour.
func (f *folder) judgements(ctx context.Context, hour int64, files []event.LakeFile, c *contented) error {
	files = slices.DeleteFunc(slices.Clone(files), func(f event.LakeFile) bool {
		k, _ := event.KindOfTopic(f.Topic)
		return k != event.LLMRequest && k != event.UserFeedback
	})
	if len(files) == 0 {
		return nil
	}
	w, err := f.begin(ctx, hour, files, whole)
	if err != nil {
		return err
	}
	defer w.close()
	requests, others := w.byKind()
	said := map[string]judgement{}
	keep := []int32{}
	var scratch event.Event
	w.folder = &folder{scan: f.scan, readers: 1} // what it writes has one owner
	nobody := func() struct{} { return struct{}{} }
	_, err = forEach(ctx, w, w.units(others, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime) | event.FieldsOf(event.RequestID, event.SatisfactionScore, event.Thumbs)
	}, nobody, func(_ struct{}, s *source, b *event.LakeBlock) (err error) {
		keep, err = w.choose(s, b, keep[:0])
		id, score, thumbs := b.Field(event.RequestID), b.Field(event.SatisfactionScore), b.Field(event.Thumbs)
		for _, row := range keep {
			text, j := id.Text(int(row)), judgement{scored: score.Has(int(row))}
			thumb := thumbs.Text(int(row))
			if text == "" || !j.scored && thumb == "" {
				continue
			}
			if j.scored {
				j.score = score.Floats[row]
			}
			j.accepted = thumb == "up" || thumb == "" && j.score >= 4
			said[strings.Clone(text)] = j
			c.judged++
		}
		return err
	})
	if err != nil || len(said) == 0 {
		return err
	}
	_, err = forEach(ctx, w, w.units(requests, true), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset, event.LakeTime, event.LakeExtra, event.LakeMetadata) | event.FieldsOf(event.RequestID, event.DurationMS, event.Model, event.Cost)
	}, nobody, func(_ struct{}, s *source, b *event.LakeBlock) (err error) {
		keep, err = w.choose(s, b, keep[:0])
		id, took, model, price := b.Field(event.RequestID), b.Field(event.DurationMS), b.Field(event.Model), b.Field(event.Cost)
		for _, row := range keep {
			j, ok := said[id.Text(int(row))]
			if !ok {
				continue
			}
			c.matched++
			if j.scored && took.Has(int(row)) {
				c.bands[bandOf(took.Ints[row])].Add(j.score)
			}
			if name := model.Text(int(row)); j.scored && name != "" {
				version, err := versionOf(b, int(row), &scratch)
				if err != nil {
					return err
				}
				if v := c.version(name, version); v != nil {
					v.Add(j.score)
				}
			}
			if m := c.of(model.Text(int(row))); m != nil {
				m.add(j, price, int(row))
			}
		}
		return err
	})
	return err
}

// versionNames are the members that tell the version of a request's model, the best first.
var versionNames = []string{"model_version", "version", "prompt_version"}

// mostVersion bounds the name of a version.
const mostVersion = 100

// versionOf is the version that a request names, "" when it names none; e is memory to work in.
func versionOf(b *event.LakeBlock, row int, e *event.Event) (string, error) {
	if extra := b.Column(event.LakeExtra); extra.Has(row) {
		e.Reset()
		e.Kind = b.Kind
		if err := b.SplitExtra(extra.Text(row), e); err != nil {
			return "", err
		}
		if v := versionIn(e.Extra); v != "" {
			return v, nil
		}
	}
	return versionIn([]byte(b.Column(event.LakeMetadata).Text(row))), nil
}

func versionIn(object []byte) string {
	for _, name := range versionNames {
		if text := event.TextMember(object, name); text != "" {
			return strings.ToValidUTF8(text[:min(len(text), mostVersion)], "")
		}
	}
	return ""
}
