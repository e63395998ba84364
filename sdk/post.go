package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// poster sends batches by POST /events of kafka-api.
type poster struct {
	url, token string
	client     *http.Client
}

func newPoster(base, token string, client *http.Client) (*poster, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("sdk: URL %q is not the base of kafka-api; give one like http://127.0.0.1:9099, or a Sender", base)
	}
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	return &poster{strings.TrimSuffix(base, "/") + "/events", token, client}, nil
}

// Send implements Sender. A batch that is refused as a whole is halved until the events that are to blame stand alone.
func (p *poster) Send(ctx context.Context, batch [][]byte) (refused int, err error) {
	status, rejected, err := p.post(ctx, batch)
	if err != nil || status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
		return rejected, err
	}
	if len(batch) == 1 {
		return 1, nil
	}
	for _, half := range [][][]byte{batch[:len(batch)/2], batch[len(batch)/2:]} {
		n, err := p.Send(ctx, half)
		if err != nil {
			return 0, err
		}
		refused += n
	}
	return refused, nil
}

// post sends a batch once. Statuses that judge the batch come back without an error, all others as one.
func (p *poster) post(ctx context.Context, batch [][]byte) (status, rejected int, err error) {
	body := append(bytes.Join(batch, []byte{'\n'}), '\n')
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, 0, err
	}
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusMultiStatus, http.StatusUnprocessableEntity:
		var answer struct{ Accepted, Rejected, Duplicates int }
		if err := json.Unmarshal(text, &answer); err != nil || answer.Accepted+answer.Rejected+answer.Duplicates != len(batch) {
			return 0, 0, fmt.Errorf("POST %s: answer %d does not speak of the %d events that were sent: is this kafka-api?", p.url, resp.StatusCode, len(batch))
		}
		return resp.StatusCode, answer.Rejected, nil
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return resp.StatusCode, 0, nil
	}
	err = errors.New("POST " + p.url + ": " + resp.Status + ": " + oneLine(text))
	if seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")); seconds > 0 {
		err = &RetryError{time.Duration(seconds) * time.Second, err}
	}
	return 0, 0, err
}

// oneLine shows the beginning of an answer.
func oneLine(b []byte) string {
	return strings.Join(strings.Fields(string(b[:min(len(b), 300)])), " ")
}
