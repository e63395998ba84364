package ruleset

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

const ruleText = `{"name":"%s","type":"threshold","metric":"requests","op":">","value":%d,"window":"60s"}`

// log applies commands at rising offsets, as the control log does.
type log struct {
	t    *testing.T
	set  *Set
	next int64
}

func newLog(t *testing.T, files ...FileRule) *log {
	l := &log{t: t, set: New(files)}
	l.set.Reset()
	l.set.Settled()
	return l
}

func (l *log) command(name string, c command) outcome {
	l.t.Helper()
	if c.ID == "" {
		c.ID = fmt.Sprint("id-", l.next)
	}
	c.At = time.Unix(l.next, 0).UTC()
	text, err := json.Marshal(c)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.set.Apply(Prefix+name, text, l.next); err != nil {
		l.t.Fatal(err)
	}
	l.next++
	return l.set.outcome(c.ID)
}

func (l *log) put(name string, value int) outcome {
	l.t.Helper()
	return l.command(name, command{Op: opPut, Rule: fmt.Appendf(nil, ruleText, name, value)})
}

// counts tells the value of a rule that counts, or that there is none.
func (l *log) counts(name string) string {
	rules, _ := l.set.Current()
	for _, r := range rules {
		if r.Name == name {
			return fmt.Sprint(*r.Value)
		}
	}
	return "none"
}

func fileRule(t *testing.T, name string, value int) FileRule {
	t.Helper()
	r, faults := rule.DecodeOne(fmt.Appendf(nil, ruleText, name, value), name)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return FileRule{*r, "rules/a.yaml"}
}

func TestLayers(t *testing.T) {
	l := newLog(t, fileRule(t, "error-burst", 7), fileRule(t, "mine", 1))
	is := func(name, want string) {
		t.Helper()
		if got := l.counts(name); got != want {
			t.Errorf("%s counts with %s, want %s", name, got, want)
		}
	}
	is("error-burst", "7") // of the file, not of the pack
	is("mine", "1")
	l.put("mine", 2)
	is("mine", "2")
	if e := l.set.find("mine"); e.origin != FromAPI || e.below.origin != FromFile || !e.enabled {
		t.Errorf("%+v", e)
	}
	l.set.SetFiles([]FileRule{fileRule(t, "mine", 3)})
	is("mine", "2")
	is("error-burst", "0.2")
	l.command("mine", command{Op: opRestore})
	is("mine", "3")
	l.command("error-burst", command{Op: opDelete})
	is("error-burst", "none")
	if e := l.set.find("error-burst"); e == nil || e.enabled || e.origin != FromPack {
		t.Errorf("the tombstone over a rule of the pack: %+v", e)
	}
	l.command("nobody", command{Op: opDelete})
	if e := l.set.find("nobody"); e != nil {
		t.Errorf("a tombstone over nothing is shown: %+v", e)
	}
	l.put("error-burst", 9)
	is("error-burst", "9")
}

func TestConditionsAreDecidedByTheLog(t *testing.T) {
	l := newLog(t)
	if got := l.command("a", command{Op: opPut, Rule: fmt.Appendf(nil, ruleText, "a", 1), If: new(int64(0))}); got != applied {
		t.Fatal(got)
	}
	_, revision := l.set.revision("a")
	first := l.command("a", command{Op: opPut, Rule: fmt.Appendf(nil, ruleText, "a", 2), If: &revision})
	second := l.command("a", command{Op: opPut, Rule: fmt.Appendf(nil, ruleText, "a", 3), If: &revision})
	if first != applied || second != stale || l.counts("a") != "2" {
		t.Errorf("%v, then %v, value %s; want one applied and one stale", first, second, l.counts("a"))
	}
	_, revision = l.set.revision("a")
	c := command{ID: "twice", Op: opDelete, If: &revision}
	if one, two := l.command("a", c), l.command("a", c); one != applied || two != applied || l.counts("a") != "none" {
		t.Errorf("the same command twice: %v, %v", one, two)
	}
}

