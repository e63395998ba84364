package agg

// Key is the set of dimensions by which events are grouped. "" stands for events that name none.
type Key struct {
	Model  string
	Tenant string
}

// Pane names the group of one second of event time.
type Pane struct {
	Start int64 // unix second
	Key   Key
}
