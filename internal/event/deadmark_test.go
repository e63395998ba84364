package event

import (
	"reflect"
	"testing"
)

func TestDeadMark(t *testing.T) {
	for _, m := range []DeadMark{{ID: "0af3:2:77", Redriven: true, Redrives: 3, At: 1777636800123456, EventID: "e-1"}, {ID: "x", Redrives: 1, At: 1}} {
		key, headers := m.Record()
		back, is, err := ParseDeadMark(key, headers)
		if err != nil || !is || !reflect.DeepEqual(*back, m) {
			t.Errorf("%+v became %+v, %v, %v", m, back, is, err)
		}
		if _, err := ParseDeadLetter(key, nil, headers); err == nil {
			t.Error("a mark passes for a letter")
		}
	}
	key, _, headers := deadLetter().Record()
	if _, is, _ := ParseDeadMark(key, headers); is {
		t.Error("a letter passes for a mark")
	}
	for name, h := range map[string]Header{"another state": {headerState, []byte("gone")}, "no time": {headerMarked, []byte("soon")}, "another key": {headerMark, []byte("y")}} {
		m := DeadMark{ID: "x", Redrives: 1, At: 1}
		key, headers := m.Record()
		for i := range headers {
			if headers[i].Key == h.Key {
				headers[i] = h
			}
		}
		if _, is, err := ParseDeadMark(key, headers); !is || err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzDeadMark(f *testing.F) {
	f.Add([]byte("x"), "mark", []byte("x"), "state", []byte("open"))
	f.Add([]byte("x"), "mark", []byte("x"), "redrive_count", []byte("-9999999999999999999"))
	f.Fuzz(func(t *testing.T, key []byte, k1 string, v1 []byte, k2 string, v2 []byte) {
		m, is, err := ParseDeadMark(key, []Header{{k1, v1}, {k2, v2}})
		if !is || err != nil {
			return
		}
		if m.Redrives < 0 || m.Redrives > maxRedrives || m.ID != string(key) {
			t.Fatalf("%+v", m)
		}
	})
}

// A letter made of a record that came from a letter knows how often it has been around.
func TestDeadLetterCountsItsRedrives(t *testing.T) {
	d := deadLetter()
	d.Headers = append(d.Headers, [2]string{HeaderRedrives, "4"})
	back, err := ParseDeadLetter(d.Record())
	if err != nil || back.Redrives != 4 {
		t.Errorf("%+v, %v", back, err)
	}
}
