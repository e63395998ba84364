package prom

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Receiver takes remote writes. Safe for concurrent use.
type Receiver struct {
	names  atomic.Pointer[Names]
	state  *State
	types  *typeBook
	limits Limits
}

// NewReceiver makes a Receiver that remembers the counters of so many series.
func NewReceiver(names *Names, series int, l Limits) *Receiver {
	r := &Receiver{state: NewState(series), types: newTypeBook(), limits: l}
	r.names.Store(names)
	return r
}

// SetNames puts other names in place.
func (r *Receiver) SetNames(names *Names) { r.names.Store(names) }

// Write is what one body holds.
type Write struct {
	*Batch
	Total   Weight // all that came
	Refused Weight // what is not valid by itself
	Fault   string // the first reason
}

// The limits of one body.
const (
	maxSymbols = 1 << 20
	maxSamples = 1 << 20
	maxText    = 64 << 10 // of one name or value
)

// Decode reads the body of a remote write, unpacked, at a time in microseconds: a prometheus.WriteRequest, or with v2 an
// io.prometheus.write.v2.Request. An error says that it is none and nothing of it counts. Undo the Batch when its events
// could not be written.
func (r *Receiver) Decode(body []byte, v2 bool, now int64) (*Write, error) {
	d := decoder{receiver: r, now: now, out: &Write{Batch: NewBatch(r.names.Load(), r.state, r.limits)}}
	read := d.version1
	if v2 {
		read = d.version2
	}
	if err := read(body); err != nil {
		d.out.Undo()
		return nil, err
	}
	return d.out, nil
}

// decoder reads one body.
type decoder struct {
	receiver *Receiver
	now      int64
	out      *Write

	symbols    []string // version 2
	sample     Sample
	origin     Origin
	typ        Type // of the series, version 2
	refs       []uint32
	samples    [][]byte
	histograms [][]byte
}

var errProto = errors.New("not the protobuf message that the Content-Type names")

// messageFields calls each for every field of a message. Fields that nobody asks for are skipped, as protobuf wants it.
func messageFields(b []byte, each func(n protowire.Number, t protowire.Type, value []byte, number uint64) error) error {
	for len(b) > 0 {
		n, t, size := protowire.ConsumeTag(b)
		if size < 0 {
			return errProto
		}
		b = b[size:]
		var value []byte
		var number uint64
		switch t {
		case protowire.VarintType:
			number, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			number, size = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(n, t, b)
		}
		if size < 0 {
			return errProto
		}
		b = b[size:]
		if err := each(n, t, value, number); err != nil {
			return err
		}
	}
	return nil
}

