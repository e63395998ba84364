// Devserver shows the dashboards over made-up traffic, for work on their looks: no broker, no windows, nothing stored.
//
//	go run ./internal/serve/devserver -addr 127.0.0.1:8501 -rate 120
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/hxp-enterprise/hxp/internal/serve"
	"github.com/hxp-enterprise/hxp/internal/serve/dashboard"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8501", "where the operations board listens; the other boards take the ports after it")
	rate := flag.Float64("rate", 120, "requests per second; 0 = no events at all")
	flag.Parse()
	if err := serveAll(*addr, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "devserver:", err)
		os.Exit(1)
	}
}

func serveAll(addr string, rate float64) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	at, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return err
	}
	metrics := serve.NewMetrics(newTraffic(rate, time.Now()), 5*time.Minute)
	hub := live.New(serve.Config{WebSocketMax: 200, SSEMax: 100, UpdateInterval: 1}.Live(), slog.Default(), metrics.Topic())
	links := map[string]string{"kafka-api": "http://127.0.0.1:9099"}
	failed := make(chan error, len(dashboard.Boards))
	for i, b := range dashboard.Boards {
		links[b.Name] = fmt.Sprintf("http://127.0.0.1:%d", at.Port+i)
	}
	for i, b := range dashboard.Boards {
		h, err := dashboard.New(b.Name, hub, dashboard.Config{Environment: "local", Version: "dev", Links: func() map[string]string { return links }})
		if err != nil {
			return err
		}
		server := &http.Server{Addr: fmt.Sprintf("%s:%d", at.IP, at.Port+i), Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go func() { failed <- server.ListenAndServe() }()
		defer func() { _ = server.Close() }()
	}
	fmt.Println("operations: http://" + addr)
	go func() { _ = hub.Run(ctx) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
