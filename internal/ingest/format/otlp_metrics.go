package format

import (
	"slices"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Why data points are no metrics.
const (
	skipNoValue = "data points carry no value"
	skipNumber  = "data points whose value is not a finite number"
	skipName    = "data points whose metric has no name, or one of more than 180 bytes"
	skipBuckets = "distributions with more than 1024 buckets"
	skipTime    = "data points whose time lies beyond the year 2262"
)

const (
	maxMetricName = 180       // bytes, so that .count and the like still fit
	groupNumbers  = 200       // of one event
	groupBytes    = 128 << 10 // of the distributions of one event
)

// metricAlias maps a metric of another system to a field of system_metric: value × scale + offset, where an attribute says so.
type metricAlias struct {
	field         event.Field
	scale, offset float64
	attr, is      string // only points with this attribute; "" = all
	percent       bool   // given in unit %, the scale is 1
	cumulative    bool   // only a sum since a start
}

// metricAliases are the known names: the hardware and system conventions of OpenTelemetry, vLLM and the DCGM exporter as the
// Collector's Prometheus receiver names them.
var metricAliases = map[string]metricAlias{
	"hw.gpu.utilization":                   {field: event.GPUUsage, scale: 100, percent: true},
	"hw.gpu.memory.utilization":            {field: event.GPUMemoryUsage, scale: 100, percent: true},
	"hw.gpu.power.draw":                    {field: event.PowerW, scale: 1},
	"hw.power":                             {field: event.PowerW, scale: 1},
	"hw.energy":                            {field: event.EnergyJ, scale: 1, cumulative: true},
	"hw.gpu.energy.consumed":               {field: event.EnergyJ, scale: 1, cumulative: true},
	"system.cpu.utilization":               {field: event.CPUUsage, scale: -100, offset: 100, attr: "state", is: "idle"},
	"system.memory.utilization":            {field: event.MemoryUsage, scale: 100, attr: "state", is: "used"},
	"system.filesystem.utilization":        {field: event.DiskUsage, scale: 100, percent: true},
	"vllm:num_requests_running":            {field: event.RequestsRunning, scale: 1},
	"vllm:num_requests_waiting":            {field: event.RequestsWaiting, scale: 1},
	"vllm:kv_cache_usage_perc":             {field: event.KVCacheUsage, scale: 1},
	"vllm:gpu_cache_usage_perc":            {field: event.KVCacheUsage, scale: 1},
	"DCGM_FI_DEV_GPU_UTIL":                 {field: event.GPUUsage, scale: 1},
	"DCGM_FI_DEV_POWER_USAGE":              {field: event.PowerW, scale: 1},
	"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": {field: event.EnergyJ, scale: 1e-3},
}

// memoryPairs give gpu_memory_usage from two metrics of one GPU: used ÷ (used + free), or used ÷ limit.
var memoryPairs = []struct {
	used, other string
	free        bool
}{{"DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", true}, {"hw.gpu.memory.usage", "hw.gpu.memory.limit", false}}

// metrics gathers the data points of one resource, time and set of attributes into one event.
type metrics struct {
	items   *Items
	groups  map[string]*group
	order   []*group
	scratch []attr
	e       event.Event
}

// group is one event in the making.
type group struct {
	scope, instance string
	series          string // id of the set of attributes
	host, labels    string
	about           []byte // service and the like
	nanos           uint64
	numbers         []event.Metric
	fields          []known
	rest, since     object // distributions; starts of cumulative metrics
	names           []string
}

func (m *metrics) point(from *origin, of *metric, p *point) error {
	if err := m.items.more(); err != nil {
		return err
	}
	if reason := unusable(of, p); reason != "" {
		m.items.skip(reason)
		return nil
	}
	labels, series, sorted := attributesText(p.attrs, m.scratch)
	m.scratch = sorted
	m.group(from, of.name, string(labels), series, p.time).add(of, p)
	return nil
}

// unusable says why a point cannot become numbers, if so.
func unusable(of *metric, p *point) string {
	switch {
	case of.name == "" || len(of.name) > maxMetricName:
		return skipName
	case p.absent || p.kind == number && !p.hasValue:
		return skipNoValue
	case p.time > maxTime || p.start > maxTime:
		return skipTime
	case !finite(p.value, p.total, p.min, p.max, p.zeroThreshold) || !finite(p.bounds...):
		return skipNumber
	case max(len(p.counts), len(p.bounds), len(p.positive.counts), len(p.negate.counts)) > maxBuckets:
		return skipBuckets
	}
	for _, q := range p.quantiles {
		if !finite(q[0], q[1]) {
			return skipNumber
		}
	}
	return ""
}

// group finds the event that a point belongs to: a new one when the last one is full or has that name already.
func (m *metrics) group(from *origin, name, labels, series string, nanos uint64) *group {
	host := from.get("host.name", "k8s.node.name", "host.id")
	service, instance := from.get("service.name"), from.get("service.instance.id", "k8s.pod.name", "container.id")
	key := hashID(host, service, instance, from.scope, series, strconv.FormatUint(nanos, 10))
	g := m.groups[key]
	if g == nil || slices.Contains(g.names, name) || len(g.numbers) >= groupNumbers || len(g.rest.text) > groupBytes {
		g = &group{scope: from.scope, instance: instance, series: series, host: clipText(host), labels: labels, nanos: nanos}
		var about object
		about.addText("service", clipText(service))
		about.addText("instance", clipText(instance))
		about.addText("scope", clipText(from.scope))
		g.about = about.text
		if m.groups == nil {
			m.groups = map[string]*group{}
		}
		m.groups[key] = g
		m.order = append(m.order, g)
	}
	g.names = append(g.names, name)
	return g
}

// add takes the numbers of one point.
func (g *group) add(of *metric, p *point) {
	if of.cumulative && p.start != 0 {
		g.since.addText(of.name, event.FormatTime(int64(p.start/microsecond)))
	}
	if p.kind == number {
		if k, ok := g.known(of, p); ok {
			g.fields = append(g.fields, k)
			return
		}
		g.numbers = append(g.numbers, event.Metric{Name: of.name, Value: p.value})
		return
	}
	g.numbers = append(g.numbers, event.Metric{Name: of.name + ".count", Value: float64(p.count)})
	for _, part := range []struct {
		name string
		is   bool
		v    float64
	}{{".sum", p.hasSum, p.total}, {".min", p.hasMin, p.min}, {".max", p.hasMax, p.max}} {
		if part.is {
			g.numbers = append(g.numbers, event.Metric{Name: of.name + part.name, Value: part.v})
		}
	}
	if shape := p.shape(); shape != nil {
		g.rest.add(of.name, shape)
	}
}

// known is the value of a field.
type known struct {
	field event.Field
	value float64
}

func (g *group) has(f event.Field) bool {
	return slices.ContainsFunc(g.fields, func(k known) bool { return k.field == f })
}

// known maps a point to a field, if its metric is known and the field is free.
func (g *group) known(of *metric, p *point) (known, bool) {
	a, is := metricAliases[of.name]
	if !is || a.attr != "" && first(p.attrs, a.attr) != a.is || a.cumulative && of.sum && !of.cumulative || g.has(a.field) {
		return known{}, false
	}
	if a.percent && of.unit == "%" {
		return known{a.field, p.value}, true
	}
	v := p.value*a.scale + a.offset
	return known{a.field, v}, finite(v) // what overflows keeps its own name
}

// shape writes the buckets or quantiles of a distribution; nil when it has none.
func (p *point) shape() []byte {
	var o object
	switch p.kind {
	case histogram:
		if len(p.counts) == 0 {
			return nil
		}
		o.add("bounds", appendFloats(nil, p.bounds))
		o.add("counts", appendCounts(nil, p.counts))
	case exponential:
		o.add("scale", strconv.AppendInt(nil, p.scale, 10))
		o.add("zero_count", strconv.AppendUint(nil, p.zero, 10))
		o.add("zero_threshold", strconv.AppendFloat(nil, p.zeroThreshold, 'g', -1, 64))
		o.addBuckets("positive", p.positive)
		o.addBuckets("negative", p.negate)
	case summary:
		var quantiles object
		for _, q := range p.quantiles {
			quantiles.add(strconv.FormatFloat(q[0], 'g', -1, 64), strconv.AppendFloat(nil, q[1], 'g', -1, 64))
		}
		return quantiles.text
	}
	return o.text
}

func (o *object) addBuckets(name string, b buckets) {
	if len(b.counts) > 0 {
		o.add(name+"_offset", strconv.AppendInt(nil, b.offset, 10))
		o.add(name+"_counts", appendCounts(nil, b.counts))
	}
}

// flush appends the events that were gathered.
func (m *metrics) flush() {
	for _, g := range m.order {
		m.items.add(g.event(&m.e), nil)
	}
}

func (g *group) event(e *event.Event) *event.Event {
	e.Reset()
	e.Kind, e.Source = event.SystemMetric, otlpSource
	_ = stamp(e, g.nanos, "") // judged before
	if g.host != "" {
		e.SetText(event.Host, g.host)
	}
	g.gpuMemory()
	for _, k := range g.fields {
		e.SetFloat(k.field, k.value)
	}
	e.Metrics = append(e.Metrics, g.numbers...)
	e.Extra = g.rest.text
	about := object{g.about}
	if g.labels != "" {
		about.add("labels", []byte(g.labels))
	}
	if g.since.text != nil {
		about.add("cumulative_since", g.since.text)
	}
	e.Metadata = about.text
	e.ID = hashID("metrics", g.scope, g.series, string(event.AppendJSON(nil, e))) // what was measured is what makes it the same
	return e
}

// gpuMemory derives the share of GPU memory in use where a GPU tells used and free, or used and limit.
func (g *group) gpuMemory() {
	if g.has(event.GPUMemoryUsage) {
		return
	}
	value := func(name string) (float64, bool) {
		for _, n := range g.numbers {
			if n.Name == name {
				return n.Value, true
			}
		}
		return 0, false
	}
	for _, pair := range memoryPairs {
		used, ok := value(pair.used)
		whole, okOther := value(pair.other)
		if pair.free {
			whole += used
		}
		if share := used / whole * 100; ok && okOther && used >= 0 && whole > 0 && finite(share) {
			g.fields = append(g.fields, known{event.GPUMemoryUsage, share})
			return
		}
	}
}
