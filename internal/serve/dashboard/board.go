package dashboard

// Board is one of the dashboards.
type Board struct {
	Name     string // as in the ready file
	Title    string
	Question string   // what the board answers
	Script   string   // module under static/ that fills the page
	page     string   // file of the content
	Style    string   // style sheet of its own under static/
	Foot     string   // what is said of the numbers at the end of the page
	asks     []asked  // what its script asks of services
	more     []Board  // further pages of it
	at       string   // path of a further page
	looks    []string // services whose /health and /metrics it shows, under /services/NAME
}

// Self is the service that tells of the process which serves the boards.
const Self = "self"

// asked are paths of a service that a page asks at its own origin, because it may ask no other.
type asked struct {
	service  string // as in the ready file
	patterns []string
}

// Boards are the dashboards in the order of their tabs.
var Boards = []Board{
	{
		Name: "operations", Title: "Operations", Question: "Is the service well right now?", Script: "operations.js", Style: "operations.css", page: "operations.html",
		asks: []asked{{"event-processing-api", []string{
			"GET /analytics", "GET /analytics/compare", "GET /analytics/performance", "GET /slo", "GET /deployments", "GET /alerts", "GET /alerts/{id}", "GET /correlations",
			"GET /responses", "GET /responses/audit", "GET /responses/{id}", "POST /responses/{id}/dry-run", "POST /responses/{id}/approve", "POST /responses/{id}/dismiss", "POST /responses/{id}/revert",
		}}, {"data-streaming-api", []string{
			"GET /api/v2/alerts", "GET /api/v2/alerts/groups", "GET /notifications", "GET /notifications/config", "POST /notifications/test", "POST /notifications/ack",
			"GET /notifications/silences", "POST /notifications/silences", "DELETE /notifications/silences/{id}",
		}}},
		more: []Board{{Name: "operations", Title: "Notifications", at: "/notify", Script: "notifications.js", Style: "notifications.css", page: "notifications.html", Foot: "Times are local."}},
	},
	{
		Name: "business", Title: "Business", Question: "What does it cost, and what is it worth?", Script: "business.js", Style: "business.css", page: "business.html",
		Foot: "Days and months are UTC.",
		asks: []asked{{"batch-processing-api", []string{
			"GET /costs", "GET /costs/accepted", "GET /costs/budgets", "GET /costs/self-hosted", "POST /costs/whatif", "GET /forecasts", "GET /dags", "GET /capacity/analysis", "GET /aggregation/status", "GET /aggregations/{level}", "GET /business-intelligence/{kind}",
			"GET /reports/{path...}", "PUT /reports/schedules", "POST /reports/generate", "DELETE /reports/{id}",
		}}, {"event-processing-api", []string{"GET /analytics", "GET /anomalies", "GET /correlations", "GET /deployments", "GET /alerts", "GET /responses"}}},
	},
	{
		Name: "performance", Title: "Performance", Question: "Where does the time go?", Script: "performance.js", Style: "performance.css", page: "performance.html",
		asks: []asked{
			{"event-processing-api", []string{"GET /analytics", "GET /analytics/compare", "GET /analytics/performance", "GET /deployments", "GET /alerts", "GET /responses", "GET /correlations"}},
			{"batch-processing-api", []string{"GET /capacity/analysis"}},
		},
	},
	{
		Name: "system", Title: "System health", Question: "Is the pipeline itself well?", Script: "system.js", Style: "system.css", page: "system.html",
		asks: []asked{
			{"kafka-api", []string{"GET /dead-letters", "GET /dead-letters/{path...}", "POST /dead-letters/redrive", "GET /topics", "GET /consumer-groups", "GET /consumer-groups/{id}"}},
			{"event-processing-api", []string{"GET /analytics/compare", "GET /analytics/performance", "GET /alerts", "GET /responses", "GET /deployments", "GET /rules"}},
			{"batch-processing-api", []string{"GET /aggregation/status", "GET /dags", "GET /runs"}},
			{"data-streaming-api", []string{"GET /streams/status", "GET /streams/performance"}},
			{Self, []string{"GET /configuration", "POST /self-test"}},
		},
		looks: []string{"kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api", "scheduler"},
	},
}

// scheduler is the page of the batch work. It is not one of the boards: its data comes from the API beside it, see MountScheduler.
var scheduler = Board{
	Name: "scheduler", Title: "Scheduler", Question: "What ran, what runs next, and did it go well?", Script: "scheduler.js", Style: "scheduler.css", page: "scheduler.html",
	Foot: "Times are UTC.",
}

func find(name string) (Board, bool) {
	for _, b := range Boards {
		if b.Name == name {
			return b, true
		}
	}
	return Board{}, false
}
