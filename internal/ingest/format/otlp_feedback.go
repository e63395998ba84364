package format

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// evaluationEvent is the event of the GenAI conventions that carries a judgement, in logs or on a span.
const evaluationEvent = "gen_ai.evaluation.result"

// judgement is one result of an evaluation, however it was written down.
type judgement struct {
	name, label, identifier, kind string
	score                         float64
	hasScore                      bool
	response, model, user         string
}

// take reads one attribute under its short name.
func (j *judgement) take(name string, v *value) {
	switch name {
	case "name":
		j.name = clipText(v.text())
	case "score", "score.value":
		if f, ok := v.float(); ok && finite(f) {
			j.score, j.hasScore = f, true
		} else if b, ok := v.boolean(); ok {
			j.score, j.hasScore = map[bool]float64{true: 1}[b], true
		}
	case "label", "score.label":
		j.label = clipText(v.text())
	case "identifier":
		j.identifier = clipText(v.text())
	case "annotator_kind":
		j.kind = clipText(v.text())
	}
}

// evaluated reads the attributes of an event gen_ai.evaluation.result.
func evaluated(attrs []attr) (j judgement) {
	for i := range attrs {
		a := &attrs[i]
		switch key := string(a.key); key {
		case "gen_ai.response.id", "gen_ai.request.id":
			if s := a.value.text(); j.response == "" || key == "gen_ai.response.id" {
				j.response = s
			}
		case "gen_ai.response.model", "gen_ai.request.model":
			if s := a.value.text(); j.model == "" || key == "gen_ai.response.model" {
				j.model = s
			}
		case "enduser.id", "user.id":
			j.user = a.value.text()
		default:
			if short, is := strings.CutPrefix(key, "gen_ai.evaluation."); is {
				j.take(short, &a.value)
			}
		}
	}
	return j
}

// rightness are the names of evaluations whose score says how right an answer is. The score of others (toxicity …) is kept
// beside, for more of it is not better.
var rightness = map[string]bool{
	"accuracy": true, "correctness": true, "factuality": true, "faithfulness": true, "groundedness": true, "helpfulness": true, "relevance": true,
	"answer_relevance": true, "answer relevance": true, "quality": true, "coherence": true, "completeness": true,
}

// feedback makes an event of a judgement. A score from 0 to 1 of how right the answer is, is an accuracy; a label may be a thumb;
// any other score is kept as it is, for nobody says what its ends are. The explanation is not kept: it quotes what was asked and answered.
func (j *judgement) feedback(e *event.Event, source string) {
	e.Reset()
	e.Kind, e.Source = event.UserFeedback, source
	for f, s := range map[event.Field]string{event.RequestID: j.response, event.Model: j.model, event.UserID: j.user} {
		if s != "" {
			e.SetText(f, s)
		}
	}
	var rest object
	rest.addText("evaluation_name", j.name)
	rest.addText("score_label", j.label)
	rest.addText("annotator_kind", j.kind)
	if j.hasScore {
		rest.add("score", strconv.AppendFloat(nil, j.score, 'g', -1, 64))
		if j.score >= 0 && j.score <= 1 && rightness[strings.ToLower(j.name)] {
			e.SetFloat(event.AccuracyFeedback, j.score)
		}
	}
	switch strings.ToLower(j.label) {
	case "thumbs_up", "thumbs-up", "up", "👍":
		e.SetText(event.Thumbs, "up")
	case "thumbs_down", "thumbs-down", "down", "👎":
		e.SetText(event.Thumbs, "down")
	}
	e.Extra = rest.text
}

// hashID is an id made of what identifies something.
func hashID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// evaluations makes feedback of the evaluations that stand on a span: events of the GenAI conventions, and OpenInference's
// indexed attributes annotations.N.annotation.* and evaluations.N.evaluation.*, of the span, its trace or its session.
func (t *traces) evaluations(s *span) error {
	for i := range s.events {
		if ev := &s.events[i]; ev.name == evaluationEvent {
			j := evaluated(ev.attrs)
			if err := t.judge(s, &j, ev.time, "event", i); err != nil {
				return err
			}
		}
	}
	var order []string
	found := map[string]*judgement{}
	for i := range s.attrs {
		a := &s.attrs[i]
		place, name, is := annotation(string(a.key))
		if !is {
			continue
		}
		if found[place] == nil {
			found[place] = &judgement{}
			order = append(order, place)
		}
		found[place].take(name, &a.value)
	}
	for i, place := range order {
		if err := t.judge(s, found[place], s.end, place, i); err != nil {
			return err
		}
	}
	return nil
}

// judge appends the feedback of one judgement on a span.
func (t *traces) judge(s *span, j *judgement, nanos uint64, place string, n int) error {
	if n > 0 {
		if err := t.items.more(); err != nil {
			return err
		}
	}
	trace, ok := hexID(s.trace, 16)
	id, okID := hexID(s.id, 8)
	if j.response == "" {
		if j.response = first(s.attrs, "gen_ai.response.id", "llm.response.id"); j.response == "" && ok && okID {
			j.response = trace + "-" + id
		}
	}
	if j.model == "" {
		j.model = first(s.attrs, "gen_ai.response.model", "llm.model_name", "gen_ai.request.model")
	}
	j.feedback(&t.e, otlpSource)
	var bad *event.Invalid
	if !ok || !okID {
		bad = wrong("/spanId", "traceId and spanId have 16 and 8 bytes, as hex digits in JSON, and are not zero")
	}
	t.e.CorrelationID = trace
	t.e.ID = hashID("evaluation", trace, id, place, j.name, j.identifier, strconv.FormatUint(nanos, 10))
	if b := stamp(&t.e, nanos, "/timeUnixNano"); b != nil {
		bad = b
	}
	t.items.add(&t.e, bad)
	return nil
}

// annotation takes the name of an attribute like annotations.0.annotation.score apart.
func annotation(key string) (place, name string, is bool) {
	rest := strings.TrimPrefix(strings.TrimPrefix(key, "trace."), "session.")
	for _, form := range []string{"annotation", "evaluation"} {
		tail, ok := strings.CutPrefix(rest, form+"s.")
		if !ok {
			continue
		}
		index, name, ok := strings.Cut(tail, "."+form+".")
		if _, err := strconv.ParseUint(index, 10, 16); !ok || err != nil {
			return "", "", false
		}
		return strings.TrimSuffix(key, "."+name), name, true
	}
	return "", "", false
}

func floatBits(f float64) uint64 { return math.Float64bits(f) }
