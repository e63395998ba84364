package batch

import (
	"context"
	"sync"
)

// inOrder does n pieces of work, some at a time, and hands over what each made in their order, so that the result does not hang on which was
// ready first. At the first error it stops and returns it. All its goroutines have ended when it returns.
func inOrder[T any](ctx context.Context, n, atATime int, do func(ctx context.Context, i int) (T, error), take func(T) error) error {
	ctx, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	type made struct {
		what T
		err  error
	}
	ready := make([]chan made, n)
	begun := 0
	begin := func() {
		i, out := begun, make(chan made, 1)
		ready[i] = out
		begun++
		work.Go(func() {
			what, err := do(ctx, i)
			out <- made{what, err}
		})
	}
	for i := range n {
		for begun < min(n, i+atATime) {
			begin()
		}
		m := <-ready[i]
		if m.err == nil {
			m.err = take(m.what)
		}
		if m.err != nil {
			return m.err
		}
	}
	return nil
}
