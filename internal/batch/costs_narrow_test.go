package batch

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// narrowed asks for costs of the test's hour.
func (s *Service) narrowed(t *testing.T, query string) (a costAnswer, status int, text string) {
	t.Helper()
	from := time.Unix(hour0, 0).UTC()
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/costs?limit=1000&from="+from.Format(time.RFC3339)+"&to="+from.Add(time.Hour).Format(time.RFC3339)+query, nil))
	if rec.Code == 200 {
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
	}
	return a, rec.Code, rec.Body.String()
}

// TestCostsNarrowed: what costs of one value of a part are, or without some values, is what the other requests come to when they are added up one
// by one, from raw events as from stored hours.
func TestCostsNarrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := spent(rand.New(rand.NewPCG(5, 5)), 200)
		w := newWorld()
		w.publish(hour0, slices.Clone(rows)...)
		s, _ := newService(t, w, nil)
		check := func(by, query string, parts string, let func(key map[string]string) bool) {
			t.Helper()
			a, status, text := s.narrowed(t, "&group_by="+by+query)
			if status != 200 {
				t.Errorf("%s by %s: %d %s", query, by, status, text)
				return
			}
			names := strings.Split(parts, ",")
			all, want := plainly(rows, names, a.From, a.To), cost.NewTable(strings.Split(by, ","))
			for _, g := range all.Groups() {
				key := map[string]string{}
				for i, name := range names {
					key[name] = g.Key[i]
				}
				if let(key) {
					var own []string
					for _, part := range want.By {
						own = append(own, key[part])
					}
					want.Add(own, &g.Usage)
				}
			}
			if got, want := fmt.Sprint(a.Total.Requests, a.Total.CostUSD, a.Total.Tokens), lineOf(&want.Total, false); got != fmt.Sprint(want.Requests, want.CostUSD, want.Tokens) || want.Requests == 0 {
				t.Errorf("%s by %s: in all %s, want %+v", query, by, got, want)
			}
			if len(a.Groups) != want.Len() {
				t.Errorf("%s by %s: %d groups, want %d", query, by, len(a.Groups), want.Len())
			}
			for _, g := range a.Groups {
				var key []string
				for _, part := range want.By {
					v := ""
					if g.Key[part] != nil {
						v = *g.Key[part]
					}
					key = append(key, v)
				}
				if of := lineOf(want.Of(key...), false); fmt.Sprint(g.Requests, g.CostUSD) != fmt.Sprint(of.Requests, of.CostUSD) {
					t.Errorf("%s by %s: %v has %+v, want %+v", query, by, key, g.costLine, of)
				}
			}
		}
		byUser := func() {
			check("user_id", "&user_id=u", "user_id", func(k map[string]string) bool { return k["user_id"] == "u" })
			check("user_id", "&without=user_id:u", "user_id", func(k map[string]string) bool { return k["user_id"] != "u" })
			check("day", "&user_id=v", "user_id,day", func(k map[string]string) bool { return k["user_id"] == "v" })
			check("model", "&without=model:a&without=model:", "model", func(k map[string]string) bool { return k["model"] == "b" })
			check("day", "&without=tenant:x", "tenant,day", func(k map[string]string) bool { return k["tenant"] != "x" })
		}
		byUser()
		check("model", "&user_id=u", "model,user_id", func(k map[string]string) bool { return k["user_id"] == "u" })
		check("tenant,model", "&user_id=u&feature=chat", "tenant,model,user_id,feature", func(k map[string]string) bool { return k["user_id"] == "u" && k["feature"] == "chat" })
		check("key", "&without=key:k1&model=a", "key,model", func(k map[string]string) bool { return k["key"] != "k1" && k["model"] == "a" })
		check("tenant", "&without=model:a&without=user_id:u&without=user_id:v", "tenant,model,user_id", func(k map[string]string) bool { return k["model"] != "a" && k["user_id"] == "w" })
		if _, err := s.foldHour(context.Background(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		clear(w.lake) // from here on a question that read the events would fail
		byUser()
		for query, want := range map[string]string{
			"&user_id=":               "leave user_id out",
			"&without=day:2026-03-01": "give DIMENSION:VALUE",
			"&without=user_id":        "give DIMENSION:VALUE",
			"&colour=red":             "unknown parameter",
		} {
			if _, status, text := s.narrowed(t, query); status != 422 || !strings.Contains(text, want) {
				t.Errorf("%s: %d %s, want %q", query, status, text, want)
			}
		}
	})
}

