package batch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var got []int
		err := inOrder(t.Context(), 10, 3, func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(10-i) * time.Second)
			return i, nil
		}, func(i int) error { got = append(got, i); return nil })
		if err != nil || len(got) != 10 || time.Since(began) >= 55*time.Second {
			t.Errorf("%v in %s, %v", got, time.Since(began), err)
		}
		for i, n := range got {
			if i != n {
				t.Errorf("%v", got)
			}
		}
		bad := errors.New("bad")
		err = inOrder(t.Context(), 10, 3, func(ctx context.Context, i int) (int, error) {
			if i == 4 {
				return 0, bad
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Hour):
				return i, nil
			}
		}, func(i int) error {
			if i > 3 {
				t.Errorf("%d is taken", i)
			}
			return nil
		})
		if !errors.Is(err, bad) {
			t.Error(err)
		}
	})
}
