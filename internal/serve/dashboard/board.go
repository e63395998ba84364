package dashboard

// Board is one of the dashboards.
type Board struct {
	Name     string // as in the ready file
	Title    string
	Question string   // what the board answers
	Shows    []string // what a board that is not built yet will show
	Script   string   // module under static/ that fills the page
	page     string   // file of the content
	Style    string   // style sheet of its own under static/
	Foot     string   // what is said of the numbers at the end of the page
	asks     []asked  // what its script asks of services
}

// asked are paths of a service that a page asks at its own origin, because it may ask no other.
type asked struct {
	service  string // as in the ready file
	patterns []string
}

// Boards are the dashboards in the order of their tabs.
var Boards = []Board{
	{Name: "operations", Title: "Operations", Question: "Is the service well right now?", Script: "operations.js", page: "operations.html"},
	{
		Name: "business", Title: "Business", Question: "What does it cost, and what is it worth?", Script: "business.js", Style: "business.css", page: "business.html",
		Foot: "Days and times are UTC.",
		asks: []asked{{"batch-processing-api", []string{
			"GET /costs", "GET /forecasts", "GET /capacity/analysis", "GET /aggregation/status", "GET /aggregations/{level}", "GET /business-intelligence/{kind}",
			"GET /reports/{path...}", "POST /reports/generate", "DELETE /reports/{id}",
		}}},
	},
	{
		Name: "performance", Title: "Performance", Question: "Where does the time go?", Script: "planned.js", page: "planned.html",
		Shows: []string{
			"latency as a heat map, and which model or tenant a slow region belongs to",
			"time to first token against time per token, queue against compute",
			"throughput per GPU, KV cache and batch size",
			"load against latency, with the point where it bends",
		},
	},
	{
		Name: "system", Title: "System health", Question: "Is the pipeline itself well?", Script: "system.js", Style: "system.css", page: "system.html", Foot: "Times are UTC.",
		asks: []asked{{"kafka-api", []string{"GET /dead-letters", "GET /dead-letters/{path...}", "POST /dead-letters/redrive"}}},
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
