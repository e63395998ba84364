package app

import (
	"io"

	"github.com/hxp-enterprise/hxp/internal/stream/anomaly"
)

// ScoreAnomalies reads CSV with timestamp and value and writes it with an anomaly score for each row; name stands in errors.
func ScoreAnomalies(name string, in io.Reader, out io.Writer) error {
	return anomaly.Score(name, in, out)
}