// TestCostsThatCannotBeNarrowed: where nobody knows whether requests belong to what is asked for, the answer is a refusal.
func TestCostsThatCannotBeNarrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, spent(rand.New(rand.NewPCG(6, 6)), 100)...)
		s, _ := newService(t, w, nil)
		s.folder.limits = map[string]int{agg.ByModel: 1, agg.ByTenant: 1, agg.ByEndpoint: 1, agg.ByUser: 10}
		if _, err := s.foldHour(context.Background(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.hours[hour0].base = w.periods[claim{"hourly", hour0}].Cells
		w.hours[hour0].files = []event.LakeFile{} // its events have left
		w.mu.Unlock()
		for query, want := range map[string]string{
			"&group_by=tenant&without=tenant:x":                          "count together as __other__",
			"&group_by=tenant&without=tenant:x&without=tenant:__other__": "",
			"&group_by=user_id&without=user_id:u":                        "",
			"&user_id=u&without=model:a":                                 "have left, and their hours tell them by one of",
			"&user_id=u&feature=chat":                                    "have left, and their hours tell them by one of",
			"&group_by=model&user_id=u":                                  "", // all of the user, of models that nobody knows
		} {
			if _, status, text := s.narrowed(t, query); (status == 200) != (want == "") || !strings.Contains(text, want) || strings.Contains(text, "100 requests") {
				t.Errorf("%s: %d %s, want %q", query, status, text, want) // how many there are of all tenants is nothing for one of them to know
			}
		}
	})
}

// TestCostsOfUsersThatCountTogether: what a user cost that is not among the busiest of an hour cannot be told once its events have left.
func TestCostsOfUsersThatCountTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, spent(rand.New(rand.NewPCG(6, 6)), 100)...)
		s, _ := newService(t, w, nil)
		s.folder.limits = map[string]int{agg.ByModel: 10, agg.ByTenant: 10, agg.ByEndpoint: 10, agg.ByUser: 1}
		if _, err := s.foldHour(context.Background(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.hours[hour0].base = w.periods[claim{"hourly", hour0}].Cells
		w.hours[hour0].files = []event.LakeFile{}
		w.mu.Unlock()
		told := 0
		for _, user := range []string{"u", "v", "w"} {
			switch a, status, text := s.narrowed(t, "&group_by=day&user_id="+user); {
			case status == 200 && a.Total.Requests > 0:
				told++
			case status != 422 || !strings.Contains(text, "the busiest values alone"):
				t.Errorf("%s: %d %s", user, status, text)
			}
		}
		if told != 1 {
			t.Errorf("%d users are told, want the busiest one", told)
		}
	})
}

// TestNarrowByUsers: users of one tenant stand in a table without those of others, which would use up its lines.
func TestNarrowByUsers(t *testing.T) {
	n := narrow{only: map[string]string{"tenant": "x", "model": "a"}}
	q := &costQuery{by: []string{"user_id"}}
	if n.into(q); !slices.Equal(q.by, []string{"user_id", "tenant", "model"}) || !slices.Equal(q.only, []string{"a"}) {
		t.Errorf("by %v, only %v", q.by, q.only)
	}
	q = &costQuery{by: []string{"day"}}
	if n.into(q); q.only != nil {
		t.Errorf("only %v", q.only)
	}
	full := cost.NewTable([]string{"user_id", "model"})
	full.Beyond = true
	if _, err := n.of(full, []string{"user_id"}); err == nil {
		t.Error("lines that count together may hold what is asked for")
	}
}

// TestOwnCostsThatCannotBeNarrowed: what requests took of own GPUs is refused where what they cost would be.
func TestOwnCostsThatCannotBeNarrowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		time.Sleep(time.Until(time.Unix(hour0, 0).Add(3 * time.Hour))) // the hour is over
		w.publish(hour0, spent(rand.New(rand.NewPCG(6, 6)), 100)...)
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "p", Models: []string{"a", "b"}, GPUs: 3, GPUHourUSD: 1, PUE: 1, OutputWeight: 4}}
		})
		if _, err := s.foldHour(context.Background(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.hours[hour0].base = w.periods[claim{"hourly", hour0}].Cells
		w.hours[hour0].files = []event.LakeFile{}
		w.mu.Unlock()
		for query, want := range map[string]int{"&model=a&feature=chat": 422, "&feature=chat&group_by=model": 422, "&group_by=model&without=model:a": 200, "&model=a": 200} {
			for _, own := range []string{"", "&own=true"} {
				if _, status, text := s.narrowed(t, query+own); status != want {
					t.Errorf("%s%s: %d %s, want %d", query, own, status, text, want)
				}
			}
		}
	})
}
