// Package words is for messages about what somebody wrote: it finds what was meant by a typing error, and keeps texts short. It is pure and
// bounded: words of more than 100 bytes are not compared.
package words

import (
	"fmt"
	"strings"
)

// DidYouMean is a hint at the nearest of the known words, "" when none is near.
func DidYouMean(word string, known []string) string {
	if k := Nearest(word, known); k != "" {
		return fmt.Sprintf("; did you mean %q?", k)
	}
	return ""
}

const longest = 100 // bytes of a word that is looked at: the work grows with the square

// Nearest finds the known word with the fewest edits: at most two, or a third of its length; "" when none is so near.
func Nearest(word string, known []string) string {
	if len(word) > longest {
		return ""
	}
	best, fewest := "", 1<<30
	for _, k := range known {
		if d := Distance(strings.ToLower(word), strings.ToLower(k)); d < fewest && d <= max(2, len(k)/3) && d < max(len(k), len(word)) {
			best, fewest = k, d
		}
	}
	return best
}

// Distance counts insertions, deletions, replacements and swaps of neighbours that make b of a.
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
