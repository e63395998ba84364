package sdk_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/sdk"
)

// printer stands for hxp: it takes what a producer sends.
type printer struct{}

func (printer) Send(_ context.Context, batch [][]byte) (refused int, err error) {
	for _, event := range batch {
		fmt.Println(string(event))
	}
	return 0, nil
}

func ExampleProducer() {
	p, err := sdk.NewProducer(sdk.Options{Sender: printer{}, Source: "shop"}) // or URL: "http://127.0.0.1:9099"
	if err != nil {
		panic(err)
	}
	_ = p.Emit(sdk.Event{
		ID: "order-4711", Type: sdk.BusinessEvent, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Data: sdk.Business{Type: "order", RequestID: "r-1", ValueUSD: new(19.9)},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: {"event_id":"order-4711","event_type":"business_event","timestamp":"2026-01-02T03:04:05Z","source":"shop","data":{"business_event_type":"order","request_id":"r-1","business_value_usd":19.9}}
}

// teller prints what an observer saw.
type teller struct{}

func (teller) Emit(e sdk.Event) error {
	r := e.Data.(sdk.Request)
	fmt.Println(r.RequestID, r.Model, *r.PromptTokens, *r.CompletionTokens, *r.Success)
	return nil
}

// A client whose calls are watched: give it to an OpenAI SDK as its HTTP client.
func ExampleObserver_Transport() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"model":"m-2026","choices":[],"usage":{"prompt_tokens":12,"completion_tokens":34}}`)
	}))
	defer server.Close()
	o := sdk.Observer{To: teller{}} // a *sdk.Producer in a program
	client := &http.Client{Transport: o.Transport(http.DefaultTransport)}

	r, _ := http.NewRequest(http.MethodPost, server.URL+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
	r.Header.Set("X-Request-Id", "r-1")
	resp, err := client.Do(r)
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	// Output: r-1 m-2026 12 34 true
}

// A server whose calls are watched.
func ExampleObserver_Handler() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/completions", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, `data: {"model":"m","choices":[{"text":"Hi"}]}`+"\n\n"+`data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}`+"\n\ndata: [DONE]\n\n")
	})
	o := sdk.Observer{To: teller{}}
	r := httptest.NewRequest(http.MethodPost, "/v1/completions", strings.NewReader(`{"stream":true}`))
	r.Header.Set("X-Request-Id", "r-2")
	o.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
	// Output: r-2 m 3 1 true
}
