package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
)

// replicas adds replicas to whatever keeps their number as a JSON document, such as a Deployment of Kubernetes. It only adds: what
// takes away ends requests that run. Going back to the number of before is all that it takes away.
type replicas struct {
	*caller
	c Config
}

// Can is part of respond.Target.
func (s *replicas) Can(o *respond.Order) error {
	if o.Action != "scale" {
		return cannot(o, "replicas", "scale")
	}
	if err := needs(o, append(names(s.c.Check), names(s.c.Apply)...)...); err != nil {
		return err
	}
	_, err := s.wish(o, 1)
	return err
}

// Aim is part of respond.Target.
func (s *replicas) Aim(o *respond.Order) string {
	used := names(s.c.Check + s.c.Apply)
	slices.Sort(used)
	return aim(o, slices.Compact(used)...)
}

// Reverts is part of respond.Target.
func (s *replicas) Reverts(*respond.Order) bool { return true }

// wish is the number of replicas that an order asks for where there are some.
func (s *replicas) wish(o *respond.Order, now int) (int, error) {
	total, more := o.With["replicas"], o.With["add"]
	if (total == "") == (more == "") {
		return 0, errors.New("scale needs one of with.replicas and with.add")
	}
	n, err := strconv.Atoi(total + more)
	if err != nil || n < 1 || n > maxReplicas {
		return 0, fmt.Errorf("%q is no whole number from 1 to %d", clip(total+more), maxReplicas)
	}
	if more != "" {
		n += now
	}
	if n > s.c.MaxReplicas {
		return 0, fmt.Errorf("that would be %d replicas; the target allows %d (max_replicas)", n, s.c.MaxReplicas)
	}
	return n, nil
}

// look reads how many replicas are wanted and how many are ready. A number of ready ones that is not there is none: Kubernetes
// leaves out zeros.
func (s *replicas) look(ctx context.Context, o *respond.Order) (wanted, ready int, err error) {
	method, path, err := splitCall(s.c.Check)
	if err != nil {
		return 0, 0, err
	}
	var text json.RawMessage
	if err := s.call(ctx, method, fill(path, o), "", nil, &text); err != nil {
		return 0, 0, err
	}
	doc, err := unstate(text)
	if err != nil {
		return 0, 0, fmt.Errorf("%s answers with something else than a JSON object: %w", s.c.Check, err)
	}
	wanted, ok := count(doc, s.c.Wanted)
	if !ok {
		return 0, 0, fmt.Errorf("%s answers without a number of replicas at %s", s.c.Check, s.c.Wanted)
	}
	ready, _ = count(doc, s.c.Ready)
	return wanted, ready, nil
}

// count finds a whole number by a path of keys with dots between.
func count(doc map[string]any, path string) (int, bool) {
	var at any = doc
	for key := range strings.SplitSeq(path, ".") {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	n, _ := at.(json.Number)
	v, err := strconv.Atoi(n.String())
	return v, err == nil && v >= 0 && v <= math.MaxInt32
}

// nested is a document in which one number stands at a path.
func nested(path string, n int) map[string]any {
	keys := strings.Split(path, ".")
	var at any = n
	for _, key := range slices.Backward(keys[1:]) {
		at = map[string]any{key: at}
	}
	return map[string]any{keys[0]: at}
}

// set asks for a number of replicas.
func (s *replicas) set(ctx context.Context, key string, o *respond.Order, n int) error {
	method, path, err := splitCall(s.c.Apply)
	if err != nil {
		return err
	}
	body, err := json.Marshal(nested(s.c.Wanted, n))
	if err != nil {
		return err
	}
	headers := s.bearer()
	if method == http.MethodPatch { // RFC 7396, as Kubernetes takes it
		headers = map[string]string{"Content-Type": "application/merge-patch+json"}
		for k, v := range s.bearer() {
			headers[k] = v
		}
	}
	_, err = s.send(ctx, method, fill(path, o), key, body, headers)
	return err
}

func replicaState(n int) []byte { return state(map[string]any{"replicas": n}) }

func replicasIn(text []byte) (int, error) {
	var v struct {
		Replicas int `json:"replicas"`
	}
	return v.Replicas, json.Unmarshal(text, &v)
}

// Check is part of respond.Target.
func (s *replicas) Check(ctx context.Context, o *respond.Order) (*respond.Sight, error) {
	now, _, err := s.look(ctx, o)
	if err != nil {
		return nil, err
	}
	want, err := s.wish(o, now)
	if err != nil {
		return nil, err
	}
	if want < now {
		return nil, fmt.Errorf("there are %d replicas already; none are taken away for %d", now, want)
	}
	return &respond.Sight{Before: replicaState(now), InPlace: want == now, Lasting: true}, nil
}

// made is the number that an order makes of the one of before.
func (s *replicas) made(o *respond.Order, before []byte) (was, want int, err error) {
	if was, err = replicasIn(before); err != nil {
		return 0, 0, err
	}
	want, err = s.wish(o, was)
	return was, want, err
}

// Apply is part of respond.Target.
func (s *replicas) Apply(ctx context.Context, key string, o *respond.Order, sight *respond.Sight) ([]byte, error) {
	_, want, err := s.made(o, sight.Before)
	if err != nil {
		return nil, err
	}
	return replicaState(want), s.set(ctx, key, o, want)
}

// Begins is part of respond.Stepwise: a replica that loads a model takes its time.
func (s *replicas) Begins(*respond.Order) (step string, passing bool) { return "start", false }

// Step is part of respond.Stepwise. There is no other step.
func (s *replicas) Step(context.Context, string, *respond.Order, string) error {
	return respond.ErrNotDone
}

// Await is part of respond.Stepwise. The lease bounds how long replicas may take.
func (s *replicas) Await(ctx context.Context, o *respond.Order, at respond.At) (respond.Progress, error) {
	_, want, err := s.made(o, at.Before)
	if err != nil {
		return respond.Progress{}, err
	}
	wanted, ready, err := s.look(ctx, o)
	switch note := fmt.Sprintf("%d of %d replicas are ready", ready, want); {
	case err != nil:
		return respond.Progress{Note: err.Error()}, nil
	case wanted != want:
		return respond.Progress{}, fmt.Errorf("somebody else asks for %d replicas", wanted)
	default:
		return respond.Progress{Done: ready >= want, Note: note}, nil
	}
}

// Verify is part of respond.Target.
func (s *replicas) Verify(ctx context.Context, _ string, o *respond.Order, sight *respond.Sight) error {
	p, err := s.Await(ctx, o, respond.At{Before: sight.Before})
	if err == nil && !p.Done {
		err = errors.New(p.Note)
	}
	return err
}

// Revert is part of respond.Target.
func (s *replicas) Revert(ctx context.Context, key string, o *respond.Order, before, _ []byte) (string, error) {
	was, want, err := s.made(o, before)
	if err != nil {
		return "", err
	}
	switch now, _, err := s.look(ctx, o); {
	case err != nil:
		return "", err
	case now == was:
		return "it was so already", nil
	case now != want:
		return fmt.Sprintf("somebody else has changed it to %d replicas meanwhile, so it was left alone", now), nil
	}
	sent := s.set(ctx, key+"-revert", o, was)
	if now, _, err := s.look(ctx, o); err != nil || now != was {
		return "", errors.Join(sent, err, fmt.Errorf("%d replicas are asked for, not %d", now, was))
	}
	return "", nil
}