// Whoever reads the log again comes to the same, and what counts does not change meanwhile.
func TestReadAgain(t *testing.T) {
	l := newLog(t)
	l.put("a", 1)
	l.command("error-burst", command{Op: opDelete})
	before, generation := l.set.Current()
	changed := l.set.Changed()
	l.set.Reset()
	for i, c := range []command{{ID: "1", Op: opPut, Rule: fmt.Appendf(nil, ruleText, "a", 1)}, {ID: "2", Op: opDelete}} {
		if now, _ := l.set.Current(); len(now) != len(before) || l.counts("error-burst") != "none" {
			t.Fatal("while the log is read again other rules count")
		}
		text, _ := json.Marshal(c)
		if err := l.set.Apply(Prefix+[]string{"a", "error-burst"}[i], text, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	l.set.Settled()
	if now, g := l.set.Current(); g != generation || len(now) != len(before) {
		t.Errorf("generation %d and %d rules, before %d and %d", g, len(now), generation, len(before))
	}
	select {
	case <-changed:
		t.Error("it is told that others count, but they are the same")
	default:
	}
	l.put("b", 1)
	select {
	case <-changed:
	default:
		t.Error("it is not told that others count")
	}
	if _, g := l.set.Current(); g != generation+1 {
		t.Error("generation", g)
	}
}

func TestApplyRefuses(t *testing.T) {
	s := New(nil)
	for _, text := range []string{"", "null", "{}", `{"id":"x","op":"burn"}`, `{"id":"x","op":"put","rule":{"name":"other"}}`, `{"id":"x","op":"put"}`} {
		if err := s.Apply(Prefix+"a", []byte(text), 1); err == nil {
			t.Errorf("%s is applied", text)
		}
	}
}

func TestLimits(t *testing.T) {
	l := newLog(t)
	for i := range maxPut {
		if got := l.put(fmt.Sprint("r", i), 1); got != applied {
			t.Fatal(i, got)
		}
	}
	if got := l.put("more", 1); got != full {
		t.Errorf("rule %d: %v", maxPut+1, got)
	}
	if got := l.put("r3", 2); got != applied {
		t.Errorf("a rule that is there already: %v", got)
	}
	if rules, _ := l.set.Current(); len(rules) > rule.MaxRules-maxFileRules {
		t.Errorf("%d rules leave no room for files", len(rules))
	}
	l.command("r3", command{Op: opDelete})
	if got := l.put("more", 1); got != applied {
		t.Errorf("after one was deleted: %v", got)
	}
}

func TestReadFolders(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if rules, faults := ReadFolders(filepath.Join(dir, "none")); rules != nil || faults != nil {
		t.Error(rules, faults)
	}
	write("notes.txt", "not for us")
	write("one.yaml", "- name: a\n  type: absence\n  window: 60s\n- name: b\n  type: absence\n  window: 60s\n")
	rules, faults := ReadFolders(dir)
	if len(faults) > 0 || len(rules) != 2 || rules[1].Place() != filepath.Join(dir, "one.yaml")+":4" {
		t.Fatal(rules, faults)
	}
	write("two.yml", "name: b\ntype: absence\nwindow: 60s\n")
	write("three.json", "{\"name\":\"c\",\n\"type\":\"absense\"}")
	rules, faults = ReadFolders(dir)
	var told []string
	for _, f := range faults {
		where, what := f.In(strings.TrimPrefix(f.File, dir+"/"))
		told = append(told, where+": "+what)
	}
	if rules != nil || len(told) != 2 || !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "three.json:2: /type: ") }) ||
		!slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "two.yml:1: /name: the name \"b\" is taken by ") }) {
		t.Errorf("%d rules; %q", len(rules), told)
	}
}

// Whatever stands in the log, a set has at most what it may have, and each rule that counts can be shown.
func FuzzApply(f *testing.F) {
	f.Add("a", []byte(`{"id":"1","op":"put","rule":{"type":"absence","window":"5s"}}`))
	f.Add("error-burst", []byte(`{"id":"2","op":"delete","if":0,"at":"2026-01-01T00:00:00Z"}`))
	f.Add("error-burst", []byte(`{"id":"2","op":"restore"}`))
	r, _ := rule.DecodeOne(fmt.Appendf(nil, ruleText, "error-burst", 1), "error-burst")
	below := FileRule{Rule: *r}
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		s := &Set{below: map[string]*layered{"error-burst": newLayered(&below.Rule, FromPack, "")}, changed: make(chan struct{})}
		s.commands.reset()
		s.Settled()
		before, _ := s.Current()
		err := s.Apply(Prefix+name, value, 5)
		now, _ := s.Current()
		if err != nil && len(now) != len(before) || len(now) > len(before)+1 || len(now) < len(before)-1 {
			t.Errorf("%d rules, before %d: %v", len(now), len(before), err)
		}
		if e := s.find(name); e != nil && e.enabled {
			if _, faults := rule.DecodeOne(e.rule.YAML(), name); len(faults) > 0 {
				t.Error(faults)
			}
		}
	})
}
