package report

// Term says what a number means.
type Term struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Definitions are the numbers of summaries. A reader who doubts a number finds here what was counted.
var Definitions = []Term{
	{"Requests", "LLM requests, each counted once by its event id, at the time at which it was made."},
	{"Error rate", "Failed requests ÷ requests whose outcome is known. A request without an outcome counts as a request and not here."},
	{"Latency", "Duration of the successful requests. Percentiles are nearest rank, within 1 % of the exact value."},
	{"Time to first token", "TTFT. Time from the request to the first token of the answer, of the successful requests that streamed."},
	{"Tokens", "Prompt and completion tokens of the requests, as their events state them."},
	{"User satisfaction", "Mean of the scores, 1 to 5, that users gave in the period."},
	{"Users", "Different user ids of the requests, within 5 % for large numbers."},
	{"Cost", "Sum of the cost of the requests that have one, exact to a billionth of a dollar. No data when none of them has one; unknown is never counted as zero."},
	{"Business value", "Sum of the value of business events of the period, where they state one."},
	{"CPU, memory, GPU", "Mean of the samples of all machines, in percent. They belong to the total, since a machine serves all models."},
	{"Late events", "Events that arrived later than the allowed lateness. They are counted in the period of their own time."},
	{"Completeness", "Share of the period whose events are all counted. A part without events is covered; one whose data are not aggregated yet, or newer than its aggregate, is not."},
	{"Change", "Value ÷ value of the previous period − 1. The previous period is as long as this one and ends where it starts; the second change is against the same period before, at the same place of the week or year. Weeks start on Sunday; all times are UTC."},
}
