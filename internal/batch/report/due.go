package report

// Item is one report that is due.
type Item struct {
	Kind   Kind
	Period Period
}

// Due returns the reports that the end of each whole day of an interval calls for, oldest first: of the day, its hours in one report
// and the day; of a week or month that ended with it, the week or month, with what is usually told of so long a time.
func Due(interval Period) []Item {
	var out []Item
	day := Floor("daily", interval.Start)
	if day.Before(interval.Start) {
		day = Step("daily", day, 1)
	}
	for {
		end := Step("daily", day, 1)
		if end.After(interval.End) {
			return out
		}
		out = append(out, Item{Hourly, Period{day, end}}, Item{Daily, Period{day, end}})
		for _, level := range []string{"weekly", "monthly"} {
			last := Last(level, end)
			if !last.End.Equal(end) {
				continue
			}
			for _, k := range Kinds {
				if k.Usual() == level {
					out = append(out, Item{k, last})
				}
			}
		}
		day = end
	}
}
