package doctor

import (
	"context"
	"fmt"
)

// machine tells of what the operating system lets a process have.
func (p *Plan) machine() []check {
	return []check{
		{"open files", local, func(context.Context) Finding { return p.files() }},
		{"memory", local, func(context.Context) Finding { return p.memory() }},
		{"clock", local, func(context.Context) Finding { return kept(synchronised()) }},
	}
}

// kept tells whether anything keeps the clock of this machine right.
func kept(synced, known bool) Finding {
	switch {
	case !known:
		return Finding{}
	case !synced:
		return warn("let NTP keep it: `timedatectl set-ntp true`, or chrony; in a container that is the host's to do (docs/runbooks/clock.md)", "nothing keeps the clock of this machine right, says the kernel")
	}
	return ok("it is kept by NTP, says the kernel")
}

// fewestFiles are those without which not even an idle hxp starts: listeners, broker, database and lake.
const fewestFiles = 256

func (p *Plan) files() Finding {
	most, known := openFiles()
	if !known {
		return Finding{}
	}
	cure := fmt.Sprintf("raise it to %d: LimitNOFILE= of the systemd unit, or `ulimit -n`", max(p.OpenFiles, 4096))
	switch {
	case most < fewestFiles:
		return fail(cure, "a process may have %d files and connections open; hxp does not start with so few", most)
	case most < p.OpenFiles:
		return warn(cure, "a process may have %d files and connections open; with all streams and clients that the settings allow %d are needed", most, p.OpenFiles)
	}
	return ok("a process may have %d open", most)
}

func (p *Plan) memory() Finding {
	has, of := memoryOf()
	m := p.Memory
	if m.Limit > 0 && has > 0 && m.Limit > has {
		return warn(fmt.Sprintf("lower %s below %s", m.Setting, size(has)), "the limit is %s (%s), and %s has %s", size(m.Limit), m.Setting, of, size(has))
	}
	if m.Limit > 0 {
		has, of = m.Limit, "the limit ("+m.Setting+")"
	}
	switch {
	case has == 0 || m.Need == 0:
		return Finding{}
	case has < m.Need:
		return warn("give it more, or lower lake.compact_memory_bytes, event_processing.duplicate_filter_bytes, event_processing.correlation_bytes or KAFKA_TOPIC_PARTITIONS (docs/sizing.md)",
			"%s has %s; with the caches and passes that the settings allow %s may be used", of, size(has), size(m.Need))
	}
	return ok("%s has %s; the settings allow %s to be used", of, size(has), size(m.Need))
}
