package ingest

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hxp-enterprise/hxp/internal/ingest/format"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// OTLP/gRPC by hand: the services have one unary method each, and net/http speaks HTTP/2. A request is one message behind a
// prefix of five bytes; the answer is another, and trailers with the status.

// MountOTLP adds OTLP/HTTP and OTLP/gRPC and nothing else, for listeners of their own on the ports that senders try first.
func (a *API) MountOTLP(m *httpx.Mux) {
	a.mountOTLP(m)
	for signal, name := range grpcServices {
		m.HandleFunc("POST /opentelemetry.proto.collector."+name+"/Export", a.export(otlp{format.Signal(signal)}),
			httpx.Needs(httpx.Ingest), httpx.KeepsTenantsApart(), httpx.RefusedBy(refusedCall),
			httpx.Doc("Takes OTLP over gRPC."), httpx.Body(typeGRPC), httpx.Answer("200", "the status is in the trailers"))
	}
}

var grpcServices = [...]string{format.Traces: "trace.v1.TraceService", format.Metrics: "metrics.v1.MetricsService", format.Logs: "logs.v1.LogsService"}

const (
	typeGRPC    = "application/grpc"
	framePrefix = 5
	// grpcDeadline bounds a call whose sender names no time.
	grpcDeadline = time.Minute
)

// export answers one call.
func (a *API) export(o otlp) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		defer func() { a.metrics.duration.Observe(time.Since(began).Seconds()) }()
		if t := r.Header.Get("Content-Type"); r.ProtoMajor < 2 || t != typeGRPC && t != typeGRPC+"+proto" {
			httpx.Problem(w, r, http.StatusUnsupportedMediaType, "this path speaks gRPC over HTTP/2; send OTLP/HTTP to /v1/traces, /v1/metrics or /v1/logs")
			return
		}
		w.Header().Set("Content-Type", typeGRPC)
		w.Header().Set("Grpc-Accept-Encoding", "identity,gzip,zstd")
		answer, no := a.exported(w, r, o)
		if no != nil {
			refuseCall(w, no)
			return
		}
		h := w.Header()
		h.Set("Trailer", "Grpc-Status")
		frame := append(make([]byte, framePrefix, framePrefix+len(answer)), answer...)
		binary.BigEndian.PutUint32(frame[1:], uint32(len(answer)))
		if _, err := w.Write(frame); err == nil {
			h.Set("Grpc-Status", "0")
		}
	}
}

// exported takes the message of a call down the road and returns the message that answers it.
func (a *API) exported(w http.ResponseWriter, r *http.Request, o otlp) ([]byte, *refusal) {
	ctx, cancel, no := deadlineOf(r)
	if no != nil {
		return nil, no
	}
	defer cancel()
	if no := a.full(); no != nil {
		return nil, no
	}
	in, no := a.message(r)
	if no != nil {
		return nil, no
	}
	defer in.release()
	b := batches.Get().(*batch)
	defer a.finish(b)
	if no = o.decode(a, b, false, in.bytes); no == nil {
		no = a.acceptFrom(ctx, w, r, b)
	}
	if no != nil {
		return nil, no
	}
	return protoAnswer(o.partial(a, b)), nil
}

// message reads the one message of a unary call.
func (a *API) message(r *http.Request) (*body, *refusal) {
	var prefix [framePrefix]byte
	switch _, err := io.ReadFull(r.Body, prefix[:]); {
	case isTimeout(err):
		return nil, a.readFailed(err)
	case err != nil:
		return nil, &refusal{status: http.StatusBadRequest, detail: "the call has no whole message"}
	}
	size := int64(binary.BigEndian.Uint32(prefix[1:]))
	if size > a.settings().MaxBodyBytes {
		return nil, a.tooLarge()
	}
	encoding := ""
	switch prefix[0] {
	case 0:
	case 1:
		if encoding = r.Header.Get("Grpc-Encoding"); encoding == "" || encoding == "identity" {
			return nil, &refusal{status: http.StatusBadRequest, detail: "the message is marked as compressed, and grpc-encoding does not say how"}
		}
	default:
		return nil, &refusal{status: http.StatusBadRequest, detail: "the message has an unknown flag"}
	}
	whole := &exactly{r: r.Body, left: size}
	in, no := a.readFrom(whole, size, encoding)
	if no != nil {
		if no.status == http.StatusUnsupportedMediaType {
			no = &refusal{status: http.StatusNotImplemented, detail: fmt.Sprintf("grpc-encoding %q is not supported; use gzip, zstd or identity", clip(encoding))}
		}
		return nil, no
	}
	return in, nil
}

// exactly ends after so many bytes; an end before that is an error.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); errors.Is(err, io.EOF) && e.left > 0 {
		err = errors.New("the message is shorter than its prefix says")
	}
	return n, err
}

// deadlineOf reads grpc-timeout: up to eight digits and a unit.
func deadlineOf(r *http.Request) (context.Context, context.CancelFunc, *refusal) {
	within := grpcDeadline
	if s := r.Header.Get("Grpc-Timeout"); s != "" {
		unit, known := grpcUnits[s[len(s)-1]]
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
		if err != nil || !known || len(s) > 9 {
			return nil, nil, &refusal{status: http.StatusBadRequest, detail: "grpc-timeout is not up to eight digits and one of H, M, S, m, u, n"}
		}
		within = min(within, time.Duration(n)*unit)
	}
	ctx, cancel := context.WithTimeout(r.Context(), within)
	return ctx, cancel, nil
}

var grpcUnits = map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}

// refusedCall answers a call that a guard does not let in.
func refusedCall(w http.ResponseWriter, _ *http.Request, status int, detail string) {
	w.Header().Set("Content-Type", typeGRPC)
	refuseCall(w, &refusal{status: status, detail: detail})
}

// refuseCall answers with a status alone. Where the sender should wait, the details say for how long, as OTLP wants it.
func refuseCall(w http.ResponseWriter, no *refusal) {
	h := w.Header()
	h.Set("Grpc-Status", strconv.Itoa(no.rpcCode()))
	h.Set("Grpc-Message", percentEncode(no.detail))
	if no.retry > 0 {
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(retryDetails(no)))
	}
	w.WriteHeader(http.StatusOK)
}

// retryDetails is a google.rpc.Status that carries a RetryInfo.
func retryDetails(no *refusal) []byte {
	delay := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(no.retry)) // seconds of a Duration
	info := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), delay)
	detail := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "type.googleapis.com/google.rpc.RetryInfo")
	detail = protowire.AppendBytes(protowire.AppendTag(detail, 2, protowire.BytesType), info)
	return protowire.AppendBytes(protowire.AppendTag(no.rpcStatus(), 3, protowire.BytesType), detail)
}

// percentEncode writes a text as grpc-message wants it: printable ASCII without the percent sign.
func percentEncode(s string) string {
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
