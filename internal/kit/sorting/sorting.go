// Package sorting sorts what is short and seldom sorted.
//
// slices.SortFunc is compiled anew for every type of element, at 20 KB apiece. What stands here is compiled once for all of them, and
// pays with a call through reflection for each swap. Use slices where events pass.
package sorting

import "sort"

// By sorts as slices.SortFunc does.
func By[E any](list []E, compare func(a, b E) int) {
	sort.Slice(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}

// StableBy sorts as slices.SortStableFunc does: what is equal stays in its order.
func StableBy[E any](list []E, compare func(a, b E) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}
