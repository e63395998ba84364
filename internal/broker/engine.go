package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var errStopped = errors.New("the embedded broker has stopped")

// engine is the kfake cluster. Its calls run through the engine's one loop, and would wait for ever once that has ended.
type engine struct {
	mu      sync.RWMutex
	cluster *kfake.Cluster // nil before open and after close

	inside   net.Conn // our own connection, which the guard does not see
	insideMu sync.Mutex
}

func (e *engine) do(f func(*kfake.Cluster)) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.cluster == nil {
		return false
	}
	f(e.cluster)
	return true
}

func (e *engine) set(c *kfake.Cluster) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cluster = c
}

// close ends the engine, which writes its state.
func (e *engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cluster != nil {
		e.cluster.Close()
		e.cluster = nil
	}
	if e.inside != nil {
		_ = e.inside.Close() // a pipe in memory
	}
}

func (e *engine) partition(topic string, p int32) (info *kfake.PartitionInfo) {
	e.do(func(c *kfake.Cluster) { info = c.PartitionInfo(topic, p) })
	return info
}

func (e *engine) partitions(topic string) (infos []*kfake.PartitionInfo) {
	e.do(func(c *kfake.Cluster) { infos = c.PartitionInfos(topic) })
	return infos
}

func (e *engine) topic(name string) (info *kfake.TopicInfo) {
	e.do(func(c *kfake.Cluster) { info = c.TopicInfo(name) })
	return info
}

func (e *engine) topicByID(id [16]byte) (info *kfake.TopicInfo) {
	e.do(func(c *kfake.Cluster) { info = c.TopicIDInfo(id) })
	return info
}

func (e *engine) deleteRecords(topic string, p int32, before int64) error {
	err := errStopped
	e.do(func(c *kfake.Cluster) { err = c.DeleteRecords(topic, p, before) })
	return err
}

// topicNames asks for all topics over our own connection; the engine has no call for it.
func (b *Broker) topicNames() (map[string]bool, error) {
	e := &b.engine
	e.insideMu.Lock()
	defer e.insideMu.Unlock()
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(7)                                          // the last one without tags
	req.Topics = nil                                           // all
	_ = e.inside.SetDeadline(time.Now().Add(10 * time.Second)) // a pipe takes deadlines
	if _, err := e.inside.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("hxp-broker")).AppendRequest(nil, req, 1)); err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	head := make([]byte, 8) // length, correlation
	if _, err := io.ReadFull(e.inside, head); err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(e.inside, answer); err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	if err := resp.ReadFrom(answer); err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	names := make(map[string]bool, len(resp.Topics))
	for _, t := range resp.Topics {
		if t.Topic != nil {
			names[*t.Topic] = true
		}
	}
	return names, nil
}

// engineLog forwards what the engine warns of: it logs failed writes and cut log ends and goes on.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.log.Warn("engine: " + fmt.Sprintf(format, args...))
	}
}
