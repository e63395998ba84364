// Package sdk sends events to hxp from Go programs, and watches calls of LLM APIs so that nobody has to write those events by hand.
// It needs the standard library alone.
//
//	p, err := sdk.NewProducer(sdk.Options{URL: "http://127.0.0.1:9099", Spill: "/var/lib/app/hxp"})
//	…
//	defer p.Close(ctx)
//	p.Emit(sdk.Event{Type: sdk.UserFeedback, Data: sdk.Feedback{RequestID: id, Thumbs: "up"}})
//
// Watching has two sides. A client wraps its transport, a server wraps its handler; both emit one llm_request event for each
// call of chat/completions, completions, responses, embeddings, rerank and messages (Anthropic), and let everything else pass:
//
//	o := sdk.Observer{To: p}
//	client := &http.Client{Transport: o.Transport(http.DefaultTransport)}
//	http.ListenAndServe(addr, o.Handler(mux))
//
// Promised: Emit never waits for anything but memory, and what a Producer holds is bounded in memory and on disk; beyond it
// events are dropped and counted. An event gets its id once, so that sending it again, also from the spill after a restart,
// counts once. Events are delivered in the order of Emit. Watching changes no byte that passes, except that X-Request-Id is
// added where a request has none, and it keeps a bounded part of what passes in memory. Prompts, answers and keys are looked
// at for tokens and never kept.
//
// On failure of hxp a Producer tries again with growing, random pauses until it is closed. With a spill what it holds
// survives the process.
package sdk
