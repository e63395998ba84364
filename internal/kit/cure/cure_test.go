package cure

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestCure(t *testing.T) {
	err := fmt.Errorf("store: %w", With(io.EOF, "send more"))
	if cure, what := Of(err, "look"); what != io.EOF || cure != "send more" || err.Error() != "store: EOF; send more" || !errors.Is(err, io.EOF) {
		t.Errorf("%v: %v, %q", err, what, cure)
	}
	if cure, what := Of(io.EOF, "look"); what != io.EOF || cure != "look" {
		t.Errorf("%v, %q", what, cure)
	}
	if With(nil, "x") != nil || With(io.EOF, "") != io.EOF {
		t.Error("nothing to be cured")
	}
}