// version1 reads a prometheus.WriteRequest.
func (d *decoder) version1(body []byte) error {
	// What the types are stands behind the series in the message, so it is read first.
	err := messageFields(body, func(n protowire.Number, t protowire.Type, value []byte, _ uint64) error {
		if n == 3 && t == protowire.BytesType {
			return d.metadata1(value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return messageFields(body, func(n protowire.Number, t protowire.Type, value []byte, _ uint64) error {
		if n == 1 && t == protowire.BytesType {
			return d.series1(value)
		}
		return nil
	})
}

func (d *decoder) metadata1(b []byte) error {
	var typ Type
	var name string
	err := messageFields(b, func(n protowire.Number, t protowire.Type, value []byte, number uint64) error {
		switch {
		case n == 1 && t == protowire.VarintType:
			typ = typeNumbered(number)
		case n == 2 && t == protowire.BytesType:
			name = string(value)
		}
		return nil
	})
	if err == nil && name != "" && len(name) <= maxOwnName && utf8.ValidString(name) {
		d.receiver.types.learn(name, typ)
	}
	return err
}

// typeNumbered is a MetricType of both versions.
func typeNumbered(n uint64) Type {
	switch n {
	case 1:
		return Counter
	case 2:
		return Gauge
	case 3:
		return Histogram
	case 5:
		return Summary
	case 6, 7:
		return Info
	}
	return Unknown
}

func (d *decoder) series1(b []byte) error {
	d.begin()
	fault := ""
	err := messageFields(b, func(n protowire.Number, t protowire.Type, value []byte, _ uint64) error {
		switch {
		case t != protowire.BytesType:
		case n == 1:
			var l Label
			err := messageFields(value, func(n protowire.Number, t protowire.Type, value []byte, _ uint64) error {
				switch {
				case n == 1 && t == protowire.BytesType:
					l.Name = string(value)
				case n == 2 && t == protowire.BytesType:
					l.Value = string(value)
				}
				return nil
			})
			if err != nil {
				return err
			}
			d.label(l, &fault)
		case n == 2:
			d.samples = append(d.samples, value)
		case n == 4:
			d.histograms = append(d.histograms, value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.end(fault, d.receiver.types.of)
}

// version2 reads an io.prometheus.write.v2.Request.
func (d *decoder) version2(body []byte) error {
	// The symbols stand before the series in what Prometheus sends, and may stand behind them.
	err := messageFields(body, func(n protowire.Number, t protowire.Type, value []byte, _ uint64) error {
		if n != 4 || t != protowire.BytesType {
			return nil
		}
		if len(d.symbols) == maxSymbols {
			return fmt.Errorf("more than %d symbols; send it in several", maxSymbols)
		}
		d.symbols = append(d.symbols, string(value))
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(d.symbols) > 0 && d.symbols[0] != "":
		return errors.New("the first symbol is not the empty text")
	}
	return messageFields(body, func(n protowire.Number, t protowire.Type, value []byte, _ uint64) error {
		if n == 5 && t == protowire.BytesType {
			return d.series2(value)
		}
		return nil
	})
}

func (d *decoder) series2(b []byte) error {
	d.begin()
	err := messageFields(b, func(n protowire.Number, t protowire.Type, value []byte, number uint64) error {
		switch {
		case n == 1 && t == protowire.BytesType: // packed
			for len(value) > 0 {
				ref, size := protowire.ConsumeVarint(value)
				if size < 0 {
					return errProto
				}
				value = value[size:]
				if err := d.ref(ref); err != nil {
					return err
				}
			}
		case n == 1 && t == protowire.VarintType:
			return d.ref(number)
		case n == 2 && t == protowire.BytesType:
			d.samples = append(d.samples, value)
		case n == 3 && t == protowire.BytesType:
			d.histograms = append(d.histograms, value)
		case n == 5 && t == protowire.BytesType:
			return messageFields(value, func(n protowire.Number, t protowire.Type, _ []byte, number uint64) error {
				if n == 1 && t == protowire.VarintType {
					d.typ = typeNumbered(number)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil {
		return err
	}
	fault := ""
	if len(d.refs)%2 != 0 {
		fault = "an odd number of label references"
	}
	for i := 0; i+1 < len(d.refs); i += 2 {
		name, value := int(d.refs[i]), int(d.refs[i+1])
		if name >= len(d.symbols) || value >= len(d.symbols) {
			fault = fmt.Sprintf("a label refers to symbol %d of %d", max(name, value), len(d.symbols))
			break
		}
		d.label(Label{d.symbols[name], d.symbols[value]}, &fault)
	}
	return d.end(fault, d.typed)
}

// ref notes one reference; more than labels may have are enough to know that there are too many.
func (d *decoder) ref(n uint64) error {
	if n > math.MaxUint32 {
		return errProto
	}
	if len(d.refs) <= 2*(maxLabels+1)+1 {
		d.refs = append(d.refs, uint32(n))
	}
	return nil
}

// typed is the type of the series as it says itself. Where it says none, what metadata said once is good as well.
func (d *decoder) typed(name string) (Type, bool) {
	base, part := cut(name)
	switch {
	case d.typ == Unknown:
		return d.receiver.types.of(name)
	case (d.typ == Histogram || d.typ == Summary) && part != Value && base != name:
		return Unknown, false // it is the base that has the type
	}
	return d.typ, true
}

func (d *decoder) begin() {
	d.sample = Sample{Labels: d.sample.Labels[:0]}
	d.origin = Origin{Source: "prometheus", Read: d.now}
	d.typ, d.refs, d.samples, d.histograms = Unknown, d.refs[:0], d.samples[:0], d.histograms[:0]
}

// label takes one label of the series; the name of the series is one of them.
func (d *decoder) label(l Label, fault *string) {
	s := &d.sample
	switch {
	case *fault != "":
	case l.Name == "" || len(l.Name) > maxText || len(l.Value) > maxText:
		*fault = "a label has no name, or is longer than 64 KiB"
	case !utf8.ValidString(l.Name) || !utf8.ValidString(l.Value):
		*fault = "label " + clip(l.Name) + " is not UTF-8"
	case l.Name == "__name__":
		s.Name = l.Value
	case len(s.Labels) == maxLabels:
		*fault = fmt.Sprintf("more than %d labels", maxLabels)
	case s.label(l.Name) != "":
		*fault = "label " + clip(l.Name) + " stands twice"
	case l.Value != "": // an empty label is none
		s.Labels = append(s.Labels, l)
		if l.Name == "job" {
			d.origin.Source = "prometheus/" + cutText(l.Value, maxModel)
		}
	}
}

// end takes the samples of a series, or refuses them all.
func (d *decoder) end(fault string, typeOf func(string) (Type, bool)) error {
	d.out.Total.Samples += len(d.samples)
	d.out.Total.Histograms += len(d.histograms)
	if d.out.Total.Samples+d.out.Total.Histograms > maxSamples {
		return fmt.Errorf("more than %d samples; send it in several", maxSamples)
	}
	s := &d.sample
	full := s.Name
	if full == "" && fault == "" {
		fault = "a series without the label __name__"
	}
	if fault != "" {
		d.refuse(fault, len(d.samples), len(d.histograms))
		return nil
	}
	s.named(full, typeOf)
	for _, b := range d.samples {
		if err := d.value(b); err != nil {
			return err
		}
	}
	s.Name, s.Type = full, Histogram
	for _, b := range d.histograms {
		if err := d.histogram(b); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) refuse(fault string, samples, histograms int) {
	if d.out.Fault == "" {
		d.out.Fault = fault
	}
	d.out.Refused.Samples += samples
	d.out.Refused.Histograms += histograms
}

// at takes the time of a sample, in milliseconds, and tells whether it is one.
func (d *decoder) at(millis int64) bool {
	if millis < 0 || millis > maxMicros/1000 {
		return false
	}
	d.sample.Time = millis * 1000
	return true
}

func (d *decoder) value(b []byte) error {
	var millis int64
	v := 0.0
	err := messageFields(b, func(n protowire.Number, t protowire.Type, _ []byte, number uint64) error {
		switch {
		case n == 1 && t == protowire.Fixed64Type:
			v = math.Float64frombits(number)
		case n == 2 && t == protowire.VarintType:
			millis = int64(number)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !d.at(millis):
		d.refuse(fmt.Sprintf("the time %d of %s lies outside of 1970 to 9999", millis, clip(d.sample.Name)), 1, 0)
	default:
		d.sample.Value = v
		d.out.Add(&d.sample, &d.origin)
	}
	return nil
}

// histogram takes count and sum of a native histogram; its buckets are not looked at.
func (d *decoder) histogram(b []byte) error {
	var millis int64
	var count, total float64
	err := messageFields(b, func(n protowire.Number, t protowire.Type, _ []byte, number uint64) error {
		switch {
		case n == 1 && t == protowire.VarintType:
			count = float64(number)
		case n == 2 && t == protowire.Fixed64Type:
			count = math.Float64frombits(number)
		case n == 3 && t == protowire.Fixed64Type:
			total = math.Float64frombits(number)
		case n == 15 && t == protowire.VarintType:
			millis = int64(number)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !d.at(millis):
		d.refuse(fmt.Sprintf("the time %d of %s lies outside of 1970 to 9999", millis, clip(d.sample.Name)), 0, 1)
		return nil
	}
	s := &d.sample
	s.Part, s.Value, s.Native = Count, count, true
	d.out.Add(s, &d.origin)
	s.Part, s.Value = Sum, total
	d.out.add(s, &d.origin)
	s.Native = false
	return nil
}
