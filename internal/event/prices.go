package event

// Prices knows what requests cost that do not tell it themselves.
type Prices interface {
	// Rate gives a request without a cost the one that was known when its record arrived, in microseconds since the epoch; what nobody
	// can price stays as it is. The answer depends on the event and its arrival alone, whoever asks and whenever. e is complete.
	Rate(e *Event, arrived int64)
}
