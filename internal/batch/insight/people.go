package insight

// Users is how many came.
type Users struct {
	Users      int      `json:"users"`
	DailyUsers *float64 `json:"daily_users"` // median of the days with requests
	MostUsers  int      `json:"most_users_a_day"`
	Unnamed    uint64   `json:"requests_without_user"`
}

// Cohort are the users whose first request of the time looked at came in one week.
type Cohort struct {
	Week     string    `json:"week"` // its first day
	Users    int       `json:"users"`
	Retained []float64 `json:"retained"` // share that came in this week, the next, …
}

// Sessions is how users asked together.
type Sessions struct {
	Sessions   int      `json:"sessions"`
	PerSession *float64 `json:"requests_per_session"` // median
	OneRequest *float64 `json:"share_of_one_request"`
}
