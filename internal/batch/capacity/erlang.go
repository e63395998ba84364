package capacity

import "math"

// maxSlots bounds the slots that are counted through.
const maxSlots = 100_000

// WaitShare is the share of requests that find all slots taken, and the mean wait in units of the mean service time, in a queue with so many
// slots and an offered load of so many slots (arrivals times service time): Erlang's C formula for M/M/c, by the recursion of B.
// ok is false where the load is no less than the slots: then the queue grows without end.
func WaitShare(slots int, load float64) (share, wait float64, ok bool) {
	if slots < 1 || slots > maxSlots || !(load >= 0) || load >= float64(slots) {
		return 1, math.Inf(1), false
	}
	b := 1.0
	for c := 1; c <= slots; c++ {
		b = load * b / (float64(c) + load*b)
	}
	rho := load / float64(slots)
	share = b / (1 - rho*(1-b))
	return share, share / (float64(slots) - load), true
}

// SlotLoad returns the largest offered load at which no more than a share of requests waits, found by halving.
func SlotLoad(slots int, most float64) float64 {
	lo, hi := 0.0, float64(slots)
	for range 60 {
		mid := (lo + hi) / 2
		if share, _, ok := WaitShare(slots, mid); ok && share <= most {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
