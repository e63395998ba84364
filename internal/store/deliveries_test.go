package store

import (
	"errors"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

var noon = time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC)

func aDelivery(id string) agg.Delivery {
	return agg.Delivery{ID: id, Report: "r", Way: "mail", Target: "a@example.org", CreatedAt: noon, NextAt: noon, Machine: "here"}
}

// A delivery is asked for once, tried by one at a time, and begun anew only when that is asked for.
func TestDelivery(t *testing.T) {
	s, ctx := open(t), t.Context()
	queue := func(again bool) agg.Delivery {
		t.Helper()
		d, err := s.QueueDelivery(ctx, aDelivery("d"), again)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := queue(false); d.State != agg.DeliveryWaiting || d.Attempts != 0 || !d.NextAt.Equal(noon) {
		t.Errorf("%+v", d)
	}
	queue(true)
	if _, err := s.ClaimDelivery(ctx, "there", noon, noon.Add(time.Minute)); !errors.Is(err, ErrNotFound) {
		t.Errorf("another machine takes it: %v", err)
	}
	if _, err := s.ClaimDelivery(ctx, "here", noon.Add(-time.Second), noon); !errors.Is(err, ErrNotFound) {
		t.Errorf("before it is due: %v", err)
	}
	until := noon.Add(time.Minute)
	d, err := s.ClaimDelivery(ctx, "here", noon, until)
	if err != nil || d.State != agg.DeliverySending || d.Attempts != 1 || d.Uncertain != 0 {
		t.Fatalf("%+v, %v", d, err)
	}
	if _, err := s.ClaimDelivery(ctx, "here", noon.Add(time.Second), until); !errors.Is(err, ErrNotFound) {
		t.Errorf("taken twice: %v", err)
	}
	if again := queue(true); again.State != agg.DeliverySending {
		t.Errorf("asked for during a try: %+v", again)
	}
	lost, err := s.ClaimDelivery(ctx, "here", until, until.Add(time.Minute))
	if err != nil || lost.Attempts != 2 || lost.Uncertain != 1 {
		t.Fatalf("after a try that was lost: %+v, %v", lost, err)
	}
	d.State = agg.DeliverySent
	if err := s.SaveDelivery(ctx, d, until); !errors.Is(err, ErrNotFound) {
		t.Errorf("who lost the claim writes: %v", err)
	}
	lost.State, lost.SHA256, lost.SentAt = agg.DeliverySent, "abc", new(until)
	if err := s.SaveDelivery(ctx, lost, until.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.NextDelivery(ctx, "here"); !errors.Is(err, ErrNotFound) {
		t.Errorf("something is due: %v", err)
	}
	if d := queue(false); d.State != agg.DeliverySent || d.SHA256 != "abc" || d.SentAt == nil {
		t.Errorf("asked for again: %+v", d)
	}
	if d := queue(true); d.State != agg.DeliveryWaiting || d.SHA256 != "abc" || d.Attempts != 0 {
		t.Errorf("begun anew: %+v", d)
	}
	if at, err := s.NextDelivery(ctx, "here"); err != nil || !at.Equal(noon) {
		t.Errorf("due at %v, %v", at, err)
	}
	list, counts, err := s.Deliveries(ctx, "r", 10)
	if err != nil || len(list) != 1 || counts[agg.DeliveryWaiting] != 1 {
		t.Errorf("%v %v %v", list, counts, err)
	}
	if list, _, err = s.Deliveries(ctx, "other", 10); err != nil || len(list) != 0 {
		t.Errorf("of another report: %v %v", list, err)
	}
	if err := s.PurgeDeliveries(ctx, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if list, _, _ = s.Deliveries(ctx, "", 10); len(list) != 1 {
		t.Error("one that has not ended is forgotten")
	}
}
