package e2e

import (
	wire "encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafkaRequests are one to four requests of the Kafka protocol, of any key and version, with members that fit or nearly. user, when there is one, logs
// in first most of the time.
func kafkaRequests(user string) speech {
	return func(r *rand.Rand, c net.Conn) {
		var b []byte
		correlation := int32(1)
		add := func(q kmsg.Request) {
			b = kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(b, q, correlation)
			correlation++
		}
		if user != "" && r.IntN(4) > 0 {
			shake, login := kmsg.NewSASLHandshakeRequest(), kmsg.NewSASLAuthenticateRequest()
			shake.Version, shake.Mechanism = 1, []string{"PLAIN", "PLAIN", "SCRAM-SHA-256", "GSSAPI"}[r.IntN(4)]
			if login.SASLAuthBytes = []byte("\x00" + user); r.IntN(3) == 0 {
				login.SASLAuthBytes = spoil(r, login.SASLAuthBytes)
			}
			add(&shake)
			add(&login)
		}
		for n := r.IntN(4); n >= 0; n-- {
			add(kafkaRequest(r))
		}
		if r.IntN(3) == 0 {
			b = spoil(r, b)
		}
		pieces(r, c, b)
	}
}

// rewriting are the keys of requests that make, change or take away topics and the like. They are about names of their own, so that those of hxp stay.
var rewriting = []int16{19, 20, 21, 29, 30, 31, 33, 37, 42, 44, 45, 47, 51, 88, 91, 92}

// kafkaRequest is a request with random members.
func kafkaRequest(r *rand.Rand) kmsg.Request {
	for {
		key := int16(r.IntN(kmsg.MaxKey + 1))
		if r.IntN(3) == 0 {
			key = []int16{0, 1, 2, 3, 8, 9, 10, 11, 12, 14, 18, 19, 22, 32}[r.IntN(14)] // those of every day
		}
		q := kmsg.RequestForKey(key)
		if q == nil {
			continue
		}
		q.SetVersion(int16(r.IntN(int(q.MaxVersion()) + 2))) // the last is one too many
		names := []string{"llm-requests", "user-feedback", "system-metrics", "hxp-alerts", "no such topic", "", strings.Repeat("t", 300)}
		if slices.Contains(rewriting, key) {
			names = []string{"fuzz-a", "fuzz-b", "fuzz-c", "no such topic", "", strings.Repeat("t", 300)}
		}
		version := q.GetVersion()
		(&filler{r, names}).fill("", reflect.ValueOf(q).Elem())
		q.SetVersion(version)
		return q
	}
}

// filler gives members of requests values that a broker may meet.
type filler struct {
	*rand.Rand
	names []string // of topics, groups and users
}

func (f *filler) fill(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Name != "UnknownTags" {
				f.fill(v.Type().Field(i).Name, v.Field(i))
			}
		}
	case reflect.Pointer:
		if f.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(name, v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(f.bytes(name))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), f.IntN(3), 3))
		for i := range v.Len() {
			f.fill(name, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			f.fill(name, v.Index(i))
		}
	case reflect.String:
		v.SetString(f.names[f.IntN(len(f.names))])
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.Float64:
		v.SetFloat(f.NormFloat64())
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.Uint64() >> f.IntN(64))
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(f.number())
	}
}

// number is small most of the time, since partitions and the like are.
func (f *filler) number() int64 {
	switch f.IntN(6) {
	case 0:
		return int64(f.Uint64()) >> f.IntN(64)
	case 1:
		return -1
	}
	return int64(f.IntN(4))
}

func (f *filler) bytes(name string) []byte {
	if name == "Records" {
		return recordBatch(f.Rand)
	}
	return spoil(f.Rand, f.names[f.IntN(len(f.names))]+"x")
}

// recordBatch is a batch of events whose checksum is right most of the time, also where what it holds is not.
func recordBatch(r *rand.Rand) []byte {
	var records []byte
	n := 1 + r.IntN(4)
	for i := range n {
		value := []byte(`{"event_type":"llm_request","data":{"model":"m","request_id":"k","success":true,"duration_ms":5}}`)
		if r.IntN(2) == 0 {
			value = spoil(r, value)
		}
		one := kmsg.Record{OffsetDelta: int32(i), Key: []byte("k"), Value: value}
		one.Length = int32(len(one.AppendTo(nil)) - 1) // without itself, which takes a byte while it is 0
		records = one.AppendTo(records)
	}
	if r.IntN(4) == 0 {
		records = spoil(r, records)
	}
	batch := kmsg.RecordBatch{Magic: 2, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, LastOffsetDelta: int32(n - 1), NumRecords: int32(n), Records: records}
	if r.IntN(4) == 0 {
		batch.Attributes = int16(r.IntN(64)) // squeezed, as it says
	}
	raw := batch.AppendTo(nil)
	wire.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	wire.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	if r.IntN(8) == 0 {
		raw = spoil(r, raw)
	}
	return raw
}
